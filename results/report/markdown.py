"""How each frame of a report becomes a table in Markdown: the filters that the templates use.

A frame without rows becomes an empty text, which a template tells from a table.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from results.report.layers import BACKWARD, BOTH, CLOSED_FORM, FORWARD, STEP, TUTORIAL
from results.report.text import (
    MISSING,
    aligned,
    digits,
    error,
    memory,
    numbers_table,
    precise,
    ratio,
    seconds,
    shown,
    whole,
)
from results.report.trust import SKIPPED, Costs, Kills
from results.tables import NUMPY_IMPORT, TORCH_IMPORT

_Show = Callable[[float], str]

_EVIDENCE = {
    "residual": "residual",
    "optimality": "Newton step",
    "defining_equation": "K J + R",
    "implicit_function": "implicit function",
    "finite_differences": "finite differences",
    "unrolled": "unrolled",
    "manual": "manual",
    "scaled": "c · f",
    "initial_guess": "other guess",
    "guess_gradient": "guess gradient",
    "linearity": "linearity",
    "one_side": "one side",
}
"""The heading of each kind of evidence."""


def seconds_table(times: pd.DataFrame) -> str:
    """Write times, a row per computation and size."""
    return numbers_table(times, seconds)


def ratio_table(ratios: pd.DataFrame, words: int = 1) -> str:
    """Write ratios, a row per computation and size, or whatever is named in the first columns."""
    return numbers_table(ratios, ratio, words)


def counts_table(counts: pd.DataFrame) -> str:
    """Write how many rows there are of each kind: words, and a count in the last column."""
    return aligned(counts.fillna(MISSING), words=counts.shape[1] - 1)


def means_table(means: pd.DataFrame) -> str:
    """Write geometric means."""
    cells = means.assign(mean=_written(means["mean"], ratio))
    cells.columns = pd.Index(["geometric mean", "computations"])
    return aligned(cells.rename_axis("").reset_index())


def accuracy_table(worst: pd.DataFrame) -> str:
    """Write one cell per implementation: its worst error, twice, and its worst verdict."""
    cells = pd.Series([_accuracy_cell(row) for row in worst.itertuples()], index=worst.index)
    return aligned(cells.unstack("who").fillna(MISSING).reset_index())  # noqa: PD010 - a Series


def slower_table(ratios: pd.DataFrame) -> str:
    """Write where manual is slower, and why."""
    return aligned(_all_written(ratios, {"manual / torch": ratio}))


def evidence_table(evidence: pd.DataFrame) -> str:
    """Write the evidence for argmins."""
    show = dict.fromkeys(_EVIDENCE, error)
    cells = _all_written(evidence, {"condition": error, "active": digits, **show})
    headings = {"unknowns": "n", "condition": "cond K", **_EVIDENCE}
    return aligned(cells.rename(columns=headings), words=2)


def phase_table(times: pd.DataFrame) -> str:
    """Write what each formulation of an argmin layer takes."""
    show = {
        **dict.fromkeys((FORWARD, BACKWARD, BOTH, "first_call_s"), seconds),
        **dict.fromkeys(("value_error", "gradient_error"), error),
        "over_closed_form": ratio,
    }
    headings = {
        "over_closed_form": f"both / {CLOSED_FORM}",
        "value_error": "value error",
        "gradient_error": "gradient error",
        "first_call_s": "first call",
    }
    return aligned(_all_written(times, show).rename(columns=headings).reset_index())


def headline_table(headlines: pd.DataFrame) -> str:
    """Write the ratios between formulations."""
    cells = _all_written(headlines, {"ratio": ratio, "slow_error": error, "fast_error": error})
    headings = {
        "slow": "the time of",
        "fast": "over that of",
        "slow_error": "gradient error of the first",
        "fast_error": "of the second",
    }
    return aligned(cells.rename(columns=headings), words=2)


def training_table(steps: pd.DataFrame) -> str:
    """Write what a training step takes."""
    columns = {
        "median_s": (STEP, seconds),
        "per_second": ("batches/s", digits),
        "times_faster": (f"faster than {TUTORIAL}", ratio),
        "gradient_error": ("gradient error", error),
    }
    cells = {
        heading: _written(steps[name], show)
        for name, (heading, show) in columns.items()
        if name in steps
    }
    return aligned(pd.DataFrame(cells, index=steps.index).reset_index())


def curve_table(curves: pd.DataFrame) -> str:
    """Write time and error over the tolerance, two columns for each formulation."""
    columns = {}
    for name, group in curves.groupby("formulation", sort=False):
        curve = group.set_index("tolerance")
        columns[f"{name}: time"] = curve["median_s"].map(seconds)
        columns[f"{name}: gradient error"] = curve["gradient_error"].map(error)
    cells = pd.DataFrame(columns).sort_index(ascending=False).fillna(MISSING)
    cells.index = cells.index.map(lambda tolerance: f"{tolerance:.0e}")
    return aligned(cells.rename_axis("tolerance").reset_index())


def peak_table(peaks: pd.DataFrame) -> str:
    """Write peaks of memory, a column per formulation."""
    if peaks.empty:
        return ""
    cells = peaks["peak_bytes"].map(memory) + ", " + peaks["bytes_per_z"].map(digits) + " B/z"
    index = ["phase", "n_z", "n_y", "formulation"]
    wide = peaks.assign(cell=cells).set_index(index)["cell"].unstack("formulation")  # noqa: PD010 - a Series
    ordered = wide.reindex(index=[FORWARD, BACKWARD], level="phase")
    return aligned(
        ordered.reindex(columns=peaks["formulation"].unique()).fillna(MISSING).reset_index()
    )


def memory_growth_table(growth: pd.DataFrame) -> str:
    """Write how peaks of memory grow."""
    cells = growth.map(lambda size: shown(size, memory))
    cells.insert(0, "pass", [f"{formulation}: {phase}" for formulation, phase in cells.index])
    return aligned(cells)


def wrong_table(kills: Kills) -> str:
    """Write who caught which fault, and how often gradjury named it."""
    faults = kills.wrong["name"].unique()
    named = kills.named.set_index("name").reindex(faults, fill_value=0).rename_axis("name")
    pairs = pd.concat([kills.wrong, named.assign(checker="named").reset_index()])
    return _matrix_table(pairs, "fault")


def correct_table(kills: Kills) -> str:
    """Write who passed which correct function."""
    return _matrix_table(kills.correct, "correct function")


def failure_table(failures: pd.DataFrame) -> str:
    """Write in which cases gradjury was wrong."""
    return aligned(failures.fillna(MISSING), words=4)


def listed(counts: dict[str, int]) -> str:
    """Write counts in a sentence."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def span(ends: tuple[int, int]) -> str:
    """Write from where to where numbers go."""
    low, high = ends
    return str(low) if low == high else f"{low} to {high}"


def closest_words(closest: pd.DataFrame) -> list[str]:
    """Write how close each row came to an alarm, and in which check."""
    return [_closest(row) for row in closest.to_dict("records")]


def alarm_table(counts: pd.DataFrame) -> str:
    """Write how the checks of each computation ended."""
    cells = counts.assign(
        closest_check=counts["closest_check"].fillna(MISSING),
        note=counts["note"].replace("", MISSING),
        disagree=[f"**{count}**" if count else "0" for count in counts["disagree"]],
        closest=_written(counts["closest"], digits),
    )
    headings = {"closest_check": "in the check", "closest": "closest: error / tolerance"}
    return aligned(cells.rename(columns=headings), words=4)


def unit_table(costs: Costs) -> str:
    """Write the cost of checks, and how long its unit is."""
    cells = costs.units.map(lambda number: shown(number, ratio))
    cells.insert(0, "unit", _written(costs.unit_s, seconds))
    return _by_entries(cells)


def over_ours_table(ratios: pd.DataFrame) -> str:
    """Write the others' cost over gradjury's."""
    return _by_entries(ratios.map(lambda number: shown(number, ratio)))


def calls_table(calls: pd.DataFrame) -> str:
    """Write how often a check calls the function."""
    return _by_entries(calls.map(lambda number: shown(number, digits)))


def cost_growth_table(growth: pd.DataFrame) -> str:
    """Write how the cost of a check grows."""
    show = {
        "first": "{:,}".format,
        "last": "{:,}".format,
        "factor": ratio,
        "power": "{:.2f}".format,
    }
    headings = {
        "first": "from n",
        "last": "to n",
        "factor": "its cost in units changes",
        "power": "as n to the power",
    }
    return aligned(_all_written(growth, show).rename(columns=headings))


def start_table(times: pd.DataFrame) -> str:
    """Write how long commands take to start."""
    show = {
        **dict.fromkeys(("median_s", "iqr_s", "cpu_s"), seconds),
        **dict.fromkeys(("over_numpy", "over_torch"), ratio),
    }
    headings = {
        "median_s": "time",
        "iqr_s": "spread",
        "cpu_s": "CPU time",
        "over_numpy": f"over {NUMPY_IMPORT}",
        "over_torch": f"over {TORCH_IMPORT}",
    }
    cells = _all_written(_with_short_commits(times), show)
    return aligned(cells.rename(columns=headings), words=2)


def unstarted_table(reasons: pd.DataFrame) -> str:
    """Write which commands were not timed, and why."""
    return aligned(_with_short_commits(reasons), words=4)


def finding_table(findings: pd.DataFrame) -> str:
    """Write what is published, what is right and what was seen."""
    outcomes = findings["outcome"].replace("not shown", "**not shown**")
    headings = {
        "says": "what is published",
        "right": "what is so",
        "matters": "why it matters",
    }
    return aligned(findings.assign(outcome=outcomes).rename(columns=headings), words=8)


def field_table(counts: pd.DataFrame) -> str:
    """Write counts of other people's functions, or what was said of them."""
    return aligned(counts.fillna(MISSING), words=counts.shape[1])


def training_verdict_table(verdicts: pd.DataFrame) -> str:
    """Write the worst verdict of each implementation; those that convict in bold."""
    bold = {name: f"**{name}**" for name in ("disagree", "diverged")}
    return aligned(verdicts.fillna(MISSING).replace(bold), words=verdicts.shape[1])


def training_told_table(told: pd.DataFrame) -> str:
    """Write the checks of which there is more to tell."""
    cells = told.assign(step=_written(told["step"], whole))
    return aligned(cells.fillna(MISSING), words=cells.shape[1])


def training_number_table(numbers: pd.DataFrame) -> str:
    """Write what came out, beside what should have."""
    show = {"got": precise, "expected": precise, "tolerance": error, "printed": precise}
    headings = {"got": "found", "printed": "the tutorial"}
    return aligned(_all_written(numbers, show).rename(columns=headings), words=3)


def training_end_table(ends: pd.DataFrame) -> str:
    """Write where runs led."""
    show = {
        "step": whole,
        "loss": precise,
        "to_manual": error,
        "to_twins": error,
        "time_s": seconds,
    }
    headings = {"to_manual": "from the run by hand", "to_twins": "its twins", "time_s": "time"}
    return aligned(_all_written(ends, show).rename(columns=headings), words=4)


def steps_table(speeds: pd.DataFrame) -> str:
    """Write steps per second, a row per training and dtype."""
    return numbers_table(speeds, digits, words=2)


def claim_table(times: pd.DataFrame) -> str:
    """Write what each way takes, of one of which a tutorial says that it is the fastest."""
    show = {**dict.fromkeys(("median_s", "iqr_s"), seconds), "over_first": ratio}
    headings = {"median_s": "time", "iqr_s": "spread", "over_first": "over the first"}
    return aligned(_all_written(times, show).rename(columns=headings), words=4)


def untimed_table(reasons: pd.DataFrame) -> str:
    """Write what was not timed, and why."""
    return aligned(reasons, words=reasons.shape[1])


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        *(seconds_table, ratio_table, counts_table, means_table),
        *(accuracy_table, slower_table, evidence_table),
        *(phase_table, headline_table, training_table, curve_table),
        *(peak_table, memory_growth_table),
        *(wrong_table, correct_table, failure_table, listed),
        *(span, closest_words, alarm_table),
        *(unit_table, over_ours_table, calls_table, cost_growth_table),
        *(start_table, unstarted_table),
        finding_table,
        field_table,
        *(training_verdict_table, training_told_table),
        *(training_number_table, training_end_table),
        *(steps_table, claim_table, untimed_table),
    )
}
"""By the names under which templates know them."""


def _written(numbers: "pd.Series[Any]", show: _Show) -> list[str]:
    return [shown(number, show) for number in numbers]


def _all_written(frame: pd.DataFrame, show: Mapping[str, _Show]) -> pd.DataFrame:
    """Write the numbers of some columns, each in its own way."""
    if frame.empty:  # perhaps of columns, too
        return frame
    return frame.assign(**{name: _written(frame[name], show[name]) for name in show})


def _with_short_commits(rows: pd.DataFrame) -> pd.DataFrame:
    """Write in one column at which commit a command was timed, and whether that was changed."""
    changed = rows["dirty"].fillna(value=False).astype(bool)
    commits = rows["commit"].str[:10].fillna(MISSING).astype(str) + changed.map(
        {True: ", with uncommitted changes", False: ""}
    )
    return rows.assign(commit=commits).drop(columns="dirty")


def _accuracy_cell(worst: Any) -> str:  # noqa: ANN401 - a named tuple that pandas makes
    parts = [
        shown(worst.relative_error, error),
        shown(worst.ulps, lambda ulps: f"{digits(ulps)} ulp"),
        f"**{worst.verdict}**" if worst.verdict == "disagree" else worst.verdict,
    ]
    return ", ".join(part for part in parts if part != MISSING)


def _closest(row: dict[Hashable, Any]) -> str:
    check = f": {row['closest_check']}" if pd.notna(row["closest_check"]) else ""
    return (
        f"{digits(row['closest'])} of its tolerance ({row['computation']}, {row['dtype']}{check})"
    )


def _matrix_table(pairs: pd.DataFrame, heading: str) -> str:
    """Write pairs as n/m, those that are not all good in bold, and of none as a dash."""
    cells = [
        _count(good) if name == SKIPPED else _fraction(good, of)
        for name, good, of in zip(pairs["name"], pairs["good"], pairs["of"], strict=True)
    ]
    wide = pairs.assign(cell=cells).set_index(["name", "checker"])["cell"].unstack("checker")  # noqa: PD010 - a Series
    ordered = wide.reindex(index=pairs["name"].unique(), columns=pairs["checker"].unique())
    return aligned(ordered.rename_axis(heading).reset_index())


def _count(count: int) -> str:
    return str(count) if count else MISSING


def _fraction(good: int, asked: int) -> str:
    if not asked:
        return MISSING
    return f"{good}/{asked}" if good == asked else f"**{good}/{asked}**"


def _by_entries(cells: pd.DataFrame) -> str:
    """Write a table whose rows are numbers of entries."""
    if cells.empty:
        return ""
    cells.index = cells.index.map("{:,}".format)
    return aligned(cells.rename_axis("n").reset_index(), words=0)
