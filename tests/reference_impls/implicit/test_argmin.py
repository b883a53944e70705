from collections import ChainMap, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from reference_impls.engines.pytorch.argmin import torch_argmin, torch_root
from reference_impls.implicit import ConstraintRankError, OutputShapeError
from reference_impls.implicit.solvers import (
    LU,
    Cholesky,
    ConjugateGradients,
    PseudoInverse,
    Solver,
)
from tests.reference_impls.implicit.shared import (
    BOUND,
    POINTS,
    RIDGE,
    TORCH,
    Engine,
    Native,
    close,
    cubic,
    cubic_at_its_root,
    derivative,
    every_engine,
    every_order,
    every_solver,
    numbers,
    ridge,
    ridge_layer,
    root_error,
    skewed,
    torch_array,
)


@every_engine
@every_solver
@every_order
def test_ridge_regression_has_a_closed_form(engine: Engine, solver: Solver, order: int) -> None:
    layer = ridge_layer(engine, solver=solver)
    got = derivative(engine, layer, order)(engine.array(2.0))
    # The issue has ten digits of the second derivative.
    assert close(got, RIDGE[order], BOUND if order < 2 else 1e-8)


@every_engine
@every_solver
def test_second_derivatives_are_those_of_the_closed_form(engine: Engine, solver: Solver) -> None:
    S, Y = map(np.array, POINTS)
    A = S.T @ S / 3 + 2.0 / 2 * np.eye(2)
    w = np.linalg.solve(A, S.T @ Y / 3)
    second = np.linalg.solve(A, np.linalg.solve(A, w)) / 2
    layer = ridge_layer(engine, solver=solver)
    assert close(derivative(engine, layer, 2)(engine.array(2.0)), second)
    third = -np.linalg.solve(A, second) * 3 / 2
    assert close(derivative(engine, layer, 3)(engine.array(2.0)), third)


@every_engine
@every_solver
@every_order
def test_the_minimum_of_a_quartic_is_known(engine: Engine, solver: Solver, order: int) -> None:
    def quartic(y: Native, x: Native) -> Native:
        return x * y**4 + 2 * x**2 * y**3 - 12 * y**2

    def layer(x: Native) -> Native:
        return engine.argmin(quartic, engine.array(-3.3), x, solver=solver)

    # f_y = 0 is 2xy² + 3x²y = 12, a quadratic equation.
    y, x = -(3 + np.sqrt(105)) / 4, 1.0
    y_x = -(2 * y**2 + 6 * x * y) / (4 * x * y + 3 * x**2)
    y_xx = -(4 * x * y_x**2 + 2 * (4 * y + 6 * x) * y_x + 6 * y) / (4 * x * y + 3 * x**2)
    assert close(y, -3.3117376915)
    assert close(y_x, 0.2015025711, 1e-9)
    assert close(derivative(engine, layer, order)(engine.array(x)), (y, y_x, y_xx)[order])


@every_engine
@every_solver
def test_logistic_regression_has_no_closed_form_but_is_known(
    engine: Engine, solver: Solver
) -> None:
    X = engine.array([[1, 2], [2, -1], [-1, 1], [0, 1], [1, -1]])
    labels = engine.array([1, 0, 1, 0, 1])

    def loss(w: Native, penalty: Native) -> Native:
        scores = X @ w
        nll = engine.numpy.log(1 + engine.numpy.exp(scores)) - labels * scores
        return nll.sum() / 5 + penalty / 2 * (w**2).sum()

    def layer(penalty: Native) -> Native:
        return engine.argmin(loss, engine.array([0, 0]), penalty, solver=solver)

    penalty = engine.array(0.1)
    assert close(layer(penalty), (-0.143488102, 0.3802242388), 1e-9)
    slope = engine.jacobian(layer)
    assert close(slope(penalty), (0.1719489162, -0.7776039082), 1e-9)
    step = 1e-4
    steps = [numbers(slope(engine.array(0.1 + sign * step))) for sign in (1, -1)]
    assert close(engine.jacobian(slope)(penalty), (steps[0] - steps[1]) / (2 * step), 1e-5)


@every_engine
def test_a_constrained_minimum_keeps_the_dtype(engine: Engine) -> None:
    Q, c, b, initial = (
        engine.array(values, "float32") for values in ([[4, 1], [1, 2]], [1, 1], 1, [0, 0])
    )
    x = engine.argmin(
        lambda x, c, b: x @ Q @ x / 2 + c @ x,  # noqa: ARG005 -- b is the constraint's
        initial,
        c,
        b,
        constraint=lambda x, c, b: x.sum() - b,  # noqa: ARG005
    )
    assert numbers(x).dtype == np.float32
    assert close(x, (0.25, 0.75), 1e-6)


@every_engine
@pytest.mark.parametrize("solver", [None, LU(), PseudoInverse()], ids=str)
def test_a_quadratic_programme_is_solved_through_its_kkt_conditions(
    engine: Engine, solver: Solver | None
) -> None:
    Q = engine.array([[4, 1], [1, 2]])

    def layer(c: Native, b: Native) -> Native:
        return engine.argmin(
            lambda x, c, b: x @ Q @ x / 2 + c @ x,  # noqa: ARG005 -- b is the constraint's
            engine.array([0, 0]),
            c,
            b,
            constraint=lambda x, c, b: x.sum() - b,  # noqa: ARG005
            solver=solver,
        )

    c, b = engine.array([1, 1]), engine.array(1)
    assert close(layer(c, b), (0.25, 0.75))
    assert close(engine.jacobian(lambda c: layer(c, b))(c), np.array([[-1, 1], [1, -1]]) / 4)
    assert close(engine.jacobian(lambda b: layer(c, b))(b), (0.25, 0.75))


@every_engine
def test_curved_constraints_have_first_and_second_derivatives(engine: Engine) -> None:
    """The point of the circle of radius r that is furthest along -c is -r c/‖c‖."""

    def layer(r: Native) -> Native:
        return engine.argmin(
            lambda y, r: y[0] * 3 + y[1] * 4 + 0 * r,
            engine.array([-1.0, -0.5]),
            r,
            constraint=lambda y, r: {"circle": (y**2).sum() - r**2},
        )

    for order, wanted in enumerate([(-1.2, -1.6), (-0.6, -0.8)]):
        assert close(derivative(engine, layer, order)(engine.array(2.0)), wanted)
    assert np.abs(numbers(derivative(engine, layer, 2)(engine.array(2.0)))).max() < BOUND


@every_engine
@pytest.mark.parametrize("solver", [LU(), PseudoInverse()], ids=str)
def test_a_root_tells_the_jacobian_from_its_transpose(engine: Engine, solver: Solver) -> None:
    assert root_error(engine, solver) <= BOUND


@every_engine
@pytest.mark.parametrize(
    "solver", [Cholesky(), ConjugateGradients(), LU(), PseudoInverse()], ids=str
)
def test_a_symmetric_root_is_that_of_the_argmin(engine: Engine, solver: Solver) -> None:
    A = engine.array([[2.0, 0.5], [0.5, 1.0]])

    def layer(b: Native) -> Native:
        return engine.root(cubic, engine.array([0, 0]), A, b, solver=solver)

    b = engine.array([1.0, -2.0])
    _, wanted = cubic_at_its_root(numbers(layer(b)), numbers(A))
    assert close(engine.jacobian(layer)(b), wanted)


@pytest.mark.parametrize("solver", [LU(), PseudoInverse()], ids=str)
def test_second_derivatives_of_a_root_pass_torchs_check(solver: Solver) -> None:
    A, b = (torch_array(array).requires_grad_() for array in skewed())

    def layer(A: torch.Tensor, b: torch.Tensor) -> Native:
        return torch_root(cubic, torch_array(np.zeros(4)), A, b, solver=solver)

    assert torch.autograd.gradcheck(layer, (A, b))
    assert torch.autograd.gradgradcheck(layer, (A, b))


@every_solver
def test_second_derivatives_of_an_argmin_pass_torchs_check(solver: Solver) -> None:
    rng = np.random.default_rng(1)
    S, Y = (torch_array(rng.standard_normal(shape)).requires_grad_() for shape in ((5, 3), 5))

    def loss(w: torch.Tensor, S: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        return torch.cosh(S @ w - Y).sum() + (w**2).sum()

    def layer(S: torch.Tensor, Y: torch.Tensor) -> Native:
        initial = torch_array(np.zeros(3))
        return torch_argmin(loss, initial, S, Y, solver=solver)

    assert torch.autograd.gradcheck(layer, (S, Y))
    assert torch.autograd.gradgradcheck(layer, (S, Y))


class Line(NamedTuple):
    slopes: Any
    offset: Any


@every_engine
@every_solver
def test_unknowns_and_parameters_may_be_nested(engine: Engine, solver: Solver) -> None:
    def distance(y: dict[str, Any], target: dict[str, Any], scale: Native) -> Native:
        [(line,), last] = y["lines"], y["last"]
        return (
            ((line.slopes - scale * target["slopes"]) ** 2).sum()
            + (line.offset - target["numbers"][0]) ** 2
            + ((last - target["numbers"][1]) ** 2).sum()
        )

    initial = {"lines": [Line(engine.array(np.ones((2, 3))), 1.0)], "last": engine.array([5.0])}
    slopes = np.arange(6.0).reshape(2, 3)

    def layer(scale: Native) -> dict[str, Any]:
        target = {"slopes": scale * engine.array(slopes), "numbers": (2.0, scale)}
        result: dict[str, Any] = engine.argmin(distance, initial, target, scale, solver=solver)
        return result

    y = layer(engine.array(3.0))
    assert list(y) == ["lines", "last"]
    [line] = y["lines"]
    assert isinstance(line, Line)
    assert numbers(line.slopes).shape == (2, 3)
    assert numbers(line.offset).shape == ()
    assert close(line.slopes, 9 * slopes)
    assert close(line.offset, 2.0)
    assert close(y["last"], [3.0])
    assert close(
        engine.jacobian(lambda scale: layer(scale)["lines"][0].slopes)(engine.array(3.0)),
        6 * slopes,
    )
    assert close(engine.jacobian(lambda scale: layer(scale)["last"])(engine.array(3.0)), [1.0])


@every_engine
def test_a_condition_may_be_nested_in_any_order(engine: Engine) -> None:
    def condition(y: dict[str, Any], b: Native) -> tuple[Any, Any]:
        return y["a"] * 2 - b, y["b"] + y["a"].sum()

    initial = {"b": 0.0, "a": engine.array([0.0, 0.0])}
    y = engine.root(condition, initial, engine.array([4.0, 6.0]))
    assert close(y["a"], [2.0, 3.0])
    assert close(y["b"], -5.0)


def test_only_tensors_that_want_a_gradient_get_one() -> None:
    S, Y = (torch_array(values) for values in POINTS)
    S.requires_grad_()
    penalty = torch_array(2.0).requires_grad_()
    initial = torch_array([0.0, 0.0]).requires_grad_()

    def loss(w: Native, S: Native, Y: Native, power: int, _: Native, penalty: Native) -> Native:
        return (((S @ w - Y) ** power).sum() / 3) + penalty * (w**2).sum() / 2

    unused = torch_array([1.0]).requires_grad_()
    w = torch_argmin(loss, initial, S, Y, 2, unused, penalty)
    w.sum().backward()
    assert Y.grad is None
    assert initial.grad is not None
    assert initial.grad.tolist() == [0.0, 0.0]
    assert unused.grad is not None
    assert unused.grad.tolist() == [0.0]
    assert penalty.grad is not None
    assert close(penalty.grad, sum(RIDGE[1]))
    assert S.grad is not None
    assert S.grad.shape == S.shape


def test_one_gradient_can_be_asked_for_alone() -> None:
    penalty = torch_array(2.0).requires_grad_()
    Y = torch_array(POINTS[1]).requires_grad_()
    w = torch_argmin(ridge, torch_array([0.0, 0.0]), penalty, torch_array(POINTS[0]), Y)
    (slope,) = torch.autograd.grad(w[0], penalty)
    assert close(slope, RIDGE[1][0])


def test_nothing_requires_a_gradient_if_no_argument_does() -> None:
    initial = torch_array([0.0, 0.0])
    S, Y = (torch_array(values) for values in POINTS)
    assert not torch_argmin(ridge, initial, 2.0, S, Y).requires_grad
    with torch.no_grad():
        assert not ridge_layer(TORCH)(torch_array(2.0).requires_grad_()).requires_grad


@every_engine
@pytest.mark.parametrize("constrained", [False, True])
def test_the_gradient_of_the_initial_guess_is_zero(engine: Engine, *, constrained: bool) -> None:
    penalty, S, Y = map(engine.array, (2.0, *POINTS))

    def on_line(w: Native, *_: Native) -> Native:
        return w.sum() - 1

    def argmin(start: Native, penalty: Native) -> Native:
        constraint = on_line if constrained else None
        return engine.argmin(ridge, start, penalty, S, Y, constraint=constraint)

    def root(start: Native, penalty: Native) -> Native:
        return engine.root(lambda y, z: [y["a"] * z - Y[:2]], {"a": start}, penalty)["a"]

    def checked(layer: Callable[[Native, Native], Native]) -> None:
        start = engine.array([0.3, 0.4])
        zeros = engine.jacobian(lambda start: layer(start, penalty))(start)
        assert numbers(zeros).tolist() == [[0.0, 0.0], [0.0, 0.0]]
        through_both = engine.jacobian(lambda z: layer(z * start, z))(penalty)
        assert close(through_both, numbers(engine.jacobian(lambda z: layer(start, z))(penalty)))

    checked(argmin)
    checked(root)


@every_engine
@pytest.mark.parametrize(
    "holding", [OrderedDict, partial(defaultdict, list), ChainMap], ids=["dict", "default", "chain"]
)
def test_parameters_in_any_mapping_get_gradients(
    engine: Engine, holding: Callable[..., Mapping[str, Any]]
) -> None:
    def loss(y: Native, held: Mapping[str, Any], penalty: float) -> Native:
        return ((y - held["z"]) ** 2).sum() + penalty * (y**2).sum()

    def layer(z: Native) -> Native:
        return engine.argmin(loss, engine.array([0.0, 0.0]), holding({"z": z}), 1.0)

    assert close(engine.jacobian(layer)(engine.array([1.0, 2.0])), np.eye(2) / 2)


@every_engine
def test_a_variable_that_is_no_parameter_is_refused(engine: Engine) -> None:
    start = engine.array([0.0, 0.0])

    def refused(name: str, layer: Callable[[Native], Native]) -> None:
        message = (
            f"^{name}: reads, besides its arguments, .*; pass it as a parameter, or detach it$"
        )
        with pytest.raises(TypeError, match=message):
            engine.jacobian(layer)(engine.array([1.0, 2.0]))

    refused("objective", lambda z: engine.argmin(lambda y: ((y - z) ** 2).sum(), start))
    refused("condition", lambda z: engine.root(lambda y: {"a": y - z}, start))
    refused(
        "constraint",
        lambda z: engine.argmin(
            lambda y: (y**2).sum(), start, constraint=lambda y: (y[0], y[1] - z[1])
        ),
    )
    refused(
        "objective", lambda z: engine.argmin(lambda y, p: ((y - p.z) ** 2).sum(), start, Held(z))
    )


@dataclass
class Held:
    """What no structure of parameters is."""

    z: Any


@every_engine
@pytest.mark.parametrize("start", [(0.0, 0.0), (25 / 39, 31 / 39), (1e3, -1e3)])
def test_the_initial_guess_does_not_matter(engine: Engine, start: tuple[float, float]) -> None:
    S, Y = map(engine.array, POINTS)

    def layer(penalty: Native) -> Native:
        return engine.argmin(ridge, engine.array(start), penalty, S, Y)

    for order in range(2):
        assert close(derivative(engine, layer, order)(engine.array(2.0)), RIDGE[order])


@every_engine
@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_objectives_scale_does_not_matter(engine: Engine, factor: float) -> None:
    initial, S, Y = map(engine.array, ([0.0, 0.0], *POINTS))

    def layer(penalty: Native) -> Native:
        return engine.argmin(lambda *args: factor * ridge(*args), initial, penalty, S, Y)

    for order in range(2):
        assert close(derivative(engine, layer, order)(engine.array(2.0)), RIDGE[order])


@every_engine
def test_the_result_aliases_no_input_and_nothing_is_mutated(engine: Engine) -> None:
    given = [engine.array(values) for values in ([25 / 39, 31 / 39], 2.0, *POINTS)]
    before = [numbers(array).copy() for array in given]
    initial, *parameters = given
    w = engine.argmin(
        ridge, initial, *parameters, solver=Cholesky(search=lambda _, initial, *__: initial)
    )
    w[:] = 7.0
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(numbers(array), copy)


def test_a_search_may_write_into_its_initial_guess() -> None:
    initial = torch_array([0.0, 0.0])

    def search(objective: Native, w: torch.Tensor, *parameters: Native) -> torch.Tensor:
        optimizer = torch.optim.SGD([w.requires_grad_()], lr=0.3)
        for _ in range(50):
            optimizer.zero_grad()
            objective(w, *parameters).backward()
            optimizer.step()
        return w

    penalty = torch_array(2.0).requires_grad_()
    S, Y = (torch_array(values) for values in POINTS)
    w = torch_argmin(ridge, initial, penalty, S, Y, solver=Cholesky(search=search))
    assert close(w, RIDGE[0])
    assert initial.tolist() == [0.0, 0.0]
    assert penalty.grad is None


@every_engine
def test_a_search_chooses_among_several_solutions(engine: Engine) -> None:
    def layer(x: Native) -> Native:
        return engine.root(
            lambda y, x: y**2 - x,
            engine.array(1.0),
            x,
            solver=LU(search=lambda condition, y, x: -y - condition(y, x) * 0.1),
        )

    assert close(layer(engine.array(4.0)), -2.0)
    assert close(engine.jacobian(layer)(engine.array(4.0)), -0.25)


@every_engine
def test_a_batch_is_one_argmin_of_a_sum(engine: Engine) -> None:
    rng = np.random.default_rng(2)
    A = rng.standard_normal((3, 4, 2))
    b = rng.standard_normal((3, 4))

    def loss(y: Native, A: Native, b: Native) -> Native:
        return (((A * y[:, None, :]).sum(-1) - b) ** 2).sum() + (y**2).sum()

    def layer(b: Native) -> Native:
        return engine.argmin(loss, engine.array(np.zeros((3, 2))), engine.array(A), b)

    hats = np.linalg.solve(A.transpose(0, 2, 1) @ A + np.eye(2), A.transpose(0, 2, 1))
    assert close(layer(engine.array(b)), np.einsum("nij,nj->ni", hats, b))
    wanted = np.einsum("nij,nm->nimj", hats, np.eye(3))
    assert close(engine.jacobian(layer)(engine.array(b)), wanted)


@every_engine
@every_solver
def test_single_precision_is_kept(engine: Engine, solver: Solver) -> None:
    initial, S, Y, penalty = (engine.array(values, "float32") for values in ([0, 0], *POINTS, 2.0))

    def layer(penalty: Native) -> Native:
        return engine.argmin(ridge, initial, penalty, S, Y, solver=solver)

    for order in range(3):
        got = numbers(derivative(engine, layer, order)(penalty))
        assert got.dtype == np.float32
        assert close(got, RIDGE[order], 2e-5)


@every_engine
def test_numbers_are_solved_in_double_precision(engine: Engine) -> None:
    y = numbers(engine.argmin(lambda y: (y - 0.1) ** 2, 1.0))
    assert y.dtype == np.float64
    assert close(y, 0.1)


@every_engine
@every_solver
def test_a_small_hessian_is_not_a_singular_one(engine: Engine, solver: Solver) -> None:
    def layer(x: Native) -> Native:
        return engine.argmin(lambda y, x: 1e-7 * ((y - x) ** 2).sum(), x * 0, x, solver=solver)

    assert close(engine.jacobian(layer)(engine.array([1.0, 2.0])), np.eye(2))


@every_engine
def test_wrong_arguments_are_refused(engine: Engine) -> None:
    def square(y: Native) -> Native:
        return (y**2).sum()

    start = engine.array([1.0, 1.0])
    every = r"wanted Cholesky\(\), LU\(\), ConjugateGradients\(\) or PseudoInverse\(\)$"
    with pytest.raises(ValueError, match=f"^solver: got 'cholesky', {every}"):
        engine.argmin(square, start, solver="cholesky")
    with pytest.raises(ValueError, match=f"^solver: got <class .*LU'>, {every}"):
        engine.root(square, start, solver=LU)
    for unfit in (Cholesky(), ConjugateGradients()):
        message = r"^solver for a constraint: got .*, wanted LU\(\) or PseudoInverse\(\)$"
        with pytest.raises(ValueError, match=message):
            engine.argmin(square, start, constraint=square, solver=unfit)
    with pytest.raises(ValueError, match="initial: got no entries"):
        engine.argmin(square, engine.array([]))
    with pytest.raises(ValueError, match="must have the structure and shapes of initial"):
        engine.argmin(square, start, solver=Cholesky(search=lambda _, y: [y]))


INITIAL: list[tuple[str, Any, str]] = [
    ("none", None, "initial: got NoneType, wanted an? (tensor|array) of float32 or float64, a"),
    ("text", {"a": ["y"]}, r"initial\['a'\]\[0\]: got str, wanted"),
    ("truth", True, "initial: got bool, wanted"),
    ("integers", "int64", r"initial: got .* of int64, wanted an? (tensor|array) of float32 or"),
    ("half", "float16", "initial: got .* of float16, wanted"),
    ("complex", "complex128", "initial: got .* of complex128, wanted"),
    ("keys", {1: 0.0, "a": 0.0}, r"initial: got the keys \[1, 'a'\], wanted keys that sort"),
]


@every_engine
@pytest.mark.parametrize(
    ("initial", "message"), [case[1:] for case in INITIAL], ids=[case[0] for case in INITIAL]
)
def test_a_wrong_initial_guess_is_refused(engine: Engine, initial: Native, message: str) -> None:
    of_dtype = isinstance(initial, str)
    start = engine.array([1, 1], initial) if of_dtype else initial
    with pytest.raises(TypeError, match=f"^{message}"):
        engine.argmin(lambda y: (y**2).sum(), start)
    with pytest.raises(TypeError, match=f"^{message.replace('initial', 'search', 1)}"):
        engine.root(lambda y: y, engine.array([1.0, 1.0]), solver=LU(search=lambda *_: start))


def test_a_dtype_that_numpy_lacks_is_refused() -> None:
    half = torch.ones(2, dtype=torch.bfloat16)
    with pytest.raises(
        TypeError, match=r"^initial: got torch\.Tensor of bfloat16, wanted a tensor"
    ):
        torch_argmin(lambda y: (y**2).sum(), half)
    with pytest.raises(TypeError, match=r"^search: got torch\.Tensor of bfloat16, wanted a tensor"):
        torch_argmin(
            lambda y: (y**2).sum(), torch_array([1.0, 1.0]), solver=Cholesky(search=lambda *_: half)
        )


@every_engine
def test_a_value_of_another_kind_is_refused(engine: Engine) -> None:
    start, square = engine.array([1.0, 1.0]), lambda y: (y**2).sum()
    for value, got in [(3.0, "float"), (None, "NoneType"), ([start.sum()], "list")]:
        with pytest.raises(TypeError, match=f"^objective: got {got}, wanted an? .* of float64$"):
            engine.argmin(lambda _, value=value: value, start)
    with pytest.raises(TypeError, match=r"^objective: got .* of complex128, wanted an? .* float64"):
        engine.argmin(lambda y: y.sum() * 1j, start)
    with pytest.raises(TypeError, match=r"^condition\[1\]: got float, wanted an? .* of float64$"):
        engine.root(lambda y: [y[:1], 0.5], start)
    with pytest.raises(TypeError, match=r"^condition: got NoneType, wanted an? .* of float64$"):
        engine.root(lambda _: None, start)
    with pytest.raises(TypeError, match=r"^constraint: got NoneType, wanted an? .* of float64$"):
        engine.argmin(square, start, constraint=lambda _: None)
    with pytest.raises(OutputShapeError, match=r"^constraint: got no entries, wanted at least one"):
        engine.argmin(square, start, constraint=lambda _: [])
    with pytest.raises(
        TypeError, match=r"^condition: got the keys \[1, 'a'\], wanted keys that so"
    ):
        engine.root(lambda y: {1: y, "a": y}, start)


@every_engine
def test_another_dtype_than_that_of_the_initial_guess_is_refused(engine: Engine) -> None:
    single, double = engine.array([0.0], "float32"), engine.array([1.0])
    message = "got .* of float64, wanted an? .* of float32 as initial is; convert initial, or the"
    with pytest.raises(TypeError, match=f"^condition: {message}"):
        engine.root(lambda y, b: y - b, single, double)
    with pytest.raises(TypeError, match=f"^objective: {message}"):
        engine.argmin(lambda y, b: ((y - b) ** 2).sum(), single, double)


@every_engine
def test_keys_of_parameters_that_do_not_sort_are_named(engine: Engine) -> None:
    message = r"^parameters\[1\]: got the keys \[1, 'a'\], wanted keys that sort$"
    with pytest.raises(TypeError, match=message):
        engine.root(lambda y, *_: y, engine.array([1.0]), 2.0, {1: 2.0, "a": 3.0})


@every_engine
def test_a_constraint_that_is_stationary_at_the_guess_is_told_so(engine: Engine) -> None:
    message = "has rank 0 for 1 constraints; .*, or start elsewhere if one is stationary there"
    with pytest.raises(ConstraintRankError, match=message):
        engine.argmin(
            lambda y: y[0], engine.array([0.0, 0.0]), constraint=lambda y: (y**2).sum() - 1
        )
