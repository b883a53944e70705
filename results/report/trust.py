"""Can the verdicts be trusted: planted faults, false alarms and what a check costs."""

from math import log
from typing import Any

import pandas as pd

from results.report.text import MISSING, digits, markdown, ratio, seconds, shown
from results.store import Contents
from results.tables import Alarms, Cost, Kill

OURS = "gradjury"
"""The checker of this project; every other is somebody else's."""

Pair = tuple[int, int]
"""How many, of how many."""

TOTAL = "all"
SKIPPED = "not asked"

_KILL = ["fault", "correct", "size", "dtype", "seed", "checker"]
_ALARM = ["computation", "dtype", "size", "first_seed", "seeds"]
_COST = ["function", "entries", "checker"]
_COUNTS = ["checks", "agree", "disagree", "inconclusive", "unsupported"]


def kill_section(contents: Contents[Kill]) -> dict[str, Any]:
    """Make the kill matrix of `kills.csv`, and what is said of gradjury's own answers."""
    rows = latest_kills(contents.frame)
    ours = rows[rows["checker"] == OURS]
    planted = ours[~ours["correct"]]
    return {
        "note": contents.note,
        "by_dtype": {
            dtype: {
                "wrong": _wrong_table(group[~group["correct"]]),
                "correct": _matrix_table(
                    tally(group[group["correct"]], "passed"), "correct function"
                ),
            }
            for dtype, group in rows.groupby("dtype", sort=False)
        },
        "faults": planted["fault"].nunique(),
        "planted": len(planted),
        "caught": int((planted["outcome"] == "caught").sum()),
        "sound": int(ours["correct"].sum()),
        "flagged": int((ours["outcome"] == "flagged").sum()),
        "undecided": _undecided(ours),
        "classed": diagnosed(planted)[TOTAL][1],
        "named": diagnosed(planted)[TOTAL][0],
        "diagnoses": _diagnosis_table(planted),
        "failures": _failure_table(ours),
        "skipped": _skipped_table(rows),
    }


def alarm_section(contents: Contents[Alarms]) -> dict[str, Any]:
    """Make the table of `alarms.csv`, and its totals."""
    rows = contents.frame.drop_duplicates(_ALARM, keep="last")
    closest = rows.nlargest(1, "closest").to_dict("records")
    return {
        "note": contents.note,
        "totals": {name: int(rows[name].sum()) for name in _COUNTS},
        "computations": rows["computation"].nunique(),
        "dtypes": ", ".join(rows["dtype"].unique()),
        "seeds": _span(rows["seeds"]),
        "closest": [
            f"{digits(each['closest'])} of its tolerance ({each['computation']}, {each['dtype']}"
            + (f": {each['closest_check']})" if pd.notna(each["closest_check"]) else ")")
            for each in closest
        ],
        "table": _alarm_table(rows),
    }


def cost_section(contents: Contents[Cost]) -> dict[str, Any]:
    """Make the tables of `costs.csv`: in units of a value and gradient, and how they grow."""
    rows = contents.frame.drop_duplicates(_COST, keep="last")
    timed = rows[rows["status"] == "ok"]
    return {
        "note": contents.note,
        "by_function": {
            name: {
                "units": _cost_table(group),
                "calls": _pivot_table(group, "evaluations", digits),
                "over_ours": _over_ours_table(group),
                "growth": _growth_table(group),
            }
            for name, group in timed.groupby("function", sort=False)
        },
        "reasons": _reasons_table(rows),
    }


def latest_kills(kills: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of each case and checker: one asked again replaces what it said."""
    return kills.drop_duplicates(_KILL, keep="last")


def tally(kills: pd.DataFrame, good: str) -> dict[str, dict[str, Pair]]:
    """Count good answers among those given.

    Args:
        kills: Rows of `kills.csv`, all of wrong gradients or all of right ones.
        good: The outcome to count: caught, or passed.

    Returns:
        For each fault and for all together, in the order of the file, and for each checker: how
        many answers are good, of how many. Where the checker was always skipped, of none. The last,
        not asked, has how often it was skipped, of how many cases. Nothing at all without rows.
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
        For each fault that has a class, and for all together, how often it was named of how often
        it was planted. A fault that was missed was not named.
    """
    ours = kills[(kills["checker"] == OURS) & kills["wanted"].notna()]
    groups = [*ours.groupby("fault", sort=False), (TOTAL, ours)]
    return {str(name): (int(_is_named(group).sum()), len(group)) for name, group in groups}


def growth(costs: pd.DataFrame) -> dict[str, tuple[int, int, float, float]]:
    """Find how the cost of a check grows with n.

    Returns:
        For each checker that was timed at two sizes or more, in the order of the file: the smallest
        n, the largest, the factor by which its cost in units changes between them, and the p for
        which that is a power n^p.
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


def _wrong_table(wrong: pd.DataFrame) -> str:
    names = diagnosed(wrong)
    return _matrix_table(
        {
            fault: pairs | {"named": names.get(fault, (0, 0))}
            for fault, pairs in tally(wrong, "caught").items()
        },
        "fault",
    )


def _matrix_table(pairs: dict[str, dict[str, Pair]], heading: str) -> str:
    """Write pairs as n/m, those that are not all good in bold, and of none as a dash."""
    cells = {
        name: {
            checker: _count(pair) if name == SKIPPED else _fraction(pair)
            for checker, pair in row.items()
        }
        for name, row in pairs.items()
    }
    return markdown(
        pd.DataFrame.from_dict(cells, orient="index").rename_axis(heading).reset_index()
    )


def _count(pair: Pair) -> str:
    count, _ = pair
    return str(count) if count else MISSING


def _fraction(pair: Pair) -> str:
    good, asked = pair
    if not asked:
        return MISSING
    return f"{good}/{asked}" if good == asked else f"**{good}/{asked}**"


def _undecided(ours: pd.DataFrame) -> str:
    """Count gradjury's verdicts on right gradients that are neither agreement nor an alarm."""
    passed = ours[ours["outcome"] == "passed"]
    counts = passed.loc[passed["verdict"] != "agree", "verdict"].value_counts()
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _diagnosis_table(planted: pd.DataFrame) -> str:
    classed = planted[planted["wanted"].notna()]
    missed = classed[~_is_named(classed)].fillna({"diagnosis": MISSING})
    counts = missed.groupby(["fault", "wanted", "diagnosis"], sort=False).size()
    return markdown(counts.reset_index(name="times"), words=3)


def _failure_table(ours: pd.DataFrame) -> str:
    wrong = ours[ours["outcome"].isin(["missed", "flagged"])]
    columns = ["fault", "dtype", "outcome", "verdict", "size", "seed"]
    return markdown(wrong[columns].fillna(MISSING), words=4)


def _skipped_table(rows: pd.DataFrame) -> str:
    """Count by reason, whatever the size in it."""
    skipped = rows[rows["outcome"] == "skipped"]
    reasons = skipped.assign(
        reason=skipped["detail"].str.replace(r": [\d,]+ entries,", ",", regex=True)
    )
    counts = reasons.groupby(["checker", "reason"], sort=False).size()
    return markdown(counts.reset_index(name="times"), words=2)


def _alarm_table(rows: pd.DataFrame) -> str:
    cells = rows[["computation", "dtype"]].copy()
    cells["check"] = rows["closest_check"].fillna(MISSING)
    cells["note"] = rows["note"].replace("", MISSING)
    cells[["size", "seeds", *_COUNTS]] = rows[["size", "seeds", *_COUNTS]]
    cells["disagree"] = [f"**{count}**" if count else "0" for count in rows["disagree"]]
    cells["closest"] = [shown(number, digits) for number in rows["closest"]]
    renamed = cells.rename(
        columns={"closest": "closest: error / tolerance", "check": "in the check"}
    )
    return markdown(renamed, words=4)


def _span(numbers: "pd.Series[int]") -> str:
    if numbers.empty:
        return "0"
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low} to {high}"


def _cost_table(costs: pd.DataFrame) -> str:
    units = _by_entries(costs, "cost_units")
    cells = units.map(lambda number: shown(number, ratio))
    unit = costs.groupby("entries")["unit_s"].median()
    cells.insert(0, "unit", [shown(time, seconds) for time in unit.reindex(units.index)])
    return _numbered(cells)


def _pivot_table(costs: pd.DataFrame, column: str, show: Any) -> str:  # noqa: ANN401 - a function
    numbers = _by_entries(costs, column).astype(float).dropna(how="all")
    return _numbered(numbers.map(lambda number: shown(number, show)))


def _over_ours_table(costs: pd.DataFrame) -> str:
    return _numbered(over_ours(costs).map(lambda number: shown(number, ratio)))


def _growth_table(costs: pd.DataFrame) -> str:
    found = [
        {
            "checker": checker,
            "from n": f"{first:,}",
            "to n": f"{last:,}",
            "its cost in units changes": ratio(factor),
            "as n to the power": f"{power:.2f}",
        }
        for checker, (first, last, factor, power) in growth(costs).items()
    ]
    return markdown(pd.DataFrame(found))


def _by_entries(costs: pd.DataFrame, column: str) -> pd.DataFrame:
    wide = costs.set_index(["entries", "checker"])[column].unstack("checker")  # noqa: PD010 - a Series
    return wide.reindex(columns=costs["checker"].unique()).sort_index()


def _numbered(cells: pd.DataFrame) -> str:
    """Write a table whose rows are numbers of entries."""
    if cells.empty:
        return ""
    cells.index = cells.index.map("{:,}".format)
    return markdown(cells.rename_axis("n").reset_index(), words=0)


def _reasons_table(rows: pd.DataFrame) -> str:
    left_out = rows[rows["status"] != "ok"]
    counts = left_out.groupby(["status", "checker", "reason"], sort=False).size()
    return markdown(counts.reset_index(name="rows"), words=3)
