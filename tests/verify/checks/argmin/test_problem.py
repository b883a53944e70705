from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from reference_impls.computation import Array, Arrays, Optimality, draw
from reference_impls.computations import elastic_net_argmin
from verify.checks.argmin import problem as condition_problem
from verify.checks.argmin import solved_anew
from verify.checks.argmin.problem import Problem, implicit_function, jacobian
from verify.checks.argmin.solved_anew import finite_differences, one_sided

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


def problem() -> Problem:
    return Problem.solved(CUBIC, PRIMALS)


def derivative_on_paper() -> float:
    """⟨u, d(c y)⟩ with K dy = db - dc y³."""
    y, c = problem().y, PRIMALS["c"]
    K = A + np.diag(3 * c * y**2)
    dy = np.linalg.solve(K, TANGENTS["b"] - TANGENTS["c"] * y**3)
    return float(COTANGENT @ (TANGENTS["c"] * y + c * dy))


def test_a_problem_is_solved_to_rounding_from_its_own_start() -> None:
    solved = problem()
    assert solved.residual < 1e-15
    assert solved.is_solved
    np.testing.assert_allclose(solved.K, A + np.diag(1.5 * solved.y**2), rtol=1e-15)
    assert solved.rank == 2
    assert solved.condition_number == pytest.approx(np.linalg.cond(solved.K))
    assert solved.singularity() == ""
    assert solved.support is None
    assert not solved.at_kink


def test_a_jacobian_by_the_complex_step_is_exact() -> None:
    y = np.array([0.3, -2.0])
    np.testing.assert_allclose(jacobian(lambda y: np.exp(A @ y), y), np.exp(A @ y)[:, None] * A)


def test_the_implicit_function_has_the_derivative_on_paper_within_its_bar() -> None:
    estimate = implicit_function(problem(), COTANGENT, TANGENTS)
    assert abs(estimate.value - derivative_on_paper()) <= estimate.error_bar < 1e-13


def test_finite_differences_have_it_within_their_bar() -> None:
    sweep = finite_differences(problem(), COTANGENT, TANGENTS)
    error = abs(sweep.estimate.value - derivative_on_paper())
    assert error <= sweep.estimate.error_bar < 1e-9
    assert sweep.plateau.startswith("within 1e-07 for steps ")
    assert "tolerances up to 1e-08" in sweep.plateau


def test_without_polishing_a_loose_tolerance_leaves_the_plateau(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Problem, "polished", lambda self: self)
    sweep = finite_differences(replace(problem()), COTANGENT, TANGENTS)
    assert "tolerances up to 1e-12" in sweep.plateau


def test_a_tolerance_too_loose_everywhere_shows_in_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Differences of solutions that are off by a smooth error are flat in h, and wrong."""
    for module in (condition_problem, solved_anew):
        monkeypatch.setattr(module, "TOLERANCES", (1e-1, 1e-2, 1e-3))
    monkeypatch.setattr(Problem, "polished", lambda self: self)
    sweep = finite_differences(Problem(CUBIC, PRIMALS, problem().y), COTANGENT, TANGENTS)
    error = abs(sweep.estimate.value - derivative_on_paper())
    assert 1e-9 < error <= sweep.estimate.error_bar


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


def soft_problem(*y: float) -> Problem:
    return Problem.solved(SOFT, {"y": np.array(y)})


def test_what_is_held_at_a_kink_stays_there() -> None:
    solved = soft_problem(3.0, 0.2, -2.0)
    np.testing.assert_array_equal(solved.y, [2.0, 0.0, -1.0])
    assert solved.support is not None
    assert solved.support.tolist() == [1, 0, -1]
    np.testing.assert_array_equal(solved.rate_along({"y": np.ones(3)}), [1, 0, 1])


def test_steps_that_change_the_support_are_left_out_and_named() -> None:
    sweep = finite_differences(soft_problem(3.0, 0.999), np.ones(2), {"y": np.ones(2)})
    assert sweep.estimate.value == pytest.approx(1.0, abs=1e-9)
    assert "the support changes at steps 4e-03, 2e-02" in sweep.plateau


def test_at_a_kink_there_are_two_derivatives() -> None:
    at_kink = soft_problem(3.0, 1.0)
    assert at_kink.at_kink
    ahead, behind = one_sided(at_kink, np.ones(2), {"y": np.ones(2)})
    assert ahead.value == pytest.approx(2.0, abs=1e-9)
    assert behind.value == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (lambda x: lambda y: 4 * (y - x) ** 3, "K"),
        (lambda x: lambda y: np.ones((3, 3)) @ (y - x), "K is singular, rank 1 of 3"),
    ],
    ids=["quartic", "dependent"],
)
def test_a_singular_matrix_is_told(
    gradient: Callable[[Array], Callable[[Array], Array]], message: str
) -> None:
    optimality = Optimality(
        condition=gradient,
        start=lambda x: x + 0.1,
        outcome=lambda y, x: y,  # noqa: ARG005 -- of Optimality
    )
    x = np.array([1.0, 2.0, 3.0])
    assert message in Problem(optimality, {"x": x}, x).singularity()


def test_where_there_is_no_solution_none_is_claimed() -> None:
    optimality = Optimality(
        condition=lambda x: lambda y: np.exp(-y) + 0 * x,
        start=lambda x: np.zeros(x.size),
        outcome=lambda y, x: y,  # noqa: ARG005 -- of Optimality
    )
    assert not Problem.solved(optimality, {"x": np.ones(1)}).is_solved


def ill_conditioned(smallest: float) -> tuple[Problem, Arrays]:
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
    return Problem.solved(optimality, primals), {"M": rng.standard_normal((3, 3))}


@pytest.mark.parametrize("smallest", [1e-3, 1e-5, 1e-8, 1e-10])
def test_steps_that_reach_a_singular_matrix_are_no_evidence(smallest: float) -> None:
    solved, tangents = ill_conditioned(smallest)
    exact = float(np.sum(solved.rate_along(tangents)))
    for estimate in (
        finite_differences(solved, np.ones(3), tangents).estimate,
        *one_sided(solved, np.ones(3), tangents),
    ):
        assert estimate.error_bar == np.inf or abs(estimate.value - exact) <= estimate.error_bar


def test_an_ill_conditioned_linear_system_is_solved() -> None:
    solved, _ = ill_conditioned(1e-13)
    assert solved.is_solved


def test_what_is_held_at_zero_stays_there_beside_the_solution() -> None:
    computation = elastic_net_argmin.COMPUTATION
    assert computation.optimality
    problem = Problem.solved(computation.optimality, draw(computation, 10, "float64", 1))
    tangents = {"l1": np.asarray(30.0), "l2": np.asarray(0.3)}
    estimate = implicit_function(problem, np.ones(problem.y.size), tangents)
    assert estimate.error_bar <= 1e-10 * abs(estimate.value)


def test_the_plateau_is_a_run_of_steps_on_which_all_agree() -> None:
    steps = solved_anew.STEPS
    right = dict.fromkeys(steps, 1.0)
    swept = {1e-2: right | {steps[4]: 2.0}, 1e-4: right, 1e-12: right | {steps[2]: 2.0}}
    words = solved_anew._plateau(1.0, swept)  # noqa: SLF001 -- its words are the evidence's
    assert words == (
        f"within 1e-07 for steps {steps[-1]:.0e} to {steps[3]:.0e} and tolerances up to 1e-04"
    )


def test_steps_that_change_the_support_at_a_loose_tolerance_only_are_not_named() -> None:
    steps = solved_anew.STEPS
    right = dict.fromkeys(steps, 1.0)
    loose = dict.fromkeys(steps[1:], 1.0)
    assert "support" not in solved_anew._plateau(1.0, {1e-2: loose, 1e-12: right})  # noqa: SLF001
