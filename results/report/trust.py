"""Can the verdicts be trusted: planted faults, false alarms and what a check costs."""

from dataclasses import dataclass
from math import log

import pandas as pd

from results.store import Contents
from results.tables import OURS, Alarms, Cost, Kill

Pair = tuple[int, int]
"""How many, of how many."""

TOTAL = "all"
SKIPPED = "not asked"

_KILL = ["fault", "correct", "size", "dtype", "seed", "checker"]
_ALARM = ["computation", "dtype", "size", "first_seed", "seeds"]
_COST = ["function", "entries", "checker"]
_COUNTS = ["checks", "agree", "disagree", "inconclusive", "unsupported"]


@dataclass(frozen=True, eq=False)
class Kills:
    """The kill matrix of one dtype, a row for each cell.

    Attributes:
        wrong: Of wrong gradients, as `tally` counts them: columns name, checker, good and of.
        named: How often a diagnosis named the fault, as `diagnosed` counts: name, good and of.
        correct: Of right gradients; as wrong.
    """

    wrong: pd.DataFrame
    named: pd.DataFrame
    correct: pd.DataFrame


@dataclass(frozen=True, eq=False)
class KillSection:
    """What `kills.csv` says; where a checker is not named, of gradjury's own answers.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        by_dtype: The kill matrix of each dtype.
        faults: How many kinds of fault were planted.
        planted: How many wrong gradients gradjury was given.
        caught: How many of them it caught.
        sound: How many right gradients it was given.
        flagged: How many of them it flagged.
        undecided: The verdicts on those it passed without agreeing, and how many of each.
        classed: How many wrong gradients have a fault with a class.
        named: Of how many of them the diagnosis named it.
        failures: The cases in which it was wrong.
        diagnoses: How often it gave which wrong diagnosis, or none, by fault.
        skipped: How often each checker was not asked, by reason.
    """

    note: str
    by_dtype: dict[str, Kills]
    faults: int
    planted: int
    caught: int
    sound: int
    flagged: int
    undecided: dict[str, int]
    classed: int
    named: int
    failures: pd.DataFrame
    diagnoses: pd.DataFrame
    skipped: pd.DataFrame


@dataclass(frozen=True, eq=False)
class AlarmSection:
    """What `alarms.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        totals: How many checks there were, and how many ended with each verdict.
        computations: How many were checked.
        dtypes: In which.
        seeds: The fewest and the most of one computation; 0 and 0 without rows.
        closest: The row that came closest to an alarm, if any did.
        counts: The file's columns, a row per computation and dtype.
    """

    note: str
    totals: dict[str, int]
    computations: int
    dtypes: tuple[str, ...]
    seeds: tuple[int, int]
    closest: pd.DataFrame
    counts: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Costs:
    """What checks of one function cost: a row per number of entries n, a column per checker.

    Attributes:
        unit_s: Seconds that one value and gradient takes, at each n.
        units: The cost of a check, in that unit.
        calls: Calls of the function and of its VJP.
        over_ours: The others' cost over gradjury's.
        growth: A row per checker: between which n, by which factor, and as which power of n.
    """

    unit_s: "pd.Series[float]"
    units: pd.DataFrame
    calls: pd.DataFrame
    over_ours: pd.DataFrame
    growth: pd.DataFrame


@dataclass(frozen=True, eq=False)
class CostSection:
    """What `costs.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        by_function: What its checks cost.
        reasons: Rows that were not timed, by status, checker and reason.
    """

    note: str
    by_function: dict[str, Costs]
    reasons: pd.DataFrame


def kill_section(contents: Contents[Kill]) -> KillSection:
    """Summarise `kills.csv`."""
    rows = latest_kills(contents.frame)
    ours = rows[rows["checker"] == OURS]
    planted = ours[~ours["correct"]]
    named, classed = diagnosed(planted)[TOTAL]
    return KillSection(
        note=contents.note,
        by_dtype={str(dtype): _kills(group) for dtype, group in rows.groupby("dtype", sort=False)},
        faults=planted["fault"].nunique(),
        planted=len(planted),
        caught=int((planted["outcome"] == "caught").sum()),
        sound=int(ours["correct"].sum()),
        flagged=int((ours["outcome"] == "flagged").sum()),
        undecided=_undecided(ours),
        classed=classed,
        named=named,
        failures=_failures(ours),
        diagnoses=_other_diagnoses(planted),
        skipped=_skipped(rows),
    )


def alarm_section(contents: Contents[Alarms]) -> AlarmSection:
    """Summarise `alarms.csv`."""
    rows = contents.frame.drop_duplicates(_ALARM, keep="last")
    words, numbers = ["computation", "dtype", "closest_check", "note"], ["size", "seeds"]
    return AlarmSection(
        note=contents.note,
        totals={name: int(rows[name].sum()) for name in _COUNTS},
        computations=rows["computation"].nunique(),
        dtypes=tuple(rows["dtype"].unique()),
        seeds=(0, 0) if rows.empty else (int(rows["seeds"].min()), int(rows["seeds"].max())),
        closest=rows.nlargest(1, "closest")[["computation", "dtype", "closest", "closest_check"]],
        counts=rows[[*words, *numbers, *_COUNTS, "closest"]],
    )


def cost_section(contents: Contents[Cost]) -> CostSection:
    """Summarise `costs.csv`: in units of a value and gradient, and how that grows."""
    rows = contents.frame.drop_duplicates(_COST, keep="last")
    timed = rows[rows["status"] == "ok"]
    return CostSection(
        note=contents.note,
        by_function={
            str(name): _costs(group) for name, group in timed.groupby("function", sort=False)
        },
        reasons=_reasons(rows),
    )


def latest_kills(kills: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of each case and checker: a later answer replaces an earlier one."""
    return kills.drop_duplicates(_KILL, keep="last")


def tally(kills: pd.DataFrame, good: str) -> dict[str, dict[str, Pair]]:
    """Count good answers among those given.

    Args:
        kills: Rows of `kills.csv`, all of wrong gradients or all of right ones.
        good: The outcome to count: caught, or passed.

    Returns:
        For each fault in the order of the file, then for all together, and for each checker: how
        many answers are good, of how many. A checker that was always skipped gave 0 of 0. The last
        entry, `SKIPPED`, has how often each checker was skipped, of how many cases. Without rows
        there are no entries.
    """
    if kills.empty:
        return {}
    answers = kills[kills["outcome"] != "skipped"]
    counted = [
        *((fault, answers[answers["fault"] == fault], good) for fault in kills["fault"].unique()),
        (TOTAL, answers, good),
        (SKIPPED, kills, "skipped"),
    ]
    checkers = kills["checker"].unique()
    return {
        name: {checker: _pair(rows[rows["checker"] == checker], outcome) for checker in checkers}
        for name, rows, outcome in counted
    }


def diagnosed(kills: pd.DataFrame) -> dict[str, Pair]:
    """Count how often gradjury's diagnosis names the fault.

    Args:
        kills: Rows of `kills.csv`.

    Returns:
        For each fault that has a class, and for all together: how often it was named, of how often
        it was planted. A fault that was missed counts as not named.
    """
    ours = kills[(kills["checker"] == OURS) & kills["wanted"].notna()]
    groups = [*ours.groupby("fault", sort=False), (TOTAL, ours)]
    return {str(name): (int(_is_named(group).sum()), len(group)) for name, group in groups}


def growth(costs: pd.DataFrame) -> dict[str, tuple[int, int, float, float]]:
    """Find how the cost of a check grows with n.

    Returns:
        For each checker that was timed at two sizes or more, in the order of the file: the smallest
        n, the largest n, the factor by which its cost in units changes between them, and the p for
        which the cost grows as n^p.
    """
    found = {}
    for checker, group in costs.groupby("checker", sort=False):
        ordered = group.sort_values("entries")
        first, last = ordered.iloc[0], ordered.iloc[-1]
        if first["entries"] < last["entries"]:
            factor = last["cost_units"] / first["cost_units"]
            power = log(factor) / log(last["entries"] / first["entries"])
            found[str(checker)] = (int(first["entries"]), int(last["entries"]), factor, power)
    return found


def over_ours(costs: pd.DataFrame) -> pd.DataFrame:
    """Divide every other checker's cost by gradjury's, at the same n.

    Returns:
        A row per n and a column per other checker; NaN where either was not timed.
    """
    units = _by_entries(costs, "cost_units")
    ours = units.reindex(columns=[OURS])[OURS]
    others = units.drop(columns=OURS, errors="ignore")
    return others.div(ours, axis="index").dropna(how="all")


def _pair(rows: pd.DataFrame, outcome: str) -> Pair:
    return int((rows["outcome"] == outcome).sum()), len(rows)


def _is_named(classed: pd.DataFrame) -> "pd.Series[bool]":
    return (classed["diagnosis"] == classed["wanted"]).fillna(value=False).astype(bool)


def _kills(rows: pd.DataFrame) -> Kills:
    wrong, correct = rows[~rows["correct"]], rows[rows["correct"]]
    named = [(name, *pair) for name, pair in diagnosed(wrong).items()]
    return Kills(
        wrong=_cells(tally(wrong, "caught")),
        named=pd.DataFrame(named, columns=["name", "good", "of"]),
        correct=_cells(tally(correct, "passed")),
    )


def _cells(pairs: dict[str, dict[str, Pair]]) -> pd.DataFrame:
    found = [(name, checker, *pair) for name, row in pairs.items() for checker, pair in row.items()]
    return pd.DataFrame(found, columns=["name", "checker", "good", "of"])


def _undecided(ours: pd.DataFrame) -> dict[str, int]:
    """Count the verdicts on right gradients that are neither agreement nor an alarm."""
    passed = ours[ours["outcome"] == "passed"]
    counts = passed.loc[passed["verdict"] != "agree", "verdict"].value_counts()
    return {str(verdict): int(count) for verdict, count in counts.items()}


def _other_diagnoses(planted: pd.DataFrame) -> pd.DataFrame:
    classed = planted[planted["wanted"].notna()]
    missed = classed[~_is_named(classed)]
    counts = missed.groupby(["fault", "wanted", "diagnosis"], sort=False, dropna=False).size()
    return counts.reset_index(name="times")


def _failures(ours: pd.DataFrame) -> pd.DataFrame:
    wrong = ours[ours["outcome"].isin(["missed", "flagged"])]
    return wrong[["fault", "dtype", "outcome", "verdict", "size", "seed"]]


def _skipped(rows: pd.DataFrame) -> pd.DataFrame:
    """Count by reason, whatever the size in it."""
    skipped = rows[rows["outcome"] == "skipped"]
    reasons = skipped.assign(
        reason=skipped["detail"].str.replace(r": [\d,]+ entries,", ",", regex=True)
    )
    counts = reasons.groupby(["checker", "reason"], sort=False).size()
    return counts.reset_index(name="times")


def _costs(costs: pd.DataFrame) -> Costs:
    units = _by_entries(costs, "cost_units")
    grown = [(checker, *measured) for checker, measured in growth(costs).items()]
    return Costs(
        unit_s=costs.groupby("entries")["unit_s"].median().reindex(units.index),
        units=units,
        calls=_by_entries(costs, "evaluations").astype(float).dropna(how="all"),
        over_ours=over_ours(costs),
        growth=pd.DataFrame(grown, columns=["checker", "first", "last", "factor", "power"]),
    )


def _by_entries(costs: pd.DataFrame, column: str) -> pd.DataFrame:
    wide = costs.set_index(["entries", "checker"])[column].unstack("checker")  # noqa: PD010 - a Series
    return wide.reindex(columns=costs["checker"].unique()).sort_index()


def _reasons(rows: pd.DataFrame) -> pd.DataFrame:
    left_out = rows[rows["status"] != "ok"]
    counts = left_out.groupby(["status", "checker", "reason"], sort=False).size()
    return counts.reset_index(name="rows")
