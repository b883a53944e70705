"""Findings about numbers, small enough to see what becomes of them."""

from dataclasses import replace

from verify.trust.findings.finding import Demonstration, Finding, Observation, SkippedError


def is_odd(number: int) -> Observation:
    return Observation(number % 2 == 1, f"{number} was seen")


def is_missing(_: int) -> Observation:
    raise SkippedError("there is no such file")


ODD = Finding(
    key="D0",
    tutorial="sums",
    place="the first",
    kind="text",
    says="Three is even.",
    right="Four is.",
    matters="Halves.",
    proof=Demonstration(published=3, corrected=4, observe=is_odd),
)
"""Shown."""

EVEN = replace(ODD, key="D1", proof=Demonstration(published=4, corrected=4, observe=is_odd))
"""Not shown: what is published is right."""

SKIPPED = replace(ODD, key="D2", proof=Demonstration(published=3, corrected=4, observe=is_missing))
"""Skipped."""
