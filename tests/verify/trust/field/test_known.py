"""What is known to be wrong elsewhere is data that holds together."""

import pytest

from reference_impls import DTYPES
from verify.trust.field.autograd_primitives import functions
from verify.trust.field.known import Known, known_of, known_ones
from verify.trust.field.libraries import LIBRARIES


def test_each_has_evidence_and_a_library_that_is_checked() -> None:
    names = {library.name for library in LIBRARIES}
    for each in known_ones():
        assert each.evidence
        assert each.library in names
        assert set(each.dtypes) <= set(DTYPES)


def test_no_function_is_known_twice_in_a_dtype() -> None:
    keys = [
        (each.library, function, dtype)
        for each in known_ones()
        for function in each.functions
        for dtype in each.dtypes
    ]
    assert len(keys) == len(set(keys))


def test_what_is_known_of_autograd_is_among_its_primitives() -> None:
    known = {name for each in known_ones() if each.library == "autograd" for name in each.functions}
    assert known <= set(functions())


@pytest.mark.parametrize(("version", "holds"), [("2.4", True), ("2.3.1", False), ("2.9+cpu", True)])
def test_a_version_is_held_against_the_range(version: str, *, holds: bool) -> None:
    assert Known("torch", ("f",), ">=2.4", "seen").is_of(version) is holds


def test_what_is_known_of_one_dtype_is_not_known_of_the_other() -> None:
    assert known_of("torch", "2.13", "nn_functional_hardsigmoid", "float64")
    assert known_of("torch", "2.13", "nn_functional_hardsigmoid", "float32") is None


def test_a_second_derivative_that_is_known_to_be_wrong_says_nothing_of_the_first() -> None:
    assert known_of("torch", "2.13", "cholesky_inverse", "float64", order=1) is None
    assert known_of("torch", "2.13", "cholesky_inverse", "float64", order=2)
    assert known_of("torch", "2.13", "nn_functional_hardsigmoid", "float64", order=2)
