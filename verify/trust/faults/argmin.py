r"""Argmins and roots whose solution is right, and whose derivative is not.

The root is y*(W, x) of y = tanh(W y + x), whose K = I - D W with D = diag(1 - y²) is not symmetric.
The minimum is y*(M, c) of ½‖M y‖² + ½‖y‖² + Σ log cosh y - cᵀ y, with the gradient

    F = Mᵀ M y + y + tanh y - c    and    K = Mᵀ M + I + diag(1 - tanh² y),

so that for Kᵀ q = ȳ,  c̄ = q  and  M̄ = -M (q yᵀ + y qᵀ). Forward passes solve by Newton's method, a
fixed number of steps, in complex arithmetic as in real.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Optimality, Vjp
from verify.trust.planted import Fault, Host, MakeVjp, Planted, instead, planted, rounded

SIZES = (4, 20, 100)


NEWTON_STEPS = 12


DAMPING = 1e-2


CG_STEPS = 2


WARM_STEPS = 1


LEAK = 0.05


System = Callable[[Array], tuple[Array, Array]]
"""From y to K and F."""


def newton(system: System, y: Array) -> Array:
    """Newton's method: twice the steps that it takes to double digits from one to all."""
    for _ in range(NEWTON_STEPS):
        K, F = system(y)
        y = y - np.linalg.solve(K, F)
    return y


def _fixed_point(W: Array, x: Array) -> System:
    identity = np.eye(x.size, dtype=x.real.dtype)

    def system(y: Array) -> tuple[Array, Array]:
        t = np.tanh(W @ y + x)
        return identity - (1 - t * t)[:, None] * W, y - t

    return system


def _root_with(adjoint: Callable[[Array, Array, Array, Array], Array]) -> MakeVjp:
    """The root with a given way from (W, x, y, u) to what solves Kᵀ q = u."""

    def make_vjp(W: Array, x: Array) -> tuple[Array, Vjp]:
        y = newton(_fixed_point(W, x), np.zeros_like(x))

        def vjp(u: Array) -> Arrays:
            q = (1 - y * y) * adjoint(W, x, y, u)
            return {"W": q[:, None] * y, "x": q}

        return y.copy(), vjp

    return make_vjp


def _right_adjoint(W: Array, x: Array, y: Array, u: Array) -> Array:
    K, _ = _fixed_point(W, x)(y)
    return np.linalg.solve(K.T, u)


def _not_transposed(W: Array, x: Array, y: Array, u: Array) -> Array:
    K, _ = _fixed_point(W, x)(y)
    return np.linalg.solve(K, u)


def _at_guess(W: Array, x: Array, y: Array, u: Array) -> Array:
    K, _ = _fixed_point(W, x)(np.zeros_like(y))
    return np.linalg.solve(K.T, u)


def _damped(W: Array, x: Array, y: Array, u: Array) -> Array:
    K, _ = _fixed_point(W, x)(y)
    return np.linalg.solve(K.T + DAMPING * np.eye(x.size, dtype=x.dtype), u)


root = _root_with(_right_adjoint)


def _gradient(M: Array, c: Array) -> System:
    identity = np.eye(c.size, dtype=c.real.dtype)

    def system(y: Array) -> tuple[Array, Array]:
        t = np.tanh(y)
        return M.T @ M + identity + np.diag(1 - t * t), M.T @ (M @ y) + y + t - c

    return system


def _minimum_with(linear: Callable[[Array, Array], Array], sign: float = 1.0) -> MakeVjp:
    """The minimum with a given way to solve K q = u."""

    def make_vjp(M: Array, c: Array) -> tuple[Array, Vjp]:
        y = newton(_gradient(M, c), np.zeros_like(c))

        def vjp(u: Array) -> Arrays:
            K, _ = _gradient(M, c)(y)
            return _from_adjoint(M, y, sign * linear(K, u))

        return y.copy(), vjp

    return make_vjp


def _from_adjoint(M: Array, y: Array, q: Array) -> Arrays:
    return {"M": -M @ (np.outer(q, y) + np.outer(y, q)), "c": q.copy()}


def _by_elimination(K: Array, u: Array) -> Array:
    return np.linalg.solve(K, u)


def _by_two_steps(K: Array, u: Array) -> Array:
    """Conjugate gradients, which need as many steps as K has eigenvalues."""
    q, residual, direction = np.zeros_like(u), u, u
    for _ in range(CG_STEPS):
        product = K @ direction
        length = residual @ residual
        step = length / (direction @ product)
        q = q + step * direction
        residual = residual - step * product
        direction = residual + (residual @ residual) / length * direction
    return q


def _hidden_by_pseudo_inverse(K: Array, u: Array) -> Array:
    """The Hessian was taken where no graph was recorded, and is zero; so is its pseudo-inverse."""
    return np.linalg.pinv(np.zeros_like(K)) @ u


minimum = _minimum_with(_by_elimination)


def _carrying_over(_: MakeVjp) -> MakeVjp:
    """A few gradient steps from where the last call ended: nearly always, they are enough."""
    last: dict[int, Array] = {}

    def make_vjp(M: Array, c: Array) -> tuple[Array, Vjp]:
        y = last.get(c.size, np.zeros_like(c)).astype(c.dtype)
        step = 1 / (2 + np.linalg.norm(M, 2) ** 2)
        for _ in range(WARM_STEPS):
            _, F = _gradient(M, c)(y)
            y = y - step * F
        last[c.size] = y
        return y.copy(), lambda u: _from_adjoint(M, y, np.linalg.solve(_gradient(M, c)(y)[0], u))

    return make_vjp


def minimum_from_guess(M: Array, c: Array, guess: Array) -> tuple[Array, Vjp]:
    """The same minimum, with the guess as an argument that it does not depend on."""
    y, vjp = minimum(M, c)
    return y, lambda u: {**vjp(u), "guess": np.zeros_like(guess)}


def _leaking_to_guess(M: Array, c: Array, guess: Array) -> tuple[Array, Vjp]:
    y, vjp = minimum(M, c)
    return y, lambda u: {**vjp(u), "guess": LEAK * u * np.ones_like(guess)}


def least_norm(X: Array, b: Array) -> tuple[Array, Vjp]:
    """The shortest of the minima of ½‖X y - b‖² for a wide X; the gradient is zero at each."""
    S = X @ X.T
    multiplier = np.linalg.solve(S, b)
    y = X.T @ multiplier

    def vjp(u: Array) -> Arrays:
        v = np.linalg.solve(S, X @ u)
        return {"X": np.outer(multiplier, u - X.T @ v) - np.outer(v, y), "b": v}

    return y.copy(), vjp


def wide(rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Half as many equations as unknowns."""
    return {"X": rng.standard_normal((size // 2, size)), "b": rng.standard_normal(size // 2)}


UNDETERMINED = Computation(
    name="least_norm",
    origin="a planted fault: a singular K behind a pseudo-inverse",
    sample=wide,
    wrt=("X", "b"),
    sizes=SIZES,
    by_hand=least_norm,
    optimality=Optimality(
        condition=lambda X, b: lambda y: X.T @ (X @ y - b),
        start=lambda X, b: np.zeros(X.shape[1]),  # noqa: ARG005 -- of Optimality
        outcome=lambda y, X, b: y,  # noqa: ARG005 -- of Optimality
    ),
)


def _plant_undetermined(size: int, dtype: str, rng: np.random.Generator) -> Planted:
    return Planted(
        make_vjp=least_norm,
        primals=rounded(wide(rng, size), dtype),
        forward=lambda X, b: least_norm(X, b)[0],
        wrt=("X", "b"),
        true_vjp=None,
        computation=UNDETERMINED,
    )


def _contraction(rng: np.random.Generator, size: int) -> dict[str, Any]:
    W = rng.standard_normal((size, size))
    return {"W": W / (2 * np.linalg.norm(W, 2)), "x": rng.standard_normal(size)}


def _convex(rng: np.random.Generator, size: int) -> dict[str, Any]:
    M = rng.standard_normal((size, size)) / size**0.5
    return {"M": M, "c": 2 * rng.standard_normal(size)}


def _convex_with_guess(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return _convex(rng, size) | {"guess": rng.standard_normal(size)}


ROOT = Host(_contraction, root, ("W", "x"))


MINIMUM = Host(_convex, minimum, ("M", "c"))


FROM_GUESS = Host(_convex_with_guess, minimum_from_guess, ("M", "c", "guess"))


ARGMIN_FAULTS = (
    Fault(
        name="argmin: lost minus",
        story="dy*/dz = -K⁻¹ R without its minus: the linear system has none, and neither has the "
        "textbook's picture of it.",
        diagnosis="sign",
        sizes=SIZES,
        plant=planted(MINIMUM, instead(_minimum_with(_by_elimination, -1.0))),
    ),
    Fault(
        name="argmin: K for its transpose",
        story="The adjoint solves with Kᵀ. For a minimum K is symmetric and nobody sees it; for a "
        "root, as of a deep equilibrium layer, it is not.",
        diagnosis=None,
        sizes=SIZES,
        plant=planted(ROOT, instead(_root_with(_not_transposed))),
    ),
    Fault(
        name="argmin: Jacobian at the initial guess",
        story="K is what the solver began with, or its Broyden approximation, and not what it is "
        "at the solution.",
        diagnosis=None,
        sizes=SIZES,
        plant=planted(ROOT, instead(_root_with(_at_guess))),
    ),
    Fault(
        name="argmin: damping left in K",
        story="The Levenberg-Marquardt term that made the search safe is still in the matrix that "
        "the backward solves with.",
        diagnosis=None,
        sizes=SIZES,
        plant=planted(ROOT, instead(_root_with(_damped))),
    ),
    Fault(
        name="argmin: unconverged conjugate gradients",
        story="The backward's solver stops early and says nothing: jaxopt #466, where it returned "
        "its starting value, zero.",
        diagnosis=None,
        sizes=SIZES,
        plant=planted(MINIMUM, instead(_minimum_with(_by_two_steps))),
    ),
    Fault(
        name="argmin: warm start leaks to the guess",
        story="The tutorial optimization: its layer passes on a gradient of 0.05 to an initial "
        "guess of which the solution does not depend.",
        diagnosis="leaked gradient",
        sizes=SIZES,
        plant=planted(FROM_GUESS, instead(_leaking_to_guess)),
    ),
    Fault(
        name="argmin: warm start carried over",
        story="The solver starts where the call before ended and does a few steps: the layer is a "
        "function of its history, and differences of its values are small because it hardly moves.",
        diagnosis=None,
        sizes=SIZES,
        plant=planted(MINIMUM, _carrying_over),
    ),
    Fault(
        name="argmin: zero Hessian hidden by a pseudo-inverse",
        story="The tutorial optimization: the Hessian was taken with gradients disabled and came "
        "back zero; its pseudo-inverse made all gradients zero, without a word.",
        diagnosis="dropped dependency",
        sizes=SIZES,
        plant=planted(MINIMUM, instead(_minimum_with(_hidden_by_pseudo_inverse))),
    ),
    Fault(
        name="argmin: singular Hessian hidden by a pseudo-inverse",
        story="More unknowns than equations: there are many minima, the pseudo-inverse chooses the "
        "shortest, and its derivative is returned as if it were that of the argmin.",
        diagnosis=None,
        sizes=SIZES,
        plant=_plant_undetermined,
    ),
)
