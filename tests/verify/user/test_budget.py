"""A check within a budget: what is left out is said, and what was found is kept."""

import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.nested import Tree
from verify import Budget, Report, WrongGradientError, check, from_autograd, from_torch
from verify.checks.check import BudgetSpentError
from verify.user.budget import Meter

X = np.random.default_rng(1).standard_normal(5)

ENOUGH = 1000
"""Evaluations; no check here takes so many."""

TRIED = (*range(1, 24), *range(24, ENOUGH, 6))
"""Budgets: in the first evaluations more is settled than in the others."""

Pair = tuple[Any, Callable[[Array], Tree]]


def waves(x: Array) -> Pair:
    """A right one."""
    return np.sin(x), lambda u: u * np.cos(x)


def tilted(x: Array) -> Pair:
    return np.sin(x), lambda u: 1.23 * u * np.cos(x)


def clipped(x: Array) -> Pair:
    """One whose VJP is not linear."""
    return np.sin(x), lambda u: np.clip(u, -0.1, 0.1) * np.cos(x)


def corner(x: Array) -> Pair:
    """A right one at a kink."""
    return np.abs(x), lambda u: u * np.sign(x)


def root(x: Array) -> Pair:
    """One whose gradient is infinite at zero, and rightly so."""
    return np.sqrt(x), lambda u: u * np.divide(0.5, np.sqrt(x))


def two_outputs(x: Array) -> Pair:
    """One of whose outputs has a wrong gradient."""
    value = {"right": np.sin(x), "wrong": np.cos(x)}
    return value, lambda u: u["right"] * np.cos(x) - 2 * u["wrong"] * np.sin(x)


def within(function: Any, primals: Tree, **options: Any) -> dict[int, Report]:  # noqa: ANN401 -- anything that `check` takes
    """The reports within one budget after the other, up to the first that is not spent."""
    reports = {}
    for evaluations in TRIED:
        reports[evaluations] = check(function, primals, budget=evaluations, **options)
        if reports[evaluations].evaluations < evaluations:
            break
    return reports


def left_out(report: Report) -> str:
    (line,) = re.findall("left out: (.*)", report.checks[-1].detail)
    return str(line)


SUBJECTS = {
    "smooth": (waves, X),
    "real numbers only": (from_autograd(lambda x: (x * x).sum()), X),
    "kink": (corner, np.zeros(3)),
    "infinite": (root, np.zeros(3)),
    "hidden kink": (from_torch(torch.median), np.ones(3)),
    "cholesky": (from_torch(torch.linalg.cholesky), 2 * np.eye(3)),
}


@pytest.mark.parametrize(("function", "primals"), SUBJECTS.values(), ids=SUBJECTS)
def test_no_budget_accuses_a_right_gradient_and_none_agrees_without_an_oracle(
    function: Any,  # noqa: ANN401 -- as above
    primals: Array,
) -> None:
    unlimited = check(function, primals)
    for evaluations, report in within(function, primals).items():
        assert report.evaluations <= evaluations
        assert report.vjps <= evaluations
        kinds = [each.kind for each in report.checks if each.verdict == "agree"]
        if report.verdict == "agree":
            assert unlimited.verdict == "agree"
            assert {"oracle", "kink"} & set(kinds)
        else:
            assert report.verdict in ("inconclusive", unlimited.verdict)
            said = f"the budget of {evaluations} evaluation"
            assert said in str(report).splitlines()[0] or report.checks == unlimited.checks
    assert report.checks == unlimited.checks


def test_what_is_left_out_is_said_and_so_is_the_budget_in_the_call_that_shows_it_again() -> None:
    reports = within(waves, X)
    assert left_out(reports[1]) == "all checks"
    assert left_out(reports[8]) == "contract, stability, oracle, extremes"
    assert left_out(reports[12]) == "stability, oracle, extremes"
    assert reports[12].again == "check(waves, primals, seed=0, budget=12)"
    assert str(reports[12]).splitlines()[0] == (
        "inconclusive: waves: the budget of 12 evaluations is spent; "
        "left out: stability, oracle, extremes"
    )
    with pytest.raises(WrongGradientError, match="the budget of 12 evaluations is spent"):
        reports[12].raise_for_verdict()


def test_where_only_the_look_far_away_is_left_out_it_agrees_and_says_so() -> None:
    reports = within(waves, X)
    last = max(reports) - 2
    assert reports[last].verdict == "agree"
    assert f"not counted: extremes: waves against the budget: the budget of {last}" in str(
        reports[last]
    )


def test_a_disagreement_that_was_found_before_stands_without_a_class() -> None:
    reports = within(tilted, X)
    verdicts = [report.verdict for report in reports.values()]
    assert verdicts == sorted(verdicts, key=["inconclusive", "disagree"].index)
    first = next(report for report in reports.values() if report.verdict == "disagree")
    assert first.diagnosis is None
    spent = f"the budget of {first.evaluations} evaluations is spent"
    line = f"disagree: tilted: {spent} before it was known how it is wrong"
    assert str(first).splitlines()[0] == line
    assert first.disagreements[0].worst
    *_, last = reports.values()
    assert last.diagnosis
    assert last.diagnosis.fault == "constant factor"


def test_what_breaks_the_contract_is_kept() -> None:
    reports = within(clipped, X)
    first = next(report for report in reports.values() if report.verdict == "disagree")
    assert first.diagnosis
    assert first.diagnosis.fault == "not linear"
    assert "oracle" in left_out(first)
    assert "the budget of" in str(first)


def test_a_wrong_output_stays_wrong_where_nothing_is_left_to_name_it() -> None:
    reports = within(two_outputs, X)
    verdicts = [report.verdict for report in reports.values()]
    assert verdicts == sorted(verdicts, key=["inconclusive", "disagree"].index)
    unnamed = [report for report in reports.values() if "left out: which of the out" in str(report)]
    assert {report.verdict for report in unnamed} == {"disagree"}
    named = [
        "what comes from value['wrong'] is wrong" in str(report) for report in reports.values()
    ]
    assert named == sorted(named)
    assert named[-1]
    assert not any("from value['wrong'] it is right" in str(report) for report in reports.values())


def test_what_was_asked_for_beside_is_never_left_out_in_silence() -> None:
    both: dict[str, dict[str, Any]] = {
        "expected": {"expected": waves},
        "precision": {"precision": True},
    }
    for name, options in both.items():
        asked = within(waves, X, **options)
        spent = [report for report in asked.values() if report.checks[-1].against == "the budget"]
        assert name in left_out(spent[-1])
        assert {report.verdict for report in spent} == {"inconclusive"}
        assert [*asked.values()][-1].verdict == "agree"


def test_second_derivatives_are_evaluations_too() -> None:
    calls = 0

    def sine_of(x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.sin(x)

    sine = from_torch(sine_of)
    assert check(sine, X, order=2).evaluations == calls
    asked = within(sine, X, order=2)
    assert max(asked) > check(sine, X).evaluations + 10
    assert left_out(asked[18]) == "second order"
    assert asked[18].verdict == "inconclusive"
    assert asked[max(asked)].verdict == "agree"


def test_evaluations_are_the_calls_of_the_function() -> None:
    calls = {"function": 0, "vjp": 0}

    def counted(x: Array) -> Pair:
        calls["function"] += 1

        def vjp(u: Array) -> Array:
            calls["vjp"] += 1
            return u * np.cos(x)

        return np.sin(x), vjp

    report = check(counted, X)
    assert (report.evaluations, report.vjps) == (calls["function"], calls["vjp"])
    assert 10 < report.evaluations <= 40


def test_values_of_a_forward_are_evaluations_too() -> None:
    calls = 0

    def forward(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return np.asarray(np.sin(x))

    report = check(waves, X, forward=forward)
    assert calls
    assert report.evaluations > calls
    assert check(waves, X, forward=forward, budget=report.evaluations).verdict == "agree"
    few = check(waves, X, forward=forward, budget=5)
    assert few.verdict == "inconclusive"


def test_seconds_end_a_check_between_two_calls() -> None:
    def slow(x: Array) -> Pair:
        time.sleep(0.02)
        return waves(x)

    started = time.perf_counter()
    report = check(slow, X, budget=Budget(seconds=0.1))
    assert 0.1 < time.perf_counter() - started < 5
    assert report.verdict == "inconclusive"
    assert "the budget of 0.1 seconds is spent; left out: " in str(report)
    assert report.again.endswith("budget=Budget(evaluations=None, seconds=0.1))")


def test_whichever_comes_first_ends_it() -> None:
    report = check(waves, X, budget=Budget(evaluations=9, seconds=1e3))
    assert "the budget of 9 evaluations or 1000 seconds is spent" in str(report)
    assert check(waves, X, budget=Budget(evaluations=ENOUGH, seconds=1e3)).verdict == "agree"


@pytest.mark.parametrize(
    ("budget", "error", "says"),
    [
        (2.5, TypeError, "check: got budget=2.5, wanted a whole number of at least 1, of eval"),
        ("2 s", TypeError, "check: got budget='2 s', wanted a whole number of at least 1"),
        (np.ones(2), TypeError, "or Budget(evaluations=…, seconds=…)"),
        (0, ValueError, "check: got budget=0, wanted a whole number of at least 1"),
    ],
)
def test_a_budget_that_is_none_is_refused_in_one_line(
    budget: Any,  # noqa: ANN401 -- that is the point
    error: type[Exception],
    says: str,
) -> None:
    with pytest.raises(error, match=re.escape(says)) as raised:
        check(waves, X, budget=budget)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({}, TypeError, "Budget: got nothing, wanted evaluations or seconds"),
        ({"evaluations": 1.5}, TypeError, "got evaluations=1.5, wanted a whole number"),
        ({"evaluations": -1}, ValueError, "got evaluations=-1, wanted a whole number of at least"),
        ({"seconds": "2"}, TypeError, "got seconds='2', wanted a positive number"),
        ({"seconds": 0.0}, ValueError, "got seconds=0.0, wanted a positive number"),
        ({"seconds": np.nan}, ValueError, "got seconds=nan, wanted a positive number"),
    ],
)
def test_a_budget_of_nothing_is_refused(
    given: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=re.escape(says)):
        Budget(**given)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(1), "1 evaluation"),
        (Budget(12000), "12,000 evaluations"),
        (Budget(seconds=1), "1 second"),
        (Budget(2, 0.5), "2 evaluations or 0.5 seconds"),
    ],
)
def test_a_budget_in_words(budget: Budget, words: str) -> None:
    assert str(budget) == words


def test_a_meter_counts_the_function_and_its_vjps_apart() -> None:
    meter = Meter(Budget(2))
    for _ in range(2):
        meter.count_evaluation()
        meter.count_vjp()
    for count in (meter.count_evaluation, meter.count_vjp):
        with pytest.raises(BudgetSpentError, match="the budget of 2 evaluations is spent"):
            count()
    assert (meter.evaluations, meter.vjps) == (2, 2)
