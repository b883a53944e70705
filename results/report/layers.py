"""The section on argmin layers: what each formulation costs, from `layers.csv` and `memory.csv`."""

from typing import Any

import pandas as pd

from results.report.text import (
    MISSING,
    digits,
    error,
    markdown,
    memory,
    ratio,
    seconds,
    shown,
)
from results.store import Contents
from results.tables import Layer, Memory

CLOSED_FORM = "closed form"
TUTORIAL = "full Hessian"
GENERAL = "general operator"
K_BATCHED = "K batched"
RIVALS = ("cvxpylayers", "torchopt", "jaxopt")

FORWARD, BACKWARD, BOTH = "forward", "backward", "forward and backward"
STEP = "training step"

HEADLINES = (
    ((CLOSED_FORM, BOTH), (TUTORIAL, BACKWARD)),
    ((CLOSED_FORM, BOTH), (TUTORIAL, BOTH)),
    ((GENERAL, BACKWARD), (TUTORIAL, BACKWARD)),
    ((GENERAL, BOTH), (TUTORIAL, BOTH)),
    ((K_BATCHED, BACKWARD), (TUTORIAL, BACKWARD)),
    *(((GENERAL, BOTH), (rival, BOTH)) for rival in RIVALS),
)
"""The fast one and the slow one, each a formulation and a phase."""

RESOLUTION = 5e5
"""Bytes: a smaller change of a peak is lost in the kernel's way of counting."""

_PROBLEM = ["layer", "size", "dtype"]
_CASE = [*_PROBLEM, "formulation", "phase", "tolerance"]


def time_section(contents: Contents[Layer]) -> dict[str, Any]:
    """Make the tables of `layers.csv`."""
    rows = contents.frame.drop_duplicates(_CASE, keep="last")
    timed = rows[rows["status"] == "ok"]
    at_rest = timed[timed["tolerance"].isna()]
    return {
        "note": contents.note,
        "phases": {
            name: {"times": _phase_table(group), "headlines": _headline_table(group)}
            for name, group in _by_problem(at_rest[at_rest["phase"] != STEP])
        },
        "training": {
            name: _training_table(group)
            for name, group in _by_problem(at_rest[at_rest["phase"] == STEP])
        },
        "curves": {
            name: _curve_table(group)
            for name, group in _by_problem(timed[timed["tolerance"].notna()])
        },
        "reasons": _reasons_table(rows),
    }


def memory_section(contents: Contents[Memory]) -> dict[str, Any]:
    """Make the tables of `memory.csv`."""
    case = ["layer", "dtype", "formulation", "phase", "n_y", "n_z"]
    rows = contents.frame.drop_duplicates(case, keep="last")
    measured = rows[rows["status"] == "ok"]
    return {
        "note": contents.note,
        "peaks": _peak_table(measured),
        "growth": _growth_table(measured),
        "reasons": _reasons_table(rows),
    }


def phase_times(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate median seconds: a row per formulation, as measured; a column per phase."""
    times = rows.set_index(["formulation", "phase"])["median_s"].unstack("phase")  # noqa: PD010 - a Series
    return times.reindex(index=rows["formulation"].unique(), columns=[FORWARD, BACKWARD, BOTH])


def headlines(rows: pd.DataFrame) -> dict[tuple[tuple[str, str], tuple[str, str]], float]:
    """Divide the slow one's time by the fast one's, for those `HEADLINES` that were timed."""
    times = rows.set_index(["formulation", "phase"])["median_s"].to_dict()
    return {
        (fast, slow): times[slow] / times[fast]
        for fast, slow in HEADLINES
        if fast in times and slow in times
    }


def growth(rows: pd.DataFrame) -> pd.DataFrame:
    """Find how peaks grow.

    Returns:
        A row per formulation and phase, with bytes per further entry of z, at the smallest n_y, and
        per further n_y², at the smallest n_z, both between the two largest sizes and NaN where the
        peaks differ by less than the resolution; and bytes over (n_y + n_z)² at the largest size.
    """
    names = ["per further entry of z", "per further n_y²", "over (n_y + n_z)²"]
    found = {}
    for key, group in rows.groupby(["formulation", "phase"], sort=False):
        along_z = group[group["n_y"] == group["n_y"].min()]
        along_y = group[group["n_z"] == group["n_z"].min()]
        entries = (group["n_y"] + group["n_z"]) ** 2
        largest = group.assign(entries=entries).nlargest(1, "entries").iloc[0]
        found[key] = [
            _slope(along_z["n_z"], along_z["peak_bytes"]),
            _slope(along_y["n_y"] ** 2, along_y["peak_bytes"]),
            largest["peak_bytes"] / largest["entries"],
        ]
    return pd.DataFrame.from_dict(found, orient="index", columns=names)


def _slope(sizes: "pd.Series[int]", peaks: "pd.Series[int]") -> float:
    two = pd.DataFrame({"size": sizes, "peak": peaks}, dtype=float).sort_values("size").tail(2)
    change = two.diff().iloc[-1]
    return change["peak"] / change["size"] if abs(change["peak"]) >= RESOLUTION else float("nan")


def _by_problem(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [
        (f"{layer}, size {size}, {dtype}", group)
        for (layer, size, dtype), group in rows.groupby(_PROBLEM, sort=False)
    ]


def _phase_table(rows: pd.DataFrame) -> str:
    times = phase_times(rows)
    both = rows[rows["phase"] == BOTH].set_index("formulation").reindex(times.index)
    cells = times.map(lambda time: shown(time, seconds))
    closed_form: float = times[BOTH].reindex([CLOSED_FORM]).iloc[0]
    cells[f"both / {CLOSED_FORM}"] = [shown(n, ratio) for n in times[BOTH] / closed_form]
    cells["value error"] = [shown(number, error) for number in both["value_error"]]
    cells["gradient error"] = [shown(number, error) for number in both["gradient_error"]]
    beyond = both["first_call_s"].where(both["first_call_s"] > both["iqr_s"])
    cells["first call"] = [shown(time, seconds) for time in beyond]
    return markdown(cells.rename_axis("formulation").reset_index())


def _headline_table(rows: pd.DataFrame) -> str:
    errors = rows.set_index(["formulation", "phase"])["gradient_error"].to_dict()
    found = [
        {
            "the time of": f"{slow[0]}: {slow[1]}",
            "over that of": f"{fast[0]}: {fast[1]}",
            "ratio": ratio(number),
            "gradient error of the first": shown(errors[slow], error),
            "of the second": shown(errors[fast], error),
        }
        for (fast, slow), number in headlines(rows).items()
    ]
    return markdown(pd.DataFrame(found), words=2)


def _training_table(rows: pd.DataFrame) -> str:
    rows = rows.set_index("formulation")
    times = rows["median_s"]
    cells = pd.DataFrame(
        {
            STEP: times.map(seconds),
            "batches/s": (1 / times).map(digits),
            "gradient error": [shown(number, error) for number in rows["gradient_error"]],
        }
    )
    if TUTORIAL in times.index:
        cells.insert(2, f"faster than {TUTORIAL}", (times[TUTORIAL] / times).map(ratio))
    return markdown(cells.reset_index())


def _curve_table(rows: pd.DataFrame) -> str:
    curves = {}
    for name, group in rows.groupby("formulation", sort=False):
        curve = group.set_index("tolerance")
        curves[f"{name}: time"] = curve["median_s"].map(seconds)
        curves[f"{name}: gradient error"] = curve["gradient_error"].map(error)
    cells = pd.DataFrame(curves).sort_index(ascending=False).fillna(MISSING)
    cells.index = cells.index.map(lambda tolerance: f"{tolerance:.0e}")
    return markdown(cells.rename_axis("tolerance").reset_index())


def _peak_table(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    per_entry = rows["peak_bytes"] / rows["n_z"]
    cells = rows["peak_bytes"].map(memory) + ", " + per_entry.map(digits) + " B/z"
    index = ["phase", "n_z", "n_y", "formulation"]
    wide = rows.assign(cell=cells).set_index(index)["cell"].unstack("formulation")  # noqa: PD010 - a Series
    ordered = wide.reindex(index=[FORWARD, BACKWARD], level="phase")
    return markdown(
        ordered.reindex(columns=rows["formulation"].unique()).fillna(MISSING).reset_index()
    )


def _growth_table(rows: pd.DataFrame) -> str:
    cells = growth(rows).map(lambda size: shown(size, memory))
    cells.insert(0, "pass", [f"{formulation}: {phase}" for formulation, phase in cells.index])
    return markdown(cells)


def _reasons_table(rows: pd.DataFrame) -> str:
    left_out = rows[rows["status"] != "ok"]
    counts = left_out.groupby(["status", "formulation", "reason"], sort=False).size()
    return markdown(counts.reset_index(name="rows"), words=3)
