"""What one implementation of a training was held against, and what came of it."""

from dataclasses import dataclass
from typing import Literal

from verify.checks.check import Worst

Kind = Literal[
    "gradient",
    "update",
    "Hessian",
    "end",
    "free run",
    "repetition",
    "closed form",
    "number",
    "finished",
]
Verdict = Literal["agree", "disagree", "parted", "reported", "skipped", "diverged"]


@dataclass(frozen=True, kw_only=True)
class TrainingCheck:
    """One check of one implementation of a training.

    Attributes:
        implementation: whose run it was.
        kind: ``gradient``, at the states of the run by hand; ``update``, with its gradients; of a
            rule that searches, ``Hessian`` at its states, and ``end``, where it stops; ``free
            run``, beside the twins of that; ``repetition``; ``closed form``; ``number``, that the
            recipe gives; ``finished``, the last of a run.
        verdict: ``agree``, ``disagree``; ``parted`` of a free run that chaos may explain;
            ``reported`` of a number that nothing is expected of; ``skipped``; ``diverged``.
        quantity: of a number, its name; of an array, the entry.
        step: where; None if it holds for all.
        got: what was found.
        expected: what it was held against.
        tolerance: the largest difference allowed; None where the least is expected.
        printed: of a number, what the tutorial prints.
        detail: in words.
        fault: what is done wrong, where that was recognised.
    """

    implementation: str
    kind: Kind
    verdict: Verdict
    quantity: str = ""
    step: int | None = None
    got: float | None = None
    expected: float | None = None
    tolerance: float | None = None
    printed: float | None = None
    detail: str = ""
    fault: str = ""


def of_worst(
    implementation: str, kind: Kind, worst: Worst, step: int, detail: str = "", fault: str = ""
) -> TrainingCheck:
    """The check that an entry decides."""
    return TrainingCheck(
        implementation=implementation,
        kind=kind,
        verdict="agree" if worst.accepted else "disagree",
        quantity=f"{worst.argument}{worst.index}",
        step=step,
        got=worst.got,
        expected=worst.expected,
        tolerance=worst.tolerance,
        detail=detail,
        fault=fault,
    )
