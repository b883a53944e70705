"""What `check` found, to read, to tabulate, or to fail a test with."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verify.checks.check import BUDGET, Check, Verdict, Violation, overall, told

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 4
"""Names in a line, at most."""


class WrongGradientError(AssertionError):
    """A gradient did not pass; the message is the report.

    Attributes:
        report: the same, to look into.
    """

    def __init__(self, report: "Report") -> None:
        super().__init__(str(report))
        self.report = report


@dataclass(frozen=True)
class Report:
    """The verdict on one function at one point, and what it rests on.

    It is true where the verdict is agree, and there alone: ``assert check(...)`` is a test.

    Attributes:
        call: the function and what it was given.
        seed: of everything random.
        checks: everything that was tried, with its error and tolerance.
        again: the call that shows this report again.
        undifferentiated: what a derivative might be expected for, and is not asked for: Python
            floats among the primals, say.
        parameters: of a module, those whose gradients were checked beside its inputs'.
        wrt: the paths of the primals whose gradients were checked.
        dtype: of these.
        entries: how many numbers they hold.
        evaluations: how often the function was called, for its value, for its value and a VJP, or
            for a second derivative along a tangent.
        vjps: how often these VJPs were called.
    """

    call: str
    seed: int
    checks: tuple[Check, ...]
    again: str
    undifferentiated: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    wrt: tuple[str, ...] = ()
    dtype: str = ""
    entries: int = 0
    evaluations: int = 0
    vjps: int = 0

    @property
    def verdict(self) -> Verdict:
        """Disagree if any check does; agree only if all of them do, of those that count."""
        return overall(self.checks)

    @property
    def disagreements(self) -> tuple[Check, ...]:
        """The checks that disagree."""
        return tuple(check for check in self.checks if check.verdict == "disagree")

    @property
    def diagnosis(self) -> Violation | None:
        """How the gradient is wrong, in the words of `verify.diagnosis`, where that is known."""
        recognised = (Violation(c.fault, c.detail) for c in self.disagreements if c.fault)
        return next(recognised, None)

    @property
    def cause(self) -> BaseException | None:
        """What the function itself raised, where that is why it could not be judged."""
        shown = (each for each in self.checks if each.counts and each.verdict == self.verdict)
        return next((each.cause for each in shown if each.cause), None)

    def raise_for_verdict(self) -> None:
        """Do nothing if the verdict is agree.

        Raises:
            WrongGradientError: it is another. Inconclusive is no agreement. Its ``__cause__`` is
                what the function itself raised, if that is the reason.
        """
        if self.verdict != "agree":
            raise WrongGradientError(self) from self.cause

    def __bool__(self) -> bool:
        return self.verdict == "agree"

    def to_frame(self) -> "pd.DataFrame":
        """One row per check: what it was, against what, its error, tolerance and verdict."""
        import pandas as pd  # noqa: PLC0415 -- half a second that a verdict does not need

        return pd.DataFrame([_row(check) for check in self.checks])

    def __str__(self) -> str:
        counted = [check for check in self.checks if check.counts]
        shown = [check for check in counted if check.verdict == self.verdict]
        call = f"{self.call}, seed {self.seed}"
        first = _first(shown) if self.verdict != "agree" else ""
        function, *_ = self.call.partition("(")
        named = first if first.startswith(function) else f"{function}: {first}"
        lines = [f"{self.verdict}: {named}", f"  {call}"] if first else []
        lines = lines or [f"{self.verdict}: {call}"]
        lines += [f"  {line}" for check in shown for line in told(check) if line != first]
        others = Counter(check.verdict for check in counted if check.verdict != self.verdict)
        if others:
            told_of = ", ".join(f"{count} {verdict}" for verdict, count in others.items())
            lines += [f"  of the other checks, {told_of}"]
        spent = [check for check in counted if check.against == BUDGET and check not in shown]
        lines += [f"  {line}" for check in spent for line in told(check)]
        uncounted = [check for check in self.checks if not check.counts]
        lines += [f"  not counted: {line}" for check in uncounted for line in told(check)]
        if self.parameters:
            lines += [f"  parameters checked: {_listed(self.parameters)}"]
        if self.undifferentiated:
            lines += [f"  not differentiated: {_listed(self.undifferentiated)}"]
        if self.verdict != "agree":
            lines += [f"  again: {self.again}"]
        return "\n".join(lines)


def _first(checks: list[Check]) -> str:
    """What to say at once, in a line that is enough to act on: what is wrong, and where."""
    check = next((each for each in checks if each.fault), checks[0])
    return ": ".join(filter(None, (check.fault, check.detail))) or told(check)[0]


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _row(check: Check) -> dict[str, object]:
    worst = check.worst
    return {
        "check": check.kind,
        "against": check.against,
        "verdict": check.verdict,
        "fault": check.fault,
        "argument": worst and worst.argument,
        "index": worst and worst.index,
        "got": worst and worst.got,
        "expected": worst and worst.expected,
        "error": worst and worst.error,
        "tolerance": worst and worst.tolerance,
        "parts": worst.parts if worst else "",
        "ulps": worst and worst.ulps,
        "detail": check.detail,
    }
