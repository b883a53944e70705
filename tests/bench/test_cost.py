"""What the cost of a check is made of: its calls, and times divided by those beside them."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.check.costs import (
    BACKWARD,
    COMPLEX_FORWARD,
    FORWARD,
    Calls,
    Counted,
    InUnits,
    Unit,
    counted_in_torch,
    in_units,
)
from bench.check.functions import BATCHES, Subject, by_hand, in_torch
from bench.check.test_cost import CASES, COMPARED, FAST, SLOW, question
from reference_impls import Array, Arrays
from results.store import read
from results.tables import COSTS, OURS
from verify import Report, check, from_torch

SIZES = (900, 9_000, 90_000)
"""With a handful of rows: calls are counted, and none is timed."""

MOST_UNITS = 15.0

ROOT = Path(__file__).parents[2]


def in_tanh(n: int) -> Subject:
    return in_torch(n, torch.tanh)


@cache
def in_relu(n: int) -> Subject:
    return in_torch(n, torch.relu)


def calls_of(checker: str, subject: Subject) -> Calls:
    asked = question(checker, subject)
    assert asked.counted()
    return asked.calls


@pytest.mark.parametrize("n", [*BATCHES, *SIZES])
def test_a_function_has_as_many_entries_as_it_says(n: int) -> None:
    assert in_tanh(n).entries == by_hand(n).entries == n


@pytest.mark.parametrize("make", [by_hand, in_tanh, in_relu])
def test_a_unit_is_the_value_and_gradient_that_is_checked(make: Callable[[int], Subject]) -> None:
    subject = make(SIZES[0])
    returned: Any = subject.unit()
    value, gradients = returned
    wanted, vjp = subject.make_vjp(**subject.primals)
    expected = vjp(np.ones_like(wanted))
    got = gradients.values() if isinstance(gradients, dict) else gradients
    assert torch.as_tensor(value).detach().numpy() == wanted
    for mine, gradient in zip(got, expected.values(), strict=True):
        assert np.array_equal(np.asarray(mine), gradient)


@pytest.mark.parametrize("make", [by_hand, in_tanh])
def test_a_check_makes_as_many_calls_at_every_size(make: Callable[[int], Subject]) -> None:
    counts = [calls_of(OURS, make(n)) for n in SIZES]
    assert counts[0] == counts[1] == counts[2]
    assert counts[0].by_kind[COMPLEX_FORWARD] > 0
    assert counts[0].units <= MOST_UNITS


@pytest.mark.parametrize("n", [*SIZES, min(BATCHES)])
def test_a_check_between_kinks_costs_no_more(n: int) -> None:
    calls = calls_of(OURS, in_relu(n))
    assert calls.by_kind[COMPLEX_FORWARD] == 0  # refused before it begins
    assert calls.units <= MOST_UNITS


@pytest.mark.parametrize("seed", range(40))
def test_a_network_with_300_000_kinks_agrees_at_every_seed(seed: int) -> None:
    """One value of u is small, and vjp(1) has many times its noise; some slopes are small, too."""
    network = in_relu(min(BATCHES))
    report = check(network.make_vjp, network.primals, seed=seed)
    assert report.verdict == "agree", str(report)


def test_a_slow_gradcheck_makes_two_calls_more_for_every_entry() -> None:
    one, other = (calls_of(SLOW, in_tanh(n)).by_kind[FORWARD] for n in (100, 400))
    assert other - one == 2 * 300


def test_a_fast_gradcheck_makes_as_many_calls_at_every_size() -> None:
    assert len({calls_of(FAST, in_tanh(n)).evaluations for n in SIZES}) == 1


def test_slow_gradcheck_is_skipped_where_it_takes_minutes_and_nothing_else_is() -> None:
    skipped = [case for case in CASES if case.reason]
    assert {(case.checker, case.n > COMPARED) for case in skipped} == {(SLOW, True)}
    assert {case.n for case in CASES if case.checker == SLOW and not case.reason} == {1_000, 3_000}
    assert "skipped beyond 3,000" in skipped[0].reason


def test_gradcheck_is_not_asked_about_functions_of_numpy() -> None:
    with pytest.raises(TypeError, match="torch alone"):
        question(SLOW, by_hand(SIZES[0]))


def test_calls_are_counted_by_kind_and_weighed() -> None:
    calls = Calls()

    def make_vjp(x: Array) -> tuple[Array, Callable[[Array], Array]]:
        return np.sin(x), lambda u: u * np.cos(x)

    counted = Counted(make_vjp, calls)
    _, vjp = counted(x=np.zeros(3))
    vjp(np.ones(3))
    vjp(np.ones(3))
    counted(x=np.zeros(3, np.complex128))
    assert calls.by_kind == {FORWARD: 1, BACKWARD: 2, COMPLEX_FORWARD: 1}
    assert calls.evaluations == 4
    assert calls.units == pytest.approx(1 / 2 + 2 * 1 / 2 + 2)


def test_calls_in_torch_are_counted_even_where_complex_numbers_are_refused_half_way() -> None:
    calls = Calls()
    adapter = from_torch(counted_in_torch(lambda x: torch.nn.functional.rrelu(x @ x), calls))
    _, vjp = adapter(np.ones((2, 2)))
    vjp(np.ones((2, 2)))
    with pytest.raises(NotImplementedError):
        adapter.forward(np.ones((2, 2), np.complex128))
    assert calls.by_kind == {FORWARD: 1, BACKWARD: 1, COMPLEX_FORWARD: 1}


@pytest.mark.parametrize("make", [by_hand, in_relu])
def test_counting_changes_neither_the_verdict_nor_the_oracle(
    make: Callable[[int], Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Report] = []

    def watched(make_vjp: Any, primals: Arrays) -> Report:  # noqa: ANN401 -- a user's function
        reports.append(check(make_vjp, primals))
        return reports[-1]

    monkeypatch.setattr("bench.check.test_cost.check", watched)
    asked = question(OURS, make(SIZES[0]))
    assert asked.counted()
    assert asked.plain()
    counted, plain = reports
    assert [each.against for each in counted.checks] == [each.against for each in plain.checks]


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    assert in_units([10.0, 20.0, 40.0], [1.0, 2.0, 4.0]) == InUnits(
        seconds=20.0, unit=2.0, ratio=10.0
    )


def test_a_round_is_divided_by_the_units_before_and_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 9.0, 10.0, 11.0, 20.0, 23.0, 30.0, 35.0])
    monkeypatch.setattr("bench.check.costs.perf_counter", lambda: next(clock))
    unit = Unit(lambda: None)
    for _ in range(4):
        unit.time()
    assert unit.beside(2) == [2.0, 4.0]  # of 1, 3 and 5; the first, of 9, is not beside them
    with pytest.raises(ValueError, match="timed 4 times for 4 rounds"):
        unit.beside(4)


def test_every_case_that_is_asked_for_is_a_row(tmp_path: Path) -> None:
    tests = [
        f"bench/check/test_cost.py::test_cost[{name}-10000]"
        for name in ("tanh_network_by_hand-gradjury", "tanh_network_torch-torch_gradcheck")
    ]
    done = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-m", "pytest", "--benchmark-only", f"--results={tmp_path}", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    timed, skipped = read(tmp_path / "costs.csv", COSTS).rows
    assert (timed.function, timed.entries, timed.status) == ("tanh network, by hand", 10_000, "ok")
    assert timed.cost_units is not None
    assert timed.cost_units > 1  # it calls the function, and more than once
    assert timed.evaluations == calls_of(OURS, by_hand(SIZES[0])).evaluations
    assert (skipped.checker, skipped.status, skipped.cost_units) == (SLOW, "skipped", None)
