"""What a finding is: something that a tutorial publishes and that is not so, and how that is shown.

A finding is not believed but shown, every time: what is published is looked at, and what is right
in its place is looked at in the same way. The one must come out wrong, and the other must not.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any, Generic, Literal, Protocol, TypeVar

from verify.checks.check import Check
from verify.trust.planted import MakeVjp
from verify.user.checker import check

Kind = Literal["gradient", "value", "behaviour", "text", "timing"]
Outcome = Literal["shown", "not shown", "skipped", "measured"]

T = TypeVar("T")


class SkippedError(Exception):
    """What a finding is about is not to be had here; the message says why."""


@dataclass(frozen=True)
class Observation:
    """What was seen of something published, or of what is right in its place.

    Attributes:
        is_wrong: it is not what it is said to be.
        evidence: what was seen, with its numbers.
        is_disputed: something else speaks against it, as against what is right nothing may.
    """

    is_wrong: bool
    evidence: str
    is_disputed: bool = False


class Proof(Protocol):
    """How a finding is shown."""

    def carried_out(self) -> tuple[Outcome, str]:
        """What came of it, and the evidence.

        Raises:
            SkippedError: it cannot be tried here.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Demonstration(Generic[T]):
    """The published and the right, looked at in the same way.

    Attributes:
        published: a function, a formula or a number, as a tutorial has it.
        corrected: the same, put right.
        observe: looks at either.
    """

    published: T
    corrected: T
    observe: Callable[[T], Observation]

    def carried_out(self) -> tuple[Outcome, str]:
        """Shown if what is published comes out wrong, and nothing is said against what is right."""
        published, corrected = self.observe(self.published), self.observe(self.corrected)
        is_shown = published.is_wrong and not (corrected.is_wrong or corrected.is_disputed)
        evidence = f"{published.evidence}; put right: {corrected.evidence}"
        return ("shown" if is_shown else "not shown"), evidence


def convicted(
    by: str,
    fault: str = "",
    *,
    at: Callable[[], Mapping[str, Any]],
    forward: Callable[..., Any] | None = None,
    wrt: Iterable[str] | None = None,
    order: int = 1,
    precision: bool = False,
) -> Callable[[MakeVjp], Observation]:
    """Asks `verify.check` about a function; it is wrong if the check that is named disagrees.

    Args:
        by: the kind of that check, as in `verify.checks.check.Check`.
        fault: that it must diagnose, in the words of `verify.diagnosis`; any will do if empty.
        at: makes the primals.
        forward: as in `verify.check`.
        wrt: the same.
        order: the same.
        precision: the same.
    """

    def observe(make_vjp: MakeVjp) -> Observation:
        report = check(
            make_vjp, dict(at()), forward=forward, wrt=wrt, order=order, precision=precision
        )
        against = [each for each in report.disagreements if each.kind == by]
        convicting = [each for each in against if fault in {"", each.fault}]
        if convicting:
            return Observation(is_wrong=True, evidence=_in_words(convicting[0]))
        others = [_in_words(each) for each in report.checks if each.verdict != "agree"]
        return Observation(
            is_wrong=False,
            evidence="; ".join([report.verdict, *others]),
            is_disputed=report.verdict != "agree",
        )

    return observe


def _in_words(found: Check) -> str:
    worst = found.worst
    if found.detail or worst is None:
        return f"{found.kind}: {found.detail}"
    return f"{found.kind}: {worst.argument}{worst.index} {worst.got:.9g}, not {worst.expected:.9g}"


@dataclass(frozen=True)
class Race:
    """A statement about speed: measured, so that a reader can judge; no run fails because of it.

    `bench.claims` times the same statements, with the care that a number to be cited needs. It
    stands above this package, which may not import it, and its rows are only there where somebody
    has run it. A finding is shown anew wherever it is asked for, and so this is a glance, in a
    fraction of a second, at whether the statement holds here.

    Attributes:
        runners: makes what is timed, by name; the first is what the others are compared with.
        rounds: each runner is called once in each.
    """

    runners: Callable[[], Mapping[str, Callable[[], object]]]
    rounds: int = 100

    def carried_out(self) -> tuple[Outcome, str]:
        """Median times, and the median ratios to the first: runners take turns in every round."""
        runners = self.runners()
        for runner in runners.values():
            runner()
        times: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(self.rounds):
            for name, runner in runners.items():
                start = perf_counter()
                runner()
                times[name].append(perf_counter() - start)
        (first, beside), *others = times.items()
        said = [f"{first} {_micro(median(beside))}"]
        for name, own in others:
            ratio = median(t / s for t, s in zip(own, beside, strict=True))
            said.append(f"{name} {_micro(median(own))}, {ratio:.2f} times that")
        return "measured", "; ".join(said)


def _micro(time: float) -> str:
    return f"{1e6 * time:,.1f} µs"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a tutorial publishes, and that is not so.

    Attributes:
        key: S1, S2, ... of DESIGN's list, D1, D2, ... of those that were found later.
        tutorial: its name.
        place: where in it.
        kind: ``gradient`` or ``value``: of a published form, by the checks that anybody's function
            gets; ``behaviour``: of an API, by running it; ``text``: a statement, by computing what
            it is about; ``timing``: measured.
        says: what is published, in our words.
        right: what is so.
        matters: who is misled, and to what.
        proof: how it is shown.
    """

    key: str
    tutorial: str
    place: str
    kind: Kind
    says: str
    right: str
    matters: str
    proof: Proof
