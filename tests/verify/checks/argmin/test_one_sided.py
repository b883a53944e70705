import numpy as np
import pytest

from tests.verify.checks.argmin.shared import soft_solution
from verify.checks.argmin.one_sided import one_sided


def test_at_a_kink_there_are_two_derivatives() -> None:
    at_kink = soft_solution(3.0, 1.0)
    assert at_kink.at_kink
    sides = one_sided(at_kink, np.ones(2), {"y": np.ones(2)})
    assert sides.right.value == pytest.approx(2.0, abs=1e-9)
    assert sides.left.value == pytest.approx(1.0, abs=1e-9)
