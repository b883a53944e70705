"""What is said of trainings on the terminal, from the rows of `training_checks.csv`."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from results.tables import TrainingVerdict

COLUMNS = {"found": 14, "expected": 24, "tutorial": 12}
"""The columns of numbers, and how wide they are."""


@dataclass(frozen=True)
class RunKey:
    """A training at one seed and dtype."""

    name: str
    seed: int
    dtype: str

    @property
    def command(self) -> str:
        """The command that does it again."""
        options = ["--dtype", self.dtype, "--seed", str(self.seed)]
        return shlex.join(["python", "-m", "verify", "--trainings", self.name, *options])


def key_of(row: TrainingVerdict) -> RunKey:
    """The run that a row is of."""
    return RunKey(row.run, row.seed, row.dtype)


def is_wrong(row: TrainingVerdict) -> bool:
    """Does it convict? A run that parts from the others does not: it may only be chaotic."""
    return row.verdict in ("disagree", "diverged")


def lines_of(key: RunKey, rows: Sequence[TrainingVerdict], *, with_numbers: bool) -> Iterator[str]:
    """A run in words: what each implementation agrees in, and whatever else there is to say."""
    yield f"{key.name}, seed {key.seed}, {key.dtype}"
    for name in dict.fromkeys(row.implementation for row in rows):
        mine = [row for row in rows if row.implementation == name and row.check != "finished"]
        agreed = _listed(row for row in mine if row.verdict == "agree")
        if agreed:
            yield f"  {name}: {agreed} agree"
        for row in mine:
            yield from _exception(row)
        for reason, count in Counter(row.detail for row in mine if is_left_out(row)).items():
            yield f"  {name}: {count} numbers are not compared: {reason}"
    if any(map(is_wrong, rows)):
        yield f"  again: {key.command}"
    if with_numbers:
        yield from _numbers(rows)


def summary(
    checks: Mapping[RunKey, Sequence[TrainingVerdict]], wrong: Sequence[RunKey]
) -> Iterator[str]:
    """How many there were, how many are wrong, and which parted."""
    rows = [row for each in checks.values() for row in each]
    parted = sorted({row.run for row in rows if row.verdict == "parted"})
    if parted:
        yield f"Parted from their twins, which convicts nobody: {', '.join(parted)}."
    refused = sorted({row.run for row in rows if is_refusal(row)})
    if refused:
        yield f"Refused by an implementation, and not judged there: {', '.join(refused)}."
    if left_out := sum(map(is_left_out, rows)):
        yield f"{left_out} numbers are not compared, for the reasons above."
    named = f": {', '.join(key.name for key in wrong)}" if wrong else ""
    runs = "1 run" if len(checks) == 1 else f"{len(checks)} runs"
    yield f"{runs}, {len(wrong) or 'none'} wrong{named}."


def is_refusal(row: TrainingVerdict) -> bool:
    """Did an implementation refuse the run?"""
    return row.verdict == "skipped" and row.check == "free run"


def is_left_out(row: TrainingVerdict) -> bool:
    """Is it a number that is not compared, for want of a file?"""
    return row.verdict == "skipped" and row.check == "number"


def _listed(rows: Iterator[TrainingVerdict]) -> str:
    """The kinds of checks; numbers are counted."""
    kinds = [row.check for row in rows]
    numbers = kinds.count("number")
    named = [kind for kind in dict.fromkeys(kinds) if kind != "number"]
    if numbers:
        named.append(f"{numbers} number{'s' if numbers > 1 else ''}")
    return ", ".join(named)


def _exception(row: TrainingVerdict) -> Iterator[str]:
    """What is to be said of a check that does not simply agree."""
    where = f" at step {row.step:,}" if row.step is not None else ""
    head = f"  {row.implementation}: {row.check}"
    if row.verdict == "diverged":
        yield f"{head}: {row.detail}"
    elif row.verdict == "parted":
        yield f"{head} parts from the twins{where}: {row.detail}"
    elif is_refusal(row):
        yield f"{head} refused: {row.detail}"
    elif row.verdict == "disagree":
        named = f": {row.fault}" if row.fault else ""
        yield f"{head} disagrees{where}{named}"
        if row.got is not None:
            wanted = (
                f"at least {row.expected!r}"
                if row.tolerance is None
                else f"{row.expected!r}, tolerance {row.tolerance:.1e}"
            )
            yield f"    {row.quantity}: got {row.got!r}, expected {wanted}; {row.detail}"
        else:
            yield f"    {row.detail}"


def _numbers(rows: Sequence[TrainingVerdict]) -> Iterator[str]:
    """The numbers of the run by hand, beside what they should be."""
    numbers = [row for row in rows if row.check == "number" and row.implementation == "manual"]
    if not numbers:
        return
    width = max(len(row.quantity or "") for row in numbers)
    yield _line("", width, COLUMNS)
    for row in numbers:
        cells = [_number(row.got), _expected(row), _number(row.printed)]
        yield _line(row.quantity or "", width, cells)


def _expected(row: TrainingVerdict) -> str:
    if row.expected is None:
        return ""
    if row.tolerance is None:
        return f"at least {row.expected:.8g}"
    return f"{row.expected:.8g} ± {row.tolerance:.0e}"


def _line(name: str, width: int, cells: Iterable[str]) -> str:
    columns = zip(cells, COLUMNS.values(), strict=True)
    return (f"  {name:{width}}" + "".join(f"{cell:>{room}}" for cell, room in columns)).rstrip()


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.8g}"
