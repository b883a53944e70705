from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from reference_impls.computation import Array, Vjp
from results.tables import Kill
from verify.checks.check import Check, Verdict
from verify.checks.report import Report
from verify.command.faults import matrix_table
from verify.trust.faults.argmin import ARGMIN_FAULTS
from verify.trust.kill_matrix import run_matrix
from verify.trust.peers.all_peers import PEERS
from verify.trust.peers.peer import InapplicableError, Peer
from verify.trust.planted import Awkward, Fault, MakeVjp, Planted, rounded


def report(verdict: Verdict, fault: str = "", sentence: str = "") -> Report:
    """What `verify.check` returns, with one check in it."""
    check = Check("manual", "oracle", "complex step", verdict, sentence, fault=fault)
    return Report("f(x)", 0, (check,), "check(f, primals)")


class Checker:
    """A stand-in for `verify.check` that keeps what it was given."""

    def __init__(self, *reports: Report) -> None:
        self.calls: list[dict[str, Any]] = []
        self._reports = reports

    def __call__(self, make_vjp: MakeVjp, primals: Mapping[str, Any], **rest: Any) -> Report:  # noqa: ANN401 - as check has them
        self.calls.append({"make_vjp": make_vjp, "primals": primals, **rest})
        return self._reports[(len(self.calls) - 1) % len(self._reports)]


AGREE, DISAGREE = report("agree"), report("disagree", "sign", "it is minus that")


def plant(size: int, dtype: str, rng: np.random.Generator) -> Planted:
    """x² with a gradient of the wrong sign."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return x * x, lambda u: {"x": -2 * u * x}

    return Planted(
        make_vjp,
        rounded({"x": rng.standard_normal(size)}, dtype),
        lambda x: x * x,
        ("x",),
        None,
    )


FLIPPED = Fault("flipped", "a story", "sign", (3, 5), plant)
NAMELESS = Fault("nameless", "a story", None, (3,), plant)
SOUND = Awkward("sound", "a story", (3,), plant)


def peer(outcome: str) -> Peer:
    def accepts(_: Planted, __: np.random.Generator) -> bool:
        if outcome == "skipped":
            raise InapplicableError("not today")
        return outcome == "accepts"

    return Peer(outcome, 10, lambda: None, lambda: accepts)


def matrix(*reports: Report, peers: tuple[Peer, ...] = (), seed: int = 0) -> list[Kill]:
    return list(run_matrix([FLIPPED], [SOUND], peers, seed, Checker(*reports)))


class TestRows:
    def test_sizes_beyond_the_largest_are_left_out(self) -> None:
        rows = run_matrix([FLIPPED], [SOUND], (), 0, Checker(DISAGREE), largest=4)
        assert {(row.fault, row.size) for row in rows} == {("flipped", 3), ("sound", 3)}

    def test_one_for_each_size_dtype_and_checker_in_order(self) -> None:
        rows = matrix(DISAGREE, peers=(peer("accepts"),))
        assert [(r.fault, r.size, r.dtype, r.checker) for r in rows] == [
            (fault, size, dtype, checker)
            for fault, size in (("flipped", 3), ("flipped", 5), ("sound", 3))
            for dtype in ("float64", "float32")
            for checker in ("gradjury", "accepts")
        ]

    def test_a_fault_of_one_dtype_is_planted_in_that_alone(self) -> None:
        of_float64 = replace(FLIPPED, dtypes=("float64",))
        rows = list(run_matrix([of_float64], [SOUND], (), 0, Checker(DISAGREE)))
        assert [row.dtype for row in rows if row.fault == "flipped"] == ["float64"] * 2
        assert {row.dtype for row in rows if row.fault == "sound"} == {"float64", "float32"}

    def test_they_come_one_by_one(self) -> None:
        checker = Checker(DISAGREE)
        rows = run_matrix([FLIPPED], [], (), 0, checker)
        next(rows)
        assert len(checker.calls) == 1

    @pytest.mark.parametrize(
        ("report", "wrong", "right"),
        [
            (AGREE, "missed", "passed"),
            (DISAGREE, "caught", "flagged"),
            (report("inconclusive"), "missed", "passed"),
            (report("unsupported"), "missed", "passed"),
        ],
    )
    def test_gradjurys_verdict_is_an_outcome(self, report: Report, wrong: str, right: str) -> None:
        rows = matrix(report)
        assert [row.outcome for row in rows] == [wrong] * 4 + [right] * 2
        assert {row.verdict for row in rows} == {report.verdict}

    @pytest.mark.parametrize(
        ("answer", "wrong", "right"),
        [
            ("accepts", "missed", "passed"),
            ("rejects", "caught", "flagged"),
            ("skipped", "skipped", "skipped"),
        ],
    )
    def test_a_peers_answer_is_an_outcome(self, answer: str, wrong: str, right: str) -> None:
        rows = [row for row in matrix(AGREE, peers=(peer(answer),)) if row.checker != "gradjury"]
        assert [row.outcome for row in rows] == [wrong] * 4 + [right] * 2
        assert {(row.verdict, row.diagnosis) for row in rows} == {(None, None)}
        assert {row.detail for row in rows} == {"not today" if answer == "skipped" else ""}

    def test_the_class_that_is_wanted_and_the_one_that_was_named(self) -> None:
        rows = list(run_matrix([NAMELESS, FLIPPED], [SOUND], (), 0, Checker(DISAGREE)))
        assert [row.wanted for row in rows] == [None] * 2 + ["sign"] * 4 + [None] * 2
        assert {(row.diagnosis, row.detail) for row in rows} == {("sign", "it is minus that")}

    def test_a_checker_that_raises_is_wrong_either_way(self) -> None:
        def raises(*_: object, **__: object) -> Report:
            raise ValueError("first\nsecond")

        rows = list(run_matrix([FLIPPED], [SOUND], (), 0, raises))
        assert [row.outcome for row in rows] == ["missed"] * 4 + ["flagged"] * 2
        assert {(row.verdict, row.detail) for row in rows} == {(None, "raised ValueError: first")}

    def test_what_else_is_in_a_row(self) -> None:
        row = matrix(DISAGREE, seed=7)[2]
        assert (row.size, row.entries, row.seed, row.correct) == (5, 5, 7, False)
        assert row.time_s > 0
        assert matrix(DISAGREE)[-1].correct


class TestPlanting:
    def test_the_checker_gets_what_was_planted(self) -> None:
        checker = Checker(DISAGREE)
        second = replace(FLIPPED, plant=lambda *key: replace(plant(*key), order=2))
        list(run_matrix([second], [], (), 7, checker))
        call = checker.calls[0]
        assert (call["seed"], call["order"], call["wrt"]) == (7, 2, ("x",))
        assert np.array_equal(call["forward"](np.array([3.0])), [9.0])
        assert [c["primals"]["x"].dtype for c in checker.calls[:2]] == ["float64", "float32"]

    def test_it_depends_on_the_name_the_size_and_the_seed_alone(self) -> None:
        def primals(fault: Fault, seed: int) -> list[float]:
            checker = Checker(AGREE)
            list(run_matrix([fault], [], (), seed, checker))
            return list(checker.calls[0]["primals"]["x"])

        first = primals(FLIPPED, 0)
        assert primals(FLIPPED, 0) == first
        assert primals(FLIPPED, 1) != first
        assert primals(replace(FLIPPED, name="another"), 0) != first
        assert primals(replace(FLIPPED, sizes=(5,)), 0)[:3] != first

    def test_every_checker_has_a_planting_of_its_own(self) -> None:
        """A fault that is there once only is caught by all, and not by the first alone."""

        def once(size: int, dtype: str, rng: np.random.Generator) -> Planted:
            planted = plant(size, dtype, rng)
            calls = 0

            def make_vjp(x: Array) -> tuple[Array, Vjp]:
                nonlocal calls
                calls += 1
                assert calls == 1
                return planted.make_vjp(x=x)

            return replace(planted, make_vjp=make_vjp)

        def looks(planted: Planted, _: np.random.Generator) -> bool:
            planted.make_vjp(**planted.primals)
            return False

        two = [Peer(name, 10, lambda: None, lambda: looks) for name in "ab"]
        rows = list(run_matrix([replace(NAMELESS, plant=once)], [], two, 0, Checker(DISAGREE)))
        assert {row.detail for row in rows if row.checker != "gradjury"} == {""}

    def test_peers_draw_what_repeats(self) -> None:
        def drawn() -> list[float]:
            numbers: list[float] = []

            def accepts(_: Planted, rng: np.random.Generator) -> bool:
                numbers.append(rng.standard_normal())
                return True

            pair = [Peer(name, 10, lambda: None, lambda: accepts) for name in "ab"]
            list(run_matrix([NAMELESS], [], pair, 0, Checker(AGREE)))
            return numbers

        first = drawn()
        assert drawn() == first
        assert first[0] != first[1]


class TestArgmin:
    """A singular Hessian is seen by the evidence, whatever the gradient."""

    @pytest.fixture
    def singular(self) -> Fault:
        (fault,) = (each for each in ARGMIN_FAULTS if each.name.startswith("argmin: singular"))
        return replace(fault, sizes=(4,))

    def test_the_evidence_counts_in_both_dtypes(self, singular: Fault) -> None:
        rows = list(run_matrix([singular], [], (), 0, Checker(AGREE)))
        assert [(row.outcome, row.verdict) for row in rows] == [("caught", "disagree")] * 2

    def test_without_it_the_report_stands_alone(self, singular: Fault) -> None:
        without = replace(
            singular, plant=lambda *key: replace(singular.plant(*key), computation=None)
        )
        rows = list(run_matrix([without], [], (), 0, Checker(AGREE)))
        assert {row.outcome for row in rows} == {"missed"}


def test_with_the_peers_that_there_are() -> None:
    rows = list(run_matrix([replace(FLIPPED, sizes=(3,))], [], PEERS, 0, Checker(DISAGREE)))
    by_peer = {row.checker: row.outcome for row in rows if row.dtype == "float64"}
    assert set(by_peer) == {"gradjury", *(each.name for each in PEERS)}
    assert {by_peer[each.name] for each in PEERS if not each.missing()} == {"caught"}


def shown(rows: list[Kill]) -> dict[str, list[str]]:
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(matrix_table(rows))
    lines = [line.strip("| ").split("|") for line in capture.get().splitlines() if "|" in line]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


class TestTable:
    def test_counts_by_fault_and_checker(self) -> None:
        reports = [DISAGREE, AGREE, DISAGREE, DISAGREE, AGREE, AGREE]
        table = shown(matrix(*reports, peers=(peer("rejects"), peer("skipped"))))
        assert table["fault"] == ["gradjury", "rejects", "skipped", "named"]
        assert table["flipped"] == ["3/4", "4/4", "—", "3/4"]
        assert table["caught, of all"] == ["3/4", "4/4", "—", "3/4"]
        assert table["sound"] == ["2/2", "0/2", "—", "—"]
        assert table["passed, of all"] == ["2/2", "0/2", "—", "—"]
        assert "not asked" not in table

    def test_no_rows(self) -> None:
        assert shown([]) == {"fault": ["named"]}

    def test_a_name_is_not_markup(self) -> None:
        rows = [row.model_copy(update={"fault": "x[red]y"}) for row in matrix(DISAGREE)[:2]]
        assert "x[red]y" in shown(rows)
