import numpy as np
import pytest

from tests.verify.checks.argmin.shared import (
    COTANGENT,
    CUBIC,
    PRIMALS,
    TANGENTS,
    derivative_on_paper,
    ill_conditioned,
    soft_solution,
    solution,
)
from verify.checks.argmin import finite_differences as finite_differences_module
from verify.checks.argmin import solved_anew
from verify.checks.argmin.finite_differences import finite_differences, plateau_of
from verify.checks.argmin.one_sided import one_sided
from verify.checks.argmin.solution import TOLERANCES, Solution
from verify.checks.argmin.solved_anew import STEPS


def test_finite_differences_have_it_within_their_bar() -> None:
    sweep = finite_differences(solution(), COTANGENT, TANGENTS)
    error = abs(sweep.estimate.value - derivative_on_paper())
    assert error <= sweep.estimate.error_bar < 1e-9
    assert sweep.plateau.startswith("within 1e-07 for steps ")
    assert "tolerances up to 1e-08" in sweep.plateau


def test_without_polishing_a_loose_tolerance_leaves_the_plateau(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Solution, "newton_step", lambda _, y: np.zeros_like(y))
    sweep = finite_differences(solution(), COTANGENT, TANGENTS)
    assert "tolerances up to 1e-12" in sweep.plateau


def test_a_tolerance_too_loose_everywhere_shows_in_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Differences of solutions that are off by a smooth error are flat in h, and wrong."""
    for module in (solved_anew, finite_differences_module):
        monkeypatch.setattr(module, "TOLERANCES", (1e-1, 1e-2, 1e-3))
    monkeypatch.setattr(Solution, "newton_step", lambda _, y: np.zeros_like(y))
    sweep = finite_differences(Solution(CUBIC, PRIMALS, solution().y), COTANGENT, TANGENTS)
    error = abs(sweep.estimate.value - derivative_on_paper())
    assert 1e-9 < error <= sweep.estimate.error_bar


def test_steps_that_change_the_support_are_left_out_and_named() -> None:
    sweep = finite_differences(soft_solution(3.0, 0.999), np.ones(2), {"y": np.ones(2)})
    assert sweep.estimate.value == pytest.approx(1.0, abs=1e-9)
    assert "the support changes at steps 4e-03, 2e-02" in sweep.plateau


@pytest.mark.parametrize("smallest", [1e-3, 1e-5, 1e-8, 1e-10])
def test_steps_that_reach_a_singular_matrix_are_no_evidence(smallest: float) -> None:
    solved, tangents = ill_conditioned(smallest)
    exact = float(np.sum(solved.rate_along(tangents)))
    sides = one_sided(solved, np.ones(3), tangents)
    sweep = finite_differences(solved, np.ones(3), tangents)
    for estimate in (sweep.estimate, sides.left, sides.right):
        assert estimate.error_bar == np.inf or abs(estimate.value - exact) <= estimate.error_bar


def test_the_plateau_is_a_run_of_steps_on_which_all_agree() -> None:
    odd = {(1e-2, STEPS[4]), (1e-12, STEPS[2])}
    words = plateau_of(1.0, lambda step, tolerance: 2.0 if (tolerance, step) in odd else 1.0)
    assert words == (
        f"within 1e-07 for steps {STEPS[-1]:.0e} to {STEPS[3]:.0e} and tolerances up to 1e-04"
    )


def test_steps_that_change_the_support_at_a_loose_tolerance_only_are_not_named() -> None:
    def slope(step: float, tolerance: float) -> float | None:
        return None if (tolerance, step) == (1e-2, STEPS[0]) else 1.0

    assert "support" not in plateau_of(1.0, slope)


def test_looser_tolerances_are_searched_to_on_the_plateau_only() -> None:
    asked: list[tuple[float, float]] = []

    def slope(step: float, tolerance: float) -> float:
        asked.append((tolerance, step))
        return 1.0 if step in STEPS[3:6] else 2.0

    plateau_of(1.0, slope)
    assert {step for tolerance, step in asked if tolerance != TOLERANCES[-1]} == set(STEPS[3:6])
