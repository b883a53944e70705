from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from reference_impls.computation import Array
from reference_impls.implicit import (
    ConstraintRankError,
    ImplicitError,
    NotConvergedError,
    NotSymmetricError,
    OutputShapeError,
    RankDeficientWarning,
    SingularError,
)
from reference_impls.implicit.solvers import (
    LU,
    Cholesky,
    ConjugateGradients,
    PseudoInverse,
    Solver,
)
from reference_impls.implicit.vectors import Numeric
from tests.reference_impls.implicit.shared import Engine, Native, close, every_engine, flat, numbers

QUARTIC = "K = ∂F/∂y is singular: it vanishes, or is not continuous, where F is zero"
INDEFINITE = "K = ∂F/∂y is not positive definite"
SINGULAR = "K = ∂F/∂y is singular to working precision, its reciprocal condition"
ONES = [1.0, 1.0, 1.0]

UNSOLVABLE: dict[str, tuple[Callable[..., Native], npt.ArrayLike, type[ImplicitError], str]] = {
    "quartic": (lambda y, _: (1.3 - y) ** 4, 0.0, SingularError, QUARTIC),
    "quartics": (lambda y, _: (y**4).sum(), ONES, SingularError, QUARTIC),
    "flat": (flat, [1.0, 0.5, -0.3], SingularError, f"{INDEFINITE}|{SINGULAR}"),
    "constant": (
        lambda y, x: x.sum() + 0 * y.sum(),
        ONES,
        SingularError,
        f"{INDEFINITE}|{SINGULAR}|{QUARTIC}",
    ),
    "maximum": (lambda y, _: -(y**2).sum(), [0.0] * 3, SingularError, INDEFINITE),
    "saddle": (lambda y, _: y[0] ** 2 - y[1] ** 2, [1.0, 0.0], SingularError, INDEFINITE),
    "at infinity": (
        lambda y, _: 2.0 ** (-y),
        0.0,
        NotConvergedError,
        r"‖F‖ is .*, but the next Newton step would move y by 1\.4e\+00",
    ),
    "kink": (
        lambda y, _: (y**2 / 2 - y + 2 * (y - 0.3) * (y > 0.3)).sum(),
        ONES,
        NotConvergedError,
        r"not converged: ‖F‖ is .*, but the next Newton step would move y by .*, more than round",
    ),
    "unbounded": (lambda y, _: -(y**2).sum(), ONES, SingularError, "is not positive definite"),
    "vector": (
        lambda y, _: y**2,
        ONES,
        OutputShapeError,
        r"objective: got shape \(3,\), wanted \(\): its sum or mean",
    ),
}


@every_engine
@pytest.mark.parametrize("solver", [Cholesky(), LU(), ConjugateGradients()], ids=str)
@pytest.mark.parametrize("name", UNSOLVABLE)
def test_what_has_no_derivative_is_refused(engine: Engine, solver: Solver, name: str) -> None:
    objective, start, error, message = UNSOLVABLE[name]
    with pytest.raises(error, match=message):
        engine.argmin(objective, engine.array(start), engine.array(ONES), solver=solver)


@every_engine
def test_a_pseudo_inverse_hides_no_maximum(engine: Engine) -> None:
    with pytest.raises(SingularError, match=r"curvature -2\.0e\+00: y is a saddle or a maximum"):
        engine.argmin(lambda y: -(y**2).sum(), engine.array([0.0, 0.0]), solver=PseudoInverse())


@every_engine
def test_a_constrained_maximum_is_refused(engine: Engine) -> None:
    with pytest.raises(SingularError, match="not positive definite where y is free to move"):
        engine.argmin(
            lambda y: -(y**2).sum(), engine.array([0.0, 0.0]), constraint=lambda y: y.sum()
        )


@every_engine
@pytest.mark.parametrize("offset", [2.0, 5.0], ids=["repeated", "contradictory"])
def test_dependent_constraints_are_refused(engine: Engine, offset: float) -> None:
    message = "constraint: its Jacobian has rank 1 for 2 constraints; drop those that repeat"
    with pytest.raises(ConstraintRankError, match=message):
        engine.argmin(
            lambda y: (y**2).sum(),
            engine.array([0.5, 0.2]),
            constraint=lambda y: (y.sum() - 1, 2 * y.sum() - offset),
        )


@every_engine
def test_a_root_that_is_none_is_refused(engine: Engine) -> None:
    start = engine.array(1.0)
    with pytest.raises(NotConvergedError, match=r"‖F‖ is 1\.0e\+00, but the next Newton step"):
        engine.root(lambda y: y**2 + 1, start)
    with pytest.raises(SingularError, match=QUARTIC):
        engine.root(lambda y: y**3, start)
    with pytest.raises(NotConvergedError, match="F is not finite at the guess"):
        engine.root(lambda y: y + np.nan, start)
    with pytest.raises(OutputShapeError, match=r"condition: got shape \(2,\), wanted \(3,\)"):
        engine.root(lambda y: y[:2], engine.array(ONES))


def bowl(engine: Engine) -> tuple[Callable[..., Native], list[int]]:
    """Returns an objective of y and a target that is no parabola, and where its calls are noted."""
    calls = []

    def objective(y: Native, target: Native) -> Native:
        calls.append(1)
        away = y - target
        return (engine.numpy.exp(away) - away).sum() + (away**4).sum() + y[0] * y[1] / 3

    return objective, calls


def slope_of_bowl(y: Array, target: Array) -> Array:
    away = y - target
    return np.asarray(np.exp(away) - 1 + 4 * away**3 + y[::-1] / 3)


TOLERANCES = (1.0, 1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11)


def search_for_bowl(engine: Engine, way: str, tolerance: float | None) -> tuple[Array, int]:
    """Returns what is found, and at the cost of how many calls."""
    objective, calls = bowl(engine)
    swap = engine.array([[0.0, 1.0], [1.0, 0.0]])

    def slope(y: Native, target: Native) -> Native:
        calls.append(1)
        away = y - target
        return engine.numpy.exp(away) - 1 + 4 * away**3 + swap @ y / 3

    start, target = engine.array([3.0, 3.0]), engine.array([0.7, -0.4])
    if way == "root":
        y = engine.root(slope, start, target, solver=LU(tolerance=tolerance))
    else:
        y = engine.argmin(objective, start, target, solver=Cholesky(tolerance=tolerance))
    return numbers(y), len(calls)


@every_engine
@pytest.mark.parametrize("way", ["argmin", "root"])
def test_a_looser_tolerance_costs_less_and_is_less_accurate(engine: Engine, way: str) -> None:
    exact, most = search_for_bowl(engine, way, None)
    found = [search_for_bowl(engine, way, tolerance) for tolerance in TOLERANCES]
    errors = [float(np.linalg.norm(y - exact)) for y, _ in found]
    costs = [cost for _, cost in found]
    for (y, _), tolerance in zip(found, TOLERANCES, strict=True):
        assert np.linalg.norm(slope_of_bowl(y, np.array([0.7, -0.4]))) <= tolerance
    assert costs == sorted(costs)
    assert errors == sorted(errors, reverse=True)
    assert costs[0] < costs[2] < costs[-1] <= most
    assert errors[0] > 1e-2
    assert 1e-12 < errors[2] < 1e-3
    assert errors[-1] < 1e-11


@every_engine
def test_a_looser_tolerance_holds_under_a_constraint(engine: Engine) -> None:
    def find(tolerance: float | None) -> tuple[Array, int]:
        objective, calls = bowl(engine)
        start, target = engine.array([3.0, 3.0]), engine.array([0.7, -0.4])
        y = engine.argmin(
            objective,
            start,
            target,
            constraint=lambda y, _: y[0] ** 2 - y[1] - 1,
            solver=LU(tolerance=tolerance),
        )
        return numbers(y), len(calls)

    (exact, most), (rough, least) = find(None), find(1e-1)
    assert least < most
    assert 1e-6 < np.linalg.norm(rough - exact) < 1e-1


@every_engine
def test_the_derivative_is_that_at_the_point_returned(engine: Engine) -> None:
    objective, _ = bowl(engine)

    def layer(target: Native) -> Native:
        return engine.argmin(
            objective, engine.array([3.0, 3.0]), target, solver=Cholesky(tolerance=1e-1)
        )

    target = engine.array([0.7, -0.4])
    away = numbers(layer(target)) - numbers(target)
    curvature = np.diag(np.exp(away) + 12 * away**2)
    coupling = np.array([[0, 1], [1, 0]]) / 3
    wanted = np.linalg.solve(curvature + coupling, curvature)
    assert close(engine.jacobian(layer)(target), wanted)


@every_engine
def test_within_the_tolerance_the_users_search_has_the_last_word(engine: Engine) -> None:
    def layer(tolerance: float | None) -> Native:
        return engine.argmin(
            lambda y: (y**2).sum(),
            engine.array([1.0, 1.0]),
            solver=Cholesky(search=lambda _, y: y * 1e-4, tolerance=tolerance),
        )

    assert numbers(layer(1e-3)).tolist() == [1e-4, 1e-4]
    assert np.abs(numbers(layer(1e-5))).max() < 1e-12
    assert np.abs(numbers(layer(None))).max() < 1e-12


@every_engine
def test_no_tolerance_makes_a_minimum_of_what_is_none(engine: Engine) -> None:
    with pytest.raises(NotConvergedError, match=r"the tolerance 1\.0e-300"):
        engine.argmin(
            lambda y: (engine.numpy.exp(y) + 3 * (y - 0.1) ** 2).sum(),
            engine.array(ONES),
            solver=Cholesky(tolerance=1e-300),
        )
    for tolerance in (1e-1, 1e-3, 1e-7):
        with pytest.raises(NotConvergedError, match="the next Newton step would move y by 1"):
            engine.argmin(
                lambda y: 2.0 ** (-y), engine.array(0.0), solver=Cholesky(tolerance=tolerance)
            )
        with pytest.raises(NotConvergedError, match="the next Newton step would move y by"):
            engine.argmin(lambda y: 1 / y, engine.array(0.5), solver=Cholesky(tolerance=tolerance))
    for tolerance in (1e-1, 1e-3, 1e-7, 1e-13):
        with pytest.raises((NotConvergedError, SingularError)):
            engine.argmin(
                lambda y: (1.3 - y) ** 4, engine.array(0.0), solver=Cholesky(tolerance=tolerance)
            )


def count_of_matrices(monkeypatch: pytest.MonkeyPatch, engine: Engine, power: int) -> int:
    """Returns how often K is formed for |y - 1|^power and a parabola."""
    formed = []
    jacobian = Numeric.jacobian

    def counted(function: Numeric, x: Array) -> Array:
        formed.append(1)
        return jacobian(function, x)

    with monkeypatch.context() as patch:
        patch.setattr(Numeric, "jacobian", counted)
        y = engine.argmin(
            lambda y: ((y - 1) ** power).sum() + (y**2).sum(), engine.array([3.0, -7.0])
        )
    assert close(power * (y - 1) ** (power - 1), numbers(-2 * y))
    return len(formed)


@every_engine
def test_a_quadratic_objective_has_one_matrix(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count_of_matrices(monkeypatch, engine, 2) == 1
    assert count_of_matrices(monkeypatch, engine, 4) > 1


@every_engine
def test_a_quadratic_objective_is_searched_only_to_a_given_tolerance(engine: Engine) -> None:
    calls = []
    curvatures = engine.array(np.logspace(0, 3, 20))

    def parabola(y: Native) -> Native:
        calls.append(1)
        return (curvatures * (y - 1) ** 2).sum()

    def error(tolerance: float | None) -> float:
        calls.clear()
        y = engine.argmin(
            parabola, engine.array(np.zeros(20)), solver=Cholesky(tolerance=tolerance)
        )
        return float(np.linalg.norm(numbers(y) - 1))

    assert error(None) < 1e-14
    assert len(calls) < 15
    assert 1e-7 < error(1e-4) < error(1e-1) < 1e-1
    assert len(calls) > 15


@every_engine
def test_a_search_chooses_among_the_minima_of_a_quadratic_objective(engine: Engine) -> None:
    def plain(y: Native) -> Native:
        return (y.sum() - 1) ** 2

    with pytest.warns(RankDeficientWarning):
        y = engine.argmin(
            plain,
            engine.array([0.0, 0.0]),
            solver=PseudoInverse(search=lambda _, y: y + engine.array([5.0, -4.0])),
        )
    assert close(y, [5.0, -4.0])


@every_engine
@pytest.mark.parametrize(
    "solver", [Cholesky(), LU(), ConjugateGradients(), PseudoInverse()], ids=str
)
def test_an_objective_quadratic_only_near_the_guess_is_searched(
    engine: Engine, solver: Solver
) -> None:
    """Between -10 and 10 it is a parabola with a maximum; its minima are at ±20."""

    def hill(y: Native) -> Native:
        valley = ((y**2) ** 0.5 - 20) ** 2 - 200
        return engine.numpy.where(y**2 < 100, -(y**2), valley).sum()

    y = engine.argmin(hill, engine.array(0.3), solver=solver)
    assert close(y, 20.0)


def test_errors_are_arithmetic_errors() -> None:
    kinds = (
        ConstraintRankError,
        NotConvergedError,
        NotSymmetricError,
        OutputShapeError,
        SingularError,
    )
    assert all(issubclass(kind, ImplicitError) for kind in kinds)
    assert issubclass(ImplicitError, ArithmeticError)


@every_engine
@pytest.mark.parametrize("size", [1, 3, 30, 100])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("factor", [2.0, 30.0])
def test_a_kink_of_the_condition_is_seen_on_either_side(
    engine: Engine, size: int, sign: int, factor: float
) -> None:
    """The curvature in one unknown jumps where F is zero: the derivative is one-sided."""

    def objective(y: Native, z: Native) -> Native:
        above = (sign * y[0] > 0) * y[0]
        return ((y - z) ** 2).sum() + factor * above**2

    z = np.linspace(0, 1, size)
    with pytest.raises(SingularError, match=QUARTIC):
        engine.argmin(objective, engine.array(np.full(size, 0.3)), engine.array(z))


@every_engine
@pytest.mark.parametrize(("factor", "start"), [(1, 0.3), (1, 1e8), (1, -1e9), (1e-9, 0.3)])
def test_where_the_condition_jumps_over_zero_there_is_no_root(
    engine: Engine, factor: float, start: float
) -> None:
    def objective(y: Native, z: Native) -> Native:
        size = y * (y > 0) - y * (y < 0)
        return factor * (((y - z) ** 2).sum() / 2 + 5e-5 * size.sum())

    with pytest.raises(ImplicitError):
        engine.argmin(objective, engine.array([start]), engine.array([3e-5]))


@every_engine
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_start_at_the_solution_is_no_obstacle(engine: Engine, dtype: str) -> None:
    """There F is rounding from the beginning: nothing can be relative to it."""
    rng = np.random.default_rng(0)
    S, Y = rng.standard_normal((1000, 3)) * 10, rng.standard_normal(1000) * 10
    arrays = [engine.array(array, dtype) for array in (S, Y)]

    def objective(w: Native, S: Native, Y: Native) -> Native:
        return ((S @ w - Y) ** 2).sum() + (w**2).sum() + (w**4).sum()

    cold = engine.argmin(objective, engine.array(np.zeros(3), dtype), *arrays)
    warm = engine.argmin(objective, engine.array(numbers(cold), dtype), *arrays)
    assert close(warm, numbers(cold), 1e-4 if dtype == "float32" else 1e-12)


@every_engine
@pytest.mark.parametrize("depth", [8.0, 18.0, 25.0])
def test_small_unknowns_are_no_singular_ones(engine: Engine, depth: float) -> None:
    """y log y + c y has its minimum at e^(-1 - c)."""

    def objective(y: Native, c: Native) -> Native:
        return (y * engine.numpy.log(y) + c * y).sum()

    def search(_: Native, __: Native, c: Native) -> Native:
        return engine.numpy.exp(-c - 1) * (1 + 1e-4)

    c = engine.array([depth])
    y = engine.argmin(objective, engine.array([1.0]), c, solver=Cholesky(search=search))
    assert close(y, np.exp([-1 - depth]))


@every_engine
@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_scale_of_an_objective_under_a_constraint_does_not_matter(
    engine: Engine, factor: float
) -> None:
    Q = engine.array([[4, 1], [1, 2]])

    def layer(b: Native) -> Native:
        return engine.argmin(
            lambda x, b: factor * (x @ Q @ x / 2 + x.sum() + 0 * b),
            engine.array([0, 0]),
            b,
            constraint=lambda x, b: x.sum() - b,
        )

    assert close(layer(engine.array(1)), (0.25, 0.75))
    assert close(engine.jacobian(layer)(engine.array(1)), (0.25, 0.75))
