from collections.abc import Callable

import numpy as np
import pytest

from reference_impls.computation import Array
from tests.verify.checks.argmin.shared import COTANGENT, TANGENTS, solution
from verify.checks.argmin import solution as solution_module
from verify.checks.argmin import solved_anew
from verify.checks.argmin.solution import TOLERANCES, Solution
from verify.checks.argmin.solved_anew import STEPS, Line

Counted = list[tuple[object, ...]]


def counted(function: Callable[..., Array]) -> tuple[Callable[..., Array], Counted]:
    calls: Counted = []

    def remembered(*arguments: object) -> Array:
        calls.append(arguments)
        return function(*arguments)

    return remembered, calls


def test_a_point_is_solved_once_for_each_tolerance_and_has_one_matrix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line(solution(), COTANGENT, TANGENTS)
    assert line.solution.K.shape == (2, 2)
    search, searches = counted(solution_module.search)
    jacobian, jacobians = counted(solution_module.jacobian)
    monkeypatch.setattr(solved_anew, "search", search)
    monkeypatch.setattr(solution_module, "jacobian", jacobian)
    for _ in range(2):
        for tolerance in TOLERANCES:
            line.at(STEPS[0], tolerance)
    assert len(searches) == len(TOLERANCES)
    assert len(jacobians) == 1


@pytest.mark.parametrize("tolerance", TOLERANCES[1:])
def test_a_loose_search_is_polished_to_the_square_of_its_error(tolerance: float) -> None:
    line = Line(solution(), COTANGENT, TANGENTS)
    for step in STEPS[:3]:
        exact = Solution.found(line.solution.optimality, line.at(step).primals).y
        raw = solution_module.search(line.solution, line.at(step).primals, tolerance)
        error = np.linalg.norm(raw - exact)
        polished = np.linalg.norm(line.at(step, tolerance).y - exact)
        assert polished <= error**2 + 1e-15


def test_the_line_backward_ends_where_the_line_begins() -> None:
    line = Line(solution(), COTANGENT, TANGENTS)
    assert line.backward.paired(0.25) == line.paired(-0.25)
