import pickle
from dataclasses import replace

import pytest

from verify.checks.check import Check, Violation, Worst, told
from verify.checks.report import Report, WrongGradientError

WORST = Worst(
    argument="x",
    index="[3, 0]",
    got=2.5,
    expected=2.0,
    error=0.5,
    tolerance=1e-14,
    scale=4.0,
    ulps=5.6e14,
    parts="32 · 1.1e-16 · (scale 2.0e+00 + noise 1.0e+00)",
)
CLOSE = Worst("x", "", 2.0, 2.0, 0.0, 1e-14, 2.0, 0.0, "32 · 1.1e-16 · (scale 2.0e+00)")
AGREE = Check("f", "contract", "the primals", "agree")
WRONG = Check(
    "f", "oracle", "complex step", "disagree", "x is 1.25 times that", WORST, "constant factor"
)
BLUNT = Check("f", "oracle", "Richardson", "inconclusive", "the bar is 1.0e-03", CLOSE)
NAMELESS = Check("f", "value", "forward", "disagree", worst=WORST)
REFUSED = Check(
    "f", "contract", "the primals", "unsupported", "f(x: () float64) raised OSError: no"
)


def report(*checks: Check) -> Report:
    return Report("f(x: (4, 1) float64)", 7, checks, "check(f, primals, seed=7)")


def test_a_disagreement_reads_diagnosis_first_then_the_numbers_then_how_to_see_it_again() -> None:
    assert str(report(AGREE, WRONG)) == (
        "disagree: f: constant factor: x is 1.25 times that\n"
        "  f(x: (4, 1) float64), seed 7\n"
        "  oracle: f against complex step: x[3, 0]: got 2.5, expected 2.0, error 5.00e-01 > "
        "tolerance 1.00e-14 = 32 · 1.1e-16 · (scale 2.0e+00 + noise 1.0e+00)\n"
        "  of the other checks, 1 agree\n"
        "  again: check(f, primals, seed=7)"
    )


@pytest.mark.parametrize(
    ("checks", "first"),
    [
        ((AGREE, WRONG), "disagree: f: constant factor: x is 1.25 times that"),
        ((NAMELESS, WRONG), "disagree: f: constant factor: x is 1.25 times that"),
        ((replace(NAMELESS, detail="3e+04 times"), AGREE), "disagree: f: 3e+04 times"),
        ((replace(WRONG, detail=""),), "disagree: f: constant factor"),
        ((AGREE, BLUNT), "inconclusive: f: the bar is 1.0e-03"),
        ((REFUSED,), "unsupported: f(x: () float64) raised OSError: no"),
    ],
)
def test_the_first_line_alone_says_what_is_wrong(checks: tuple[Check, ...], first: str) -> None:
    assert str(report(*checks)).splitlines()[0] == first


def test_without_words_the_first_line_has_the_numbers() -> None:
    first, where, *_ = str(report(NAMELESS)).splitlines()
    assert first.startswith("disagree: f: value: f against forward: x[3, 0]: got 2.5, expected 2.0")
    assert where == "  f(x: (4, 1) float64), seed 7"


def test_an_agreement_shows_every_check_and_its_margin() -> None:
    assert str(report(AGREE, Check("f", "oracle", "complex step", "agree", worst=CLOSE))) == (
        "agree: f(x: (4, 1) float64), seed 7\n"
        "  contract: f against the primals\n"
        "  oracle: f against complex step: x: got 2.0, expected 2.0, error 0.00e+00 <= "
        "tolerance 1.00e-14 = 32 · 1.1e-16 · (scale 2.0e+00)"
    )


def test_what_could_not_be_told_says_why() -> None:
    assert str(report(AGREE, AGREE, BLUNT)).split("\n", 2)[2] == (
        "  oracle: f against Richardson: x: got 2.0, expected 2.0, error 0.00e+00 <= "
        "tolerance 1.00e-14 = 32 · 1.1e-16 · (scale 2.0e+00); the bar is 1.0e-03\n"
        "  of the other checks, 2 agree\n"
        "  again: check(f, primals, seed=7)"
    )
    assert str(report(REFUSED)).splitlines()[2:] == [
        "  contract: f against the primals: f(x: () float64) raised OSError: no",
        "  again: check(f, primals, seed=7)",
    ]


@pytest.mark.parametrize("checks", [(AGREE,), (WRONG, AGREE), (REFUSED, AGREE)])
def test_why_a_check_did_not_count_is_one_line_of_every_report(checks: tuple[Check, ...]) -> None:
    far = Check("f", "extremes", "8192 times the primals", "unsupported", "raised OSError: no")
    with_it, without = (str(report(*each)).splitlines() for each in ((far, *checks), checks))
    line = "  not counted: extremes: f against 8192 times the primals: raised OSError: no"
    assert [each for each in with_it if each not in without] == [line]
    assert [each for each in with_it if each != line] == without


def test_it_is_true_where_it_agrees_and_there_alone() -> None:
    assert report(AGREE)
    for checks in ((WRONG,), (AGREE, BLUNT), (REFUSED, AGREE)):
        assert not report(*checks)


def test_what_the_function_raised_is_the_cause_of_the_failure() -> None:
    cause = OSError("no")
    refused = replace(REFUSED, cause=cause)
    with pytest.raises(WrongGradientError) as caught:
        report(AGREE, BLUNT, refused).raise_for_verdict()
    assert caught.value.__cause__ is cause
    with pytest.raises(WrongGradientError) as caught:
        report(refused, WRONG).raise_for_verdict()
    assert caught.value.__cause__ is None


def test_a_fault_without_numbers_is_told_in_one_line() -> None:
    mutation = Check("f", "contract", "the primals", "disagree", "modified x", fault="mutation")
    assert told(mutation) == ["contract: f against the primals: mutation: modified x"]


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([AGREE], "agree"),
        ([AGREE, BLUNT], "inconclusive"),
        ([BLUNT, REFUSED, AGREE], "unsupported"),
        ([REFUSED, BLUNT, WRONG, AGREE], "disagree"),
    ],
)
def test_the_worst_check_decides_and_only_agreement_passes(
    checks: list[Check], verdict: str
) -> None:
    found = report(*checks)
    assert found.verdict == verdict
    if verdict == "agree":
        found.raise_for_verdict()
        return
    with pytest.raises(WrongGradientError) as caught:
        found.raise_for_verdict()
    assert str(caught.value) == str(found)
    assert isinstance(caught.value, AssertionError)


def test_disagreements_are_the_checks_that_disagree() -> None:
    assert report(AGREE, WRONG, BLUNT).disagreements == (WRONG,)
    assert report(AGREE, BLUNT).disagreements == ()


def test_the_diagnosis_is_that_of_the_first_disagreement_that_was_recognised() -> None:
    assert report(NAMELESS, WRONG).diagnosis == Violation("constant factor", "x is 1.25 times that")
    assert report(NAMELESS).diagnosis is None
    assert report(AGREE).diagnosis is None


def test_the_frame_has_a_row_for_every_check_with_its_numbers() -> None:
    frame = report(AGREE, WRONG).to_frame()
    assert list(frame.columns) == [
        *("check", "against", "verdict", "fault", "argument", "index", "got", "expected"),
        *("error", "tolerance", "parts", "ulps", "detail"),
    ]
    first, second = (row.to_dict() for _, row in frame.iterrows())
    assert (first["check"], first["verdict"], first["parts"]) == ("contract", "agree", "")
    assert second == {
        "check": "oracle",
        "against": "complex step",
        "verdict": "disagree",
        "fault": "constant factor",
        "argument": "x",
        "index": "[3, 0]",
        "got": 2.5,
        "expected": 2.0,
        "error": 0.5,
        "tolerance": 1e-14,
        "parts": "32 · 1.1e-16 · (scale 2.0e+00 + noise 1.0e+00)",
        "ulps": 5.6e14,
        "detail": "x is 1.25 times that",
    }


def test_numbers_that_were_not_differentiated_are_listed_with_every_verdict() -> None:
    few = Report("f()", 0, (AGREE,), "f()", ("rate", "x['s']"))
    assert str(few).endswith("\n  not differentiated: rate, x['s']")
    many = Report("f()", 0, (AGREE, WRONG), "f()", tuple("abcdef"))
    assert "\n  not differentiated: a, b, c, d and 2 more\n  again: f()" in str(many)


def test_the_error_carries_the_report_and_survives_pickling() -> None:
    found = report(WRONG)
    error = WrongGradientError(found)
    for each in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301 -- of our own making
        assert each.report == found
        assert str(each) == str(found)
