from collections.abc import Sequence
from dataclasses import replace

import pytest

from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, Computation
from reference_impls.function import Function
from verify.checks.case import Case
from verify.checks.catalogue import outcomes
from verify.checks.check import Check
from verify.checks.noises import Noises
from verify.checks.outcome import Outcome

BY_NAME = {computation.name: computation for computation in COMPUTATIONS}
TANH = BY_NAME["tanh"]


def found(computation: Computation, *dtypes: str) -> list[Outcome]:
    size = min(computation.sizes)
    return list(outcomes(computation, size, 0, dtypes or DTYPES, BACKENDS))


def second_order(outcome: Outcome) -> set[str]:
    return {check.implementation for check in outcome.checks if check.kind == "second order"}


def test_each_dtype_has_its_case_with_first_and_second_derivatives() -> None:
    cases = found(TANH)
    assert [outcome.case.dtype for outcome in cases] == ["float64", "float32"]
    for outcome in cases:
        assert {check.verdict for check in outcome.checks} == {"agree"}
        assert {check.implementation for check in outcome.checks} == {"autograd", "torch", "manual"}
        assert second_order(outcome) == {"autograd", "torch"}
        assert outcome.evidence == []


def test_a_dtype_is_judged_alike_alone_and_beside_the_other() -> None:
    (alone,) = found(TANH, "float32")
    _, beside = found(TANH)
    assert alone.checks == beside.checks


def test_noise_is_measured_once_and_is_the_same_for_both_dtypes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Noises] = []

    def check(_: Case, __: Sequence[Function], noises: Noises) -> list[Check]:
        given.append(noises)
        return []

    monkeypatch.setattr("verify.checks.catalogue.verify_case", check)
    found(TANH)
    double, single = given
    assert double is single


def test_of_what_is_wrong_already_no_second_derivative_is_asked() -> None:
    wrong = replace(TANH, by_torch=lambda x: 1.001 * TANH.by_torch(x))
    (outcome,) = found(wrong, "float64")
    assert second_order(outcome) == {"autograd"}


def test_of_what_is_unsupported_no_second_derivative_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = Check("torch", "contract", "the primals", "unsupported", "K is singular")
    monkeypatch.setattr("verify.checks.catalogue.verify_case", lambda *_: [refused])
    (outcome,) = found(TANH, "float64")
    assert outcome.checks[0] == refused
    assert second_order(outcome) == {"autograd"}


def test_argmins_have_evidence_whose_checks_are_among_the_others() -> None:
    single, double = (found(BY_NAME["root_argmin"], dtype)[0] for dtype in ("float32", "float64"))
    assert {each.implementation for each in double.evidence} == {"autograd", "torch", "manual"}
    checks = [check for each in double.evidence for check in each.checks]
    assert checks
    assert [check for check in double.checks if check.kind == "argmin"] == checks
    assert single.evidence == []
