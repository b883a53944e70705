"""A check: what an implementation was held against, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["agree", "disagree", "inconclusive", "unsupported"]


WRONG_SHAPE = "wrong shape"
"""The fault of a gradient that no entry can be compared of."""


NOT_LINEAR = "not linear"
"""The fault of a VJP that is no linear map of its cotangent."""


NOT_FINITE = "not finite"
"""The fault of NaN and infinity where the derivative is a number."""


class RefusalError(Exception):
    """An implementation cannot be judged, for a reason in one line that is no wrong gradient."""


BUDGET = "the budget"
"""What checks that were left out for want of it are said to be against."""


class BudgetSpentError(BaseException):
    """A function was called as often as it may be; the message is one line.

    Not an Exception: what a function raises is caught and judged.
    """


@dataclass(frozen=True)
class Check:
    """What one implementation was held against, and what came of it.

    Attributes:
        implementation: whose value or cotangents these are.
        kind: ``contract``, ``stability``, ``value``, ``vjp``, ``oracle``, ``kink``, ``extremes``,
            ``precision``, ``second order`` or ``argmin``.
        against: another implementation, or the oracle.
        verdict: agree, disagree, inconclusive or unsupported.
        detail: in words, where numbers do not say it all.
        worst: the entry furthest outside, or closest to leaving, its tolerance.
        fault: how the gradient is wrong, where that was recognised, in the words of
            `verify.diagnosis`.
        cause: what the user's own code raised, where that is why there is nothing to judge.
    """

    implementation: str
    kind: str
    against: str
    verdict: Verdict
    detail: str = ""
    worst: "Worst | None" = None
    fault: str = ""
    cause: BaseException | None = field(default=None, compare=False, repr=False)

    @property
    def counts(self) -> bool:
        """Not where an implementation refuses to be looked at far away, where nobody asked it.

        The report knows it as `results.tables.UNCOUNTED`: a check must not wait for `results`.
        """
        return (self.kind, self.verdict) != ("extremes", "unsupported")


@dataclass(frozen=True)
class Violation:
    """What an implementation has done that no VJP does.

    Attributes:
        fault: its class, in the words of `verify.diagnosis`.
        sentence: what was seen.
        argument: whose gradient it was seen in, or `VALUE` of `verify.error_model.noise`; empty
            where it is none of them.
    """

    fault: str
    sentence: str
    argument: str = ""


@dataclass(frozen=True)
class Worst:
    """The entry with the largest error in units of its tolerance.

    Attributes:
        argument: the name of the array.
        index: of the entry, e.g. ``[3, 0]``; empty for a scalar.
        got: its value.
        expected: what it was held against.
        error: |got - expected|.
        tolerance: the largest error that would have been accepted.
        scale: the largest entry beside it, of which ``error / scale`` is a fraction.
        ulps: the error beyond the oracle's own, in units of the spacing of floats at ``scale``.
        parts: what the tolerance is made of, in words.
        flat: its position, with the array laid out in a row.
    """

    argument: str
    index: str
    got: float
    expected: float
    error: float
    tolerance: float
    scale: float
    ulps: float
    parts: str = field(default="", compare=False)
    flat: int = field(default=0, compare=False)

    @property
    def accepted(self) -> bool:
        """Is the error within the tolerance?"""
        return self.error <= self.tolerance

    @property
    def in_tolerances(self) -> float:
        """How many times its tolerance the error is; above 1, it is not accepted."""
        return self.error / self.tolerance


def overall(checks: Sequence[Check]) -> Verdict:
    """Disagree if any check does; agree only if all of them do, of those that count."""
    verdicts = {check.verdict for check in checks if check.counts}
    order: tuple[Verdict, ...] = ("disagree", "unsupported", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "agree")


def one_line(error: BaseException) -> str:
    """That it was raised, and the first line of its message that says something."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 -- it is the user's own class, and may raise anything
        message = "(without a message: its __str__ raises, too)"
    raised = f"raised {type(error).__name__}"
    return next(
        (f"{raised}: {line.strip()}" for line in message.splitlines() if line.strip()), raised
    )


OUTSIDE, UNKNOWN = "outside the subdifferential", "unknown"


def severity(check: Check) -> tuple[int, float]:
    """By verdict, the worst last; then by the error in units of its tolerance."""
    rank = {"agree": 0, "unsupported": 1, "inconclusive": 2, "disagree": 3}[check.verdict]
    return rank, check.worst.in_tolerances if check.worst else 0.0


def told(check: Check) -> list[str]:
    """A check in words: first how the gradient is wrong, then the numbers."""
    against = f"{check.kind}: {check.implementation} against {check.against}"
    head = f"{check.fault}: {check.detail}" if check.fault else check.detail
    if check.worst is None:
        return [f"{against}: {head}" if head else against]
    numbers = f"{against}: {_numbers(check.worst)}"
    return [head, numbers] if check.fault else [f"{numbers}; {head}" if head else numbers]


def _numbers(worst: Worst) -> str:
    relation = "<=" if worst.accepted else ">"
    return (
        f"{worst.argument}{worst.index}: got {worst.got!r}, expected {worst.expected!r}, "
        f"error {worst.error:.2e} {relation} tolerance {worst.tolerance:.2e} = {worst.parts}"
    )
