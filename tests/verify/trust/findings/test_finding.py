from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.verify.trust.findings.shared import EVEN, ODD, SKIPPED, is_odd
from verify.trust.findings.examination import examine
from verify.trust.findings.finding import Demonstration, Observation, Race, convicted
from verify.trust.findings.time_series import TIME_SERIES_FINDINGS


def cube(x: Any, times: float = 1.0) -> Any:  # noqa: ANN401 -- arrays, complex too
    return x**3, lambda u: {"x": times * 3 * u * x**2}


def tripled(x: Any) -> Any:  # noqa: ANN401 -- as above
    return cube(x, 3.0)


def primals() -> dict[str, Any]:
    return {"x": np.array([1.0, -2.0])}


def shown(proof: Demonstration[Any]) -> str:
    return examine(replace(ODD, proof=proof)).outcome


def test_a_finding_is_shown_with_both_its_observations() -> None:
    row = examine(ODD)
    assert (row.outcome, row.evidence) == ("shown", "3 was seen; put right: 4 was seen")
    assert (row.key, row.tutorial, row.says, row.matters) == (
        "D0",
        "sums",
        "Three is even.",
        "Halves.",
    )
    assert row.time_s >= 0


def test_it_is_not_shown_where_what_is_published_is_right() -> None:
    assert examine(EVEN).outcome == "not shown"


def test_it_is_not_shown_where_what_is_right_looks_as_wrong() -> None:
    assert shown(Demonstration(published=3, corrected=5, observe=is_odd)) == "not shown"


def test_an_error_is_not_shown_and_is_told() -> None:
    def observe(_: int) -> Observation:
        raise ZeroDivisionError("of\nmine")

    proof = Demonstration(published=3, corrected=4, observe=observe)
    row = examine(replace(ODD, proof=proof))
    assert row.outcome == "not shown"
    assert row.evidence == "raised ZeroDivisionError: of"


def test_what_is_not_to_be_had_is_skipped_with_the_reason() -> None:
    row = examine(SKIPPED)
    assert (row.outcome, row.evidence) == ("skipped", "there is no such file")


def test_prices_that_cannot_be_read_are_none_to_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADJURY_PRICES", str(tmp_path / "prices.csv"))
    (cut,) = (finding for finding in TIME_SERIES_FINDINGS if finding.key == "D21")
    row = examine(cut)
    assert row.outcome == "skipped"
    assert "prices.csv" in row.evidence


def test_a_check_convicts_only_if_it_is_the_one_that_is_named() -> None:
    def proof(by: str, fault: str = "") -> Demonstration[Any]:
        observe = convicted(by, fault, at=primals)
        return Demonstration(published=tripled, corrected=cube, observe=observe)

    assert shown(proof("oracle", "constant factor")) == "shown"
    assert shown(proof("oracle")) == "shown"
    assert shown(proof("oracle", "sign")) == "not shown"
    assert shown(proof("contract")) == "not shown"
    assert shown(replace(proof("oracle"), published=cube)) == "not shown"


def test_it_is_not_shown_where_another_check_disputes_what_is_right() -> None:
    observe = convicted("value", at=primals, forward=lambda x: x**3)
    squares = Demonstration[Any](
        published=lambda x: (x**2, lambda u: {"x": 2 * u * x}), corrected=tripled, observe=observe
    )
    assert shown(squares) == "not shown"
    assert shown(replace(squares, corrected=cube)) == "shown"


def test_a_conviction_tells_what_the_check_told() -> None:
    observe = convicted("oracle", at=primals)
    assert "gradient of x is 3 times what it should be" in observe(tripled).evidence
    assert observe(cube).evidence == "agree"
    by_value = convicted("value", at=primals, forward=lambda x: x**2)
    assert by_value(cube).evidence.startswith("value: value[1] -8, not 4")


def test_a_race_is_measured_whoever_wins() -> None:
    calls: list[str] = []
    race = Race(
        lambda: {"first": lambda: calls.append("first"), "second": lambda: calls.append("second")},
        rounds=3,
    )
    row = examine(replace(ODD, kind="timing", proof=race))
    assert row.outcome == "measured"
    assert row.evidence.startswith("first ")
    assert "; second " in row.evidence
    assert row.evidence.endswith("times that")
    assert calls == ["first", "second"] * 4
