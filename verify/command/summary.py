"""What `python -m verify` shows at its end: tables, the disagreements, and one summary line."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from verify.checks.argmin.evidence import Evidence
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.check import Check, Verdict, overall, told
from verify.checks.first_order.pairs import blamed
from verify.checks.outcome import CaseId, Outcome
from verify.command.console import box_style

COLOURS: dict[Verdict, str] = {
    "agree": "green",
    "disagree": "bold red",
    "inconclusive": "yellow",
    "unsupported": "yellow",
}


EVIDENCE = {
    "optimality": (EvidenceKind.OPTIMALITY,),
    "manual": (EvidenceKind.MANUAL,),
    "K J + R": (EvidenceKind.DEFINING_EQUATION,),
    "implicit": (EvidenceKind.IMPLICIT_FUNCTION,),
    "differences": (EvidenceKind.FINITE_DIFFERENCES,),
    "unrolled": (EvidenceKind.UNROLLED,),
    "invariance": (
        EvidenceKind.SCALED,
        EvidenceKind.INITIAL_GUESS,
        EvidenceKind.GUESS_GRADIENT,
        EvidenceKind.LINEARITY,
    ),
    "one side": (EvidenceKind.ONE_SIDE,),
}
"""The columns of the argmins' table, and the checks each is the worst of."""


@dataclass(frozen=True)
class Summary:
    """Shows what came of every case, once all are done.

    Attributes:
        console: where it is printed.
        outcomes: in the order in which they are shown.
    """

    console: Console
    outcomes: Sequence[Outcome]

    @property
    def verdicts(self) -> set[Verdict]:
        """Those that any case has."""
        return {overall(each.checks) for each in self.outcomes}

    def show(self, command: Callable[[CaseId], str]) -> None:
        """Print the table, every disagreement, and the summary.

        Args:
            command: what to type to check a case again.
        """
        self.console.print(self._table())
        if any(outcome.evidence for outcome in self.outcomes):
            self.console.print(self._argmin_table())
        for outcome in self.outcomes:
            self._show_disagreements(outcome, command(outcome.case))
            self._show_late(outcome)
        self.console.print(self._summary())

    def _table(self) -> Table:
        names = dict.fromkeys(
            check.implementation for outcome in self.outcomes for check in outcome.checks
        )
        table = Table(box=box_style())
        # On a narrow terminal the numbers may take two lines; the name is never cut.
        table.add_column("computation", no_wrap=True)
        table.add_column("size", justify="right")
        table.add_column("dtype", no_wrap=True)
        for name in names:
            table.add_column(f"{name}: error, ULPs", justify="right")
        table.add_column("oracle")
        table.add_column("verdict", no_wrap=True)
        for outcome in self.outcomes:
            table.add_row(*_row(outcome, list(names)))
        return table

    def _argmin_table(self) -> Table:
        title = "Argmin and root layers, float64: the error against each kind of evidence"
        table = Table(title=title, title_justify="left", box=box_style())
        table.add_column("computation", no_wrap=True)
        table.add_column("size", justify="right")
        table.add_column("who", no_wrap=True)
        for name in ("unknowns", "residual", "cond K", "rank", "active", *EVIDENCE):
            table.add_column(name, justify="right")
        table.add_column("verdict", no_wrap=True)
        for outcome in self.outcomes:
            for evidence in outcome.evidence:
                table.add_row(*_argmin_row(outcome.case, evidence))
        return table

    def _show_disagreements(self, outcome: Outcome, command: str) -> None:
        wrong = [check for check in outcome.checks if check.verdict == "disagree"]
        if not wrong:
            return
        case = outcome.case
        names = ", ".join(sorted(blamed(outcome.checks)))
        self.console.print(f"\n[bold red]{case.computation} {case.dtype}: {names}[/]")
        for check in wrong:
            for line in told(check):
                self.console.print(f"  {line}", markup=False)
        self.console.print(f"  reproduce: {command}", markup=False)

    def _show_late(self, outcome: Outcome) -> None:
        if outcome.late:
            case = outcome.case
            line = f"{case.computation} {case.size:,} {case.dtype}: {outcome.late}"
            self.console.print(line, markup=False)

    def _summary(self) -> str:
        counts = Counter(check.verdict for outcome in self.outcomes for check in outcome.checks)
        parts = [f"[{colour}]{counts[v]} {v}[/]" for v, colour in COLOURS.items() if counts[v]]
        return f"{counts.total()} checks of {len(self.outcomes)} cases: {', '.join(parts)}"


def _row(outcome: Outcome, names: Sequence[str]) -> list[str]:
    case, checks = outcome.case, outcome.checks
    accuracies = [
        _accuracy([check for check in checks if name in (check.implementation, check.against)])
        for name in names
    ]
    oracles = dict.fromkeys(check.against for check in checks if check.kind == "oracle")
    verdict = overall(checks)
    return [
        case.computation,
        f"{case.size:,}",
        case.dtype,
        *accuracies,
        ", ".join(oracles),
        f"[{COLOURS[verdict]}]{verdict}[/]",
    ]


def _argmin_row(case: CaseId, evidence: Evidence) -> list[str]:
    verdict = overall(evidence.checks)
    active = evidence.active
    return [
        case.computation,
        f"{case.size:,}",
        evidence.implementation,
        str(evidence.unknowns),
        _magnitude(evidence.residual),
        _magnitude(evidence.condition),
        str(evidence.rank),
        "—" if active is None else str(active),
        *(_magnitude(_largest(evidence, kinds)) for kinds in EVIDENCE.values()),
        f"[{COLOURS[verdict]}]{verdict}[/]",
    ]


def _largest(evidence: Evidence, kinds: Sequence[EvidenceKind]) -> float | None:
    return max((e for e in map(evidence.error, kinds) if e is not None), default=None)


def _magnitude(number: float | None) -> str:
    return "—" if number is None else f"{number:.0e}"


def _accuracy(checks: Sequence[Check]) -> str:
    """The worst entry against the truth where that is known, else against the others."""
    own = [c.worst for c in checks if c.kind == "precision" and c.worst]
    worst = own or [c.worst for c in checks if c.kind in ("value", "vjp") and c.worst]
    if not worst:
        return "—"
    error = max(each.error / each.scale for each in worst)
    return f"{error:.0e} {max(each.ulps for each in worst):5.1f}"
