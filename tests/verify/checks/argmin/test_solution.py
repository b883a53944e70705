from collections.abc import Callable

import numpy as np
import pytest

from reference_impls.computation import Array, Optimality
from tests.verify.checks.argmin.shared import A, ill_conditioned, soft_solution, solution
from verify.checks.argmin.solution import Solution, jacobian


def test_a_problem_is_solved_to_rounding_from_its_own_start() -> None:
    solved = solution()
    assert solved.residual < 1e-15
    assert solved.is_converged
    np.testing.assert_allclose(solved.K, A + np.diag(1.5 * solved.y**2), rtol=1e-15)
    assert solved.rank == 2
    assert solved.condition_number == pytest.approx(np.linalg.cond(solved.K))
    assert solved.singularity is None
    assert solved.support is None
    assert not solved.at_kink


def test_a_jacobian_by_the_complex_step_is_exact() -> None:
    y = np.array([0.3, -2.0])
    np.testing.assert_allclose(jacobian(lambda y: np.exp(A @ y), y), np.exp(A @ y)[:, None] * A)


def test_what_is_held_at_a_kink_stays_there() -> None:
    solved = soft_solution(3.0, 0.2, -2.0)
    np.testing.assert_array_equal(solved.y, [2.0, 0.0, -1.0])
    assert solved.support is not None
    assert solved.support.tolist() == [1, 0, -1]
    np.testing.assert_array_equal(solved.rate_along({"y": np.ones(3)}), [1, 0, 1])


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
    singularity = Solution(optimality, {"x": x}, x).singularity
    assert singularity is not None
    assert message in singularity


def test_where_there_is_no_solution_none_is_claimed() -> None:
    optimality = Optimality(
        condition=lambda x: lambda y: np.exp(-y) + 0 * x,
        start=lambda x: np.zeros(x.size),
        outcome=lambda y, x: y,  # noqa: ARG005 -- of Optimality
    )
    assert not Solution.found(optimality, {"x": np.ones(1)}).is_converged


def test_an_ill_conditioned_linear_system_is_solved() -> None:
    solved, _ = ill_conditioned(1e-13)
    assert solved.is_converged
