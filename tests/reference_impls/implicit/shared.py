"""What the tests of the argmin and root layers share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import autograd
import autograd.numpy as anp
import numpy as np
import numpy.typing as npt
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.engines.hips.argmin import autograd_argmin, autograd_root
from reference_impls.engines.pytorch.argmin import torch_argmin, torch_root
from reference_impls.implicit.solvers import (
    LU,
    Cholesky,
    ConjugateGradients,
    PseudoInverse,
    Solver,
)

Native = Any
BOUND = 1e-10


class Engine(NamedTuple):
    """What the tests need of a library, so that each is written once.

    Attributes:
        name: for the test's identifier.
        numpy: the library's functions.
        argmin: its operator.
        root: its operator.
        array: from numbers and a dtype to its arrays.
        jacobian: from a function of one array to its Jacobian, which is differentiable.
    """

    name: str
    numpy: Any
    argmin: Callable[..., Any]
    root: Callable[..., Any]
    array: Callable[..., Native]
    jacobian: Callable[[Callable[[Native], Native]], Callable[[Native], Native]]


def torch_array(values: npt.ArrayLike, dtype: str = "float64") -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype))


def torch_jacobian(function: Callable[[Native], Native]) -> Callable[[Native], Native]:
    def jacobian(x: torch.Tensor) -> Native:
        derivative = torch.autograd.functional.jacobian
        return derivative(function, x, create_graph=True)  # type: ignore[no-untyped-call]

    return jacobian


TORCH = Engine("torch", torch, torch_argmin, torch_root, torch_array, torch_jacobian)
AUTOGRAD = Engine(
    "autograd",
    anp,
    autograd_argmin,
    autograd_root,
    lambda values, dtype="float64": np.array(values, dtype),
    autograd.jacobian,
)

every_engine = pytest.mark.parametrize("engine", [TORCH, AUTOGRAD], ids=lambda e: e.name)
every_solver = pytest.mark.parametrize(
    "solver", [Cholesky(), LU(), ConjugateGradients(), PseudoInverse()], ids=str
)
every_order = pytest.mark.parametrize("order", [0, 1, 2])


def numbers(native: Native) -> Array:
    return np.asarray(native.detach() if isinstance(native, torch.Tensor) else native)


def close(got: Native, wanted: npt.ArrayLike, bound: float = BOUND) -> bool:
    difference = np.linalg.norm(np.ravel(numbers(got) - np.asarray(wanted)))
    return bool(difference <= bound * np.linalg.norm(np.ravel(wanted)))


def derivative(engine: Engine, function: Callable[[Native], Native], order: int) -> Native:
    for _ in range(order):
        function = engine.jacobian(function)
    return function


def ridge(w: Native, penalty: Native, S: Native, Y: Native) -> Native:
    return ((S @ w - Y) ** 2).sum() / len(Y) + penalty * (w**2).sum() / len(w)


POINTS = [[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [1.0, 2.0, 3.0]
RIDGE = [
    (25 / 39, 31 / 39),
    (-1 / 6, -5 / 39),
    (0.0927021696, 0.0364891519),
]


def ridge_layer(engine: Engine, **options: Native) -> Callable[[Native], Native]:
    initial, S, Y = map(engine.array, ([0.0, 0.0], *POINTS))
    return lambda penalty: engine.argmin(ridge, initial, penalty, S, Y, **options)


def cubic(y: Native, A: Native, b: Native) -> Native:
    return A @ y + y**3 / 10 - b


def cubic_at_its_root(y: Array, A: Array) -> tuple[Array, Array]:
    """Returns ∂y/∂A and ∂y/∂b."""
    inverse = np.linalg.inv(A + np.diag(0.3 * y**2))
    return -np.einsum("ij,k->ijk", inverse, y), inverse


def skewed() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 4)) + 4 * np.eye(4), rng.standard_normal(4)


def root_error(engine: Engine, solver: Solver | None = None) -> float:
    """Returns the largest relative error of a root's Jacobians."""
    A, b = skewed()
    initial = engine.array(np.zeros(4))

    def layer(A: Native, b: Native) -> Native:
        return engine.root(cubic, initial, A, b, solver=solver)

    native = engine.array(A), engine.array(b)
    y = numbers(layer(*native))
    assert np.linalg.norm(cubic(y, A, b)) < BOUND
    wanted = cubic_at_its_root(y, A)
    got = (
        engine.jacobian(lambda A: layer(A, native[1]))(native[0]),
        engine.jacobian(lambda b: layer(native[0], b))(native[1]),
    )
    norm = np.linalg.norm
    return max(
        float(norm(np.ravel(numbers(one) - other)) / norm(np.ravel(other)))
        for one, other in zip(got, wanted, strict=True)
    )


def flat(y: Native, x: Native) -> Native:
    return -(x @ y) / (y @ y) ** 0.5
