"""What came of holding one implementation of an argmin against everything: data alone."""

from dataclasses import dataclass

import numpy as np

from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.check import Check


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against one implementation of an argmin.

    Attributes:
        implementation: its label.
        unknowns: n, the entries of y.
        residual: ‖F(y*)‖ relative to ‖K‖ ‖y*‖ at its solution; None where it does not show it.
        condition: the condition number of K.
        rank: of K.
        active: how many unknowns are not held at a kink; None where there are no kinks.
        margin: how far the support is from changing; None where there are no kinks.
        checks: one for everything it was held against.
    """

    implementation: str
    unknowns: int
    residual: float | None
    condition: float
    rank: int
    active: int | None
    margin: float | None
    checks: tuple[Check, ...]

    def error(self, kind: EvidenceKind) -> float | None:
        """The error by this kind of evidence, relative to the largest entry beside it.

        None if the check was not made, or found no finite error.
        """
        worst = next((c.worst for c in self.checks if c.against == kind and c.worst), None)
        return worst.error / worst.scale if worst and np.isfinite(worst.error) else None

    @property
    def plateau(self) -> str:
        """What the finite differences say of their steps and tolerances; empty without any."""
        kind = EvidenceKind.FINITE_DIFFERENCES
        return next((check.detail for check in self.checks if check.against == kind), "")
