"""What is looked at tells what is right from other mistakes, too."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from verify.trust.findings import FINDINGS
from verify.trust.findings.examination import examine
from verify.trust.findings.finding import Demonstration, Finding


def finding(key: str) -> tuple[Finding, Demonstration[Any]]:
    (found,) = (each for each in FINDINGS if each.key == key)
    assert isinstance(found.proof, Demonstration)
    return found, found.proof


def largest_entry_down(gradient: np.ndarray) -> np.ndarray:
    unit = np.zeros_like(gradient)
    unit[np.abs(gradient).argmax()] = -1.0
    return unit


OTHERS = [
    pytest.param("D8", -0.5, id="half of Newton's step"),
    pytest.param("D9b", lambda g: g / np.linalg.norm(g), id="uphill"),
    pytest.param("D9b", lambda g: -np.sign(g) / np.sqrt(g.size), id="signs"),
    pytest.param("D9c", lambda g: -g, id="gradient in the 1-norm"),
    pytest.param("D9c", largest_entry_down, id="always down"),
    pytest.param("D2", lambda w: w < np.log(1e3), id="the other way"),
    pytest.param("D2", lambda w: w > 6.9, id="rounded"),
    pytest.param(
        "D26",
        lambda x: np.random.default_rng(0).standard_normal((len(x), 1)),
        id="other noise",
    ),
]


@pytest.mark.parametrize(("key", "other"), OTHERS)
def test_another_mistake_is_not_taken_for_what_is_right(key: str, other: object) -> None:
    found, proof = finding(key)
    assert examine(found).outcome == "shown"
    row = examine(replace(found, proof=replace(proof, corrected=other)))
    assert row.outcome == "not shown", row.evidence


@pytest.mark.parametrize("key", ["D8", "D9b", "D9c", "D2", "D26"])
def test_what_is_right_is_not_shown_to_be_wrong(key: str) -> None:
    found, proof = finding(key)
    assert examine(replace(found, proof=replace(proof, published=proof.corrected))).outcome == (
        "not shown"
    )


def test_targets_that_are_a_line_are_not_shown_to_be_noise() -> None:
    found, proof = finding("D26")
    exact = replace(proof, published=lambda x: x[:, :1] - 2 * x[:, 1:2])
    assert examine(replace(found, proof=exact)).outcome == "not shown"
