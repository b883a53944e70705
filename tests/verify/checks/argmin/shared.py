from collections.abc import Callable

import numpy as np

from reference_impls.computation import Array, Arrays, Optimality
from verify.checks.argmin.solution import Solution

A = np.array([[3.0, 1.0], [-1.0, 2.0]])


def cubic(b: Array, c: Array) -> Callable[[Array], Array]:
    """A y + c y³ - b, with a K that is not symmetric."""
    return lambda y: A @ y + c * y**3 - b


CUBIC = Optimality(
    condition=cubic,
    start=lambda b, c: np.zeros(2),  # noqa: ARG005 -- of Optimality
    outcome=lambda y, b, c: c * y,  # noqa: ARG005 -- the same
)
PRIMALS = {"b": np.array([1.0, 2.0]), "c": np.asarray(0.5)}
TANGENTS = {"b": np.array([0.3, -1.2]), "c": np.asarray(0.7)}
COTANGENT = np.array([1.3, -0.4])


def solution() -> Solution:
    return Solution.found(CUBIC, PRIMALS)


def derivative_on_paper() -> float:
    """⟨u, d(c y)⟩ with K dy = db - dc y³."""
    y, c = solution().y, PRIMALS["c"]
    K = A + np.diag(3 * c * y**2)
    dy = np.linalg.solve(K, TANGENTS["b"] - TANGENTS["c"] * y**3)
    return float(COTANGENT @ (TANGENTS["c"] * y + c * dy))


def soft(y: Array) -> Callable[[Array], Array]:
    """The condition of argmin ½ (w - y)² + |w|, w held at zero or not."""

    def gradient(w: Array) -> Array:
        signs = np.sign(np.real(w))
        return np.where(signs == 0, w, w - y + signs)

    return gradient


SOFT = Optimality(
    condition=soft,
    start=lambda y: np.zeros(y.size),
    outcome=lambda w, y: w,  # noqa: ARG005 -- of Optimality
    search=lambda tolerance, y: np.sign(y) * np.maximum(np.abs(y) - 1, 0),  # noqa: ARG005
    support=lambda w, y: np.sign(w),  # noqa: ARG005
    margin=lambda w, y: float(np.where(w == 0, 1 - np.abs(y), np.abs(w)).min()),
)


def soft_solution(*y: float) -> Solution:
    return Solution.found(SOFT, {"y": np.array(y)})


def ill_conditioned(smallest: float) -> tuple[Solution, Arrays]:
    """M y = x with a singular value that most steps of a difference exceed, and a direction."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    M = left @ np.diag([1.0, 0.5, smallest]) @ right
    optimality = Optimality(
        condition=lambda M, x: lambda y: M @ y - x,
        start=lambda M, x: np.zeros(x.size),  # noqa: ARG005 -- of Optimality
        outcome=lambda y, M, x: y,  # noqa: ARG005 -- the same
    )
    primals = {"M": M, "x": rng.standard_normal(3)}
    return Solution.found(optimality, primals), {"M": rng.standard_normal((3, 3))}
