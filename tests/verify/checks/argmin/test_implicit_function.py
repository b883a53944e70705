import numpy as np

from reference_impls.computation import draw
from reference_impls.computations import elastic_net_argmin
from tests.verify.checks.argmin.shared import COTANGENT, TANGENTS, derivative_on_paper, solution
from verify.checks.argmin.implicit_function import implicit_function
from verify.checks.argmin.solution import Solution


def test_the_implicit_function_has_the_derivative_on_paper_within_its_bar() -> None:
    estimate = implicit_function(solution(), COTANGENT, TANGENTS)
    assert abs(estimate.value - derivative_on_paper()) <= estimate.error_bar < 1e-13


def test_what_is_held_at_zero_stays_there_beside_the_solution() -> None:
    computation = elastic_net_argmin.COMPUTATION
    assert computation.optimality
    solved = Solution.found(computation.optimality, draw(computation, 10, "float64", 1))
    tangents = {"l1": np.asarray(30.0), "l2": np.asarray(0.3)}
    estimate = implicit_function(solved, np.ones(solved.y.size), tangents)
    assert estimate.error_bar <= 1e-10 * abs(estimate.value)
