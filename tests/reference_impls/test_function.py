from reference_impls import BACKENDS
from reference_impls.computation import Computation
from reference_impls.computations import ridge_argmin, tanh
from reference_impls.function import implementations


def those_that_take_complex(computation: Computation) -> list[str]:
    return [each.name for each in implementations(computation, BACKENDS) if each.takes_complex]


def test_what_its_backend_takes() -> None:
    assert those_that_take_complex(tanh.COMPUTATION) == ["autograd", "manual"]


def test_an_operator_that_solves_for_an_argmin_takes_real_numbers() -> None:
    assert those_that_take_complex(ridge_argmin.COMPUTATION) == ["manual"]
