import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, Computation
from reference_impls.function import Function
from reference_impls.running.late import LateError
from verify.checks.case import Case
from verify.checks.catalogue import outcomes
from verify.checks.check import Check
from verify.checks.first_order.gradients import verify_case
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


def endless(x: torch.Tensor) -> torch.Tensor:
    while True:
        time.sleep(0.01)
        x = x + 0.0


def test_what_is_not_done_in_time_is_inconclusive_in_every_dtype() -> None:
    hanging = replace(TANH, by_torch=endless)
    started = time.monotonic()
    cases = list(outcomes(hanging, min(TANH.sizes), 3, DTYPES, BACKENDS, timeout=0.3))
    assert time.monotonic() - started < 10
    assert [(each.case.dtype, each.case.seed) for each in cases] == [("float64", 3), ("float32", 3)]
    for each in cases:
        assert {check.verdict for check in each.checks} == {"inconclusive"}
        assert {check.implementation for check in each.checks} == {"autograd", "torch", "manual"}
        assert each.late == "not done within 0.3 seconds"


def test_a_dtype_that_is_done_in_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    real = verify_case

    def slow(case: Case, functions: Sequence[Function], noises: Noises) -> list[Check]:
        if case.dtype == "float32":
            raise LateError  # as its timer does
        return real(case, functions, noises)

    monkeypatch.setattr("verify.checks.catalogue.verify_case", slow)
    done, late = outcomes(TANH, min(TANH.sizes), 0, DTYPES, BACKENDS, timeout=600.0)
    assert {check.verdict for check in done.checks} == {"agree"}
    assert (done.late, late.late) == ("", "not done within 600 seconds")


def test_enough_time_changes_nothing() -> None:
    timed = outcomes(TANH, min(TANH.sizes), 0, DTYPES, BACKENDS, timeout=600.0)
    assert list(timed) == found(TANH)
