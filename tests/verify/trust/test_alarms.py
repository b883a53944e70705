from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import verify.command.options
import verify.trust.alarms
from reference_impls import CATALOGUE, Computation, Entry
from reference_impls.computation import Arrays
from reference_impls.running.late import LateError
from results.tables import Alarms
from tests.verify.entries import catalogue_of
from verify.checks.check import Check, Worst
from verify.checks.compare import make_worst
from verify.checks.outcome import CaseId, Outcome
from verify.trust.alarms import count_alarms

RELU, TANH = (
    next(each for each in CATALOGUE if each.name == name).load() for name in ("relu", "tanh")
)


Plan = list[tuple[Entry, int]]


def catalogue(monkeypatch: pytest.MonkeyPatch, *computations: Computation) -> Plan:
    """Computations, each at its smallest size."""
    entries = catalogue_of(monkeypatch, verify.command.options, *computations)
    return [(entry, min(entry.sizes)) for entry in entries]


def numbers(row: Alarms) -> tuple[int, ...]:
    return row.checks, row.agree, row.disagree, row.inconclusive, row.unsupported


def test_right_implementations_raise_none(monkeypatch: pytest.MonkeyPatch) -> None:
    computations = catalogue(monkeypatch, RELU, TANH)
    rows = list(count_alarms(computations, ["float64", "float32"], range(4, 7)))
    assert [(row.computation, row.dtype) for row in rows] == [
        ("relu", "float64"),
        ("relu", "float32"),
        ("tanh", "float64"),
        ("tanh", "float32"),
    ]
    for row in rows:
        assert (row.first_seed, row.seeds, row.size) == (4, 3, 32)
        assert row.checks == row.agree > 3 * 10
        assert row.closest is not None
        assert 0 < row.closest <= 1
        assert row.note == ""
        assert str(row.closest_check).endswith(("seed 4", "seed 5", "seed 6"))


def test_a_wrong_one_is_counted_and_named_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(TANH, by_torch=lambda x: 1.001 * TANH.by_torch(x))
    (row,) = count_alarms(catalogue(monkeypatch, wrong), ["float64"], range(2))
    assert row.disagree > 0
    assert row.agree + row.disagree + row.inconclusive + row.unsupported == row.checks
    assert "seed 0: value of torch against manual" in row.note
    assert "seed 1: vjp of torch against manual" in row.note
    assert row.note.count("seed ") == row.disagree


def worst(error: float) -> Worst:
    return make_worst("x", "[0]", error, 0.0, (1.0, 1.0, 0.0))  # a tolerance of 32


def test_the_closest_is_the_largest_error_in_tolerances_of_what_agrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def outcomes(_: Computation, __: int, seed: int, *___: object) -> Iterator[Outcome]:
        checks = [
            Check("torch", "contract", "the primals", "agree"),
            Check("torch", "vjp", "manual", "agree", worst=worst(8 + 8 * (seed == 6))),
            Check("torch", "oracle", "Richardson", "agree", worst=worst(4)),
            Check("torch", "value", "manual", "disagree", "far off", worst(64)),
            Check("torch", "second order", "symmetry", "inconclusive", worst=worst(31)),
            Check("torch", "precision", "more digits", "unsupported"),
        ]
        yield Outcome(CaseId("relu", 32, seed, "float64", tutorial_size=False), checks, [])

    monkeypatch.setattr(verify.trust.alarms, "outcomes", outcomes)
    (row,) = count_alarms(catalogue(monkeypatch, RELU), ["float64"], range(5, 8))
    assert numbers(row) == (18, 9, 3, 3, 3)
    assert row.closest == 0.5
    assert row.closest_check == "vjp of torch against manual, seed 6"
    assert row.note == "; ".join(
        f"seed {seed}: value of torch against manual: far off" for seed in (5, 6, 7)
    )


def test_rows_come_as_soon_as_a_computation_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    computations = catalogue(monkeypatch, RELU, TANH)
    rows = count_alarms(computations, ["float64"], range(1))
    assert next(rows).computation == "relu"
    computations.clear()
    assert list(rows) == []


def test_a_process_counts_what_is_counted_here() -> None:
    plan = [(CATALOGUE[0], 32)]
    (elsewhere,) = count_alarms(plan, ["float32"], range(2), jobs=2)
    (here,) = count_alarms(plan, ["float32"], range(2), jobs=1)
    assert elsewhere == here.model_copy(update={"measured_at": elsewhere.measured_at})


def test_a_seed_that_is_not_done_in_time_is_noted_and_the_others_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(rng: np.random.Generator, size: int) -> Arrays:
        x = rng.standard_normal(size)
        if x[0] < 0:
            raise LateError  # as its timer does
        return {"x": x}

    plan = catalogue(monkeypatch, replace(TANH, sample=slow))
    (row,) = count_alarms(plan, ["float64"], range(4), timeout=600.0)
    late = [seed for seed in range(4) if f"seed {seed}: not done within 600 seconds" in row.note]
    assert 0 < len(late) < 4
    assert row.note.count("seed ") == len(late)
    assert (row.disagree, row.inconclusive) == (0, 3 * len(late))
    assert row.agree > 10
