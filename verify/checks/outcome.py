"""What came of a case, as it is handed from process to process: data alone, and no engine."""

from dataclasses import dataclass

from verify.checks.argmin.evidence import Evidence
from verify.checks.check import Check

CLOCK = "the clock"
"""What implementations are said to be against where their case was not done in time."""


@dataclass(frozen=True)
class CaseId:
    """Which case it was: all that is needed to check it again.

    Attributes:
        computation: its name.
        size: of its primals.
        seed: of everything random.
        dtype: ``float64`` or ``float32``.
        tutorial_size: is this the size the tutorial itself uses?
    """

    computation: str
    size: int
    seed: int
    dtype: str
    tutorial_size: bool


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes:
        case: the computation at a size, seed and dtype.
        checks: of all its implementations, those of the evidence among them.
        evidence: for argmins.
    """

    case: CaseId
    checks: list[Check]
    evidence: list[Evidence]

    @property
    def late(self) -> str:
        """That it was not done in time, in words; empty if it was."""
        return next((each.detail for each in self.checks if each.against == CLOCK), "")
