"""Every finding is shown, and would not be if what is published were right."""

from dataclasses import replace

import pytest

from verify.trust.findings import FINDINGS
from verify.trust.findings.examination import examine
from verify.trust.findings.finding import Demonstration, Finding, Race

every_finding = pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.key)

DEMONSTRATED = [each for each in FINDINGS if isinstance(each.proof, Demonstration)]
OF_FORMS = [each for each in DEMONSTRATED if each.kind in {"gradient", "value"}]


@every_finding
def test_it_is_shown(finding: Finding) -> None:
    row = examine(finding)
    wanted = "measured" if finding.kind == "timing" else "shown"
    assert row.outcome == wanted, row.evidence


@pytest.mark.parametrize("finding", OF_FORMS, ids=lambda finding: finding.key)
def test_it_is_not_shown_if_the_right_form_is_published(finding: Finding) -> None:
    assert isinstance(finding.proof, Demonstration)
    right = replace(finding.proof, published=finding.proof.corrected)
    assert examine(replace(finding, proof=right)).outcome == "not shown"


@every_finding
def test_only_speed_is_measured(finding: Finding) -> None:
    assert (finding.kind == "timing") == isinstance(finding.proof, Race)


@every_finding
def test_what_is_published_fits_on_a_line_and_nothing_is_left_empty(finding: Finding) -> None:
    for text in (finding.place, finding.says, finding.right, finding.matters):
        assert text.strip() == text != ""
    assert len(f"{finding.key:5}measured: {finding.says}") <= 80


def test_no_key_is_given_twice() -> None:
    keys = [finding.key for finding in FINDINGS]
    assert len(keys) == len(set(keys))


def test_the_list_of_the_design_and_the_later_one_are_here() -> None:
    keys = {finding.key for finding in FINDINGS}
    assert {f"S{number}" for number in range(1, 13)} <= keys
    assert {f"D{number}" for number in range(1, 36)} <= keys
