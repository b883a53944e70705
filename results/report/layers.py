"""What each formulation of an argmin layer costs, from `layers.csv` and `memory.csv`."""

from dataclasses import dataclass

import pandas as pd

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
"""Bytes: the kernel counts memory too coarsely to show a smaller change of a peak."""

_PROBLEM = ["layer", "size", "dtype"]
_CASE = [*_PROBLEM, "formulation", "phase", "tolerance"]


@dataclass(frozen=True, eq=False)
class PhaseTimes:
    """What the passes of one layer take.

    Attributes:
        times: A row per formulation, with median seconds of each pass, both over the closed form's,
            the errors, and the seconds that a first call took beyond the median, if it is more than
            the spread.
        headlines: A row for each of the `HEADLINES` that was timed: the slow one and the fast one,
            the ratio of their times, and the gradient's error on each side.
    """

    times: pd.DataFrame
    headlines: pd.DataFrame


@dataclass(frozen=True, eq=False)
class LayerSection:
    """What `layers.csv` says, by the name of layer, size and dtype.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        phases: The passes.
        training: A row per formulation: seconds of a training step, batches per second, how many
            times faster than the tutorial's that is (where that was timed), and the error.
        curves: A row per formulation and tolerance, with the seconds and the gradient's error.
        reasons: Rows that were not timed, by status, formulation and reason.
    """

    note: str
    phases: dict[str, PhaseTimes]
    training: dict[str, pd.DataFrame]
    curves: dict[str, pd.DataFrame]
    reasons: pd.DataFrame


@dataclass(frozen=True, eq=False)
class MemorySection:
    """What `memory.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        peaks: A row per pass, size and formulation: bytes at the peak, and those per entry of z.
        growth: As `growth` returns it.
        reasons: Rows that were not measured, by status, formulation and reason.
    """

    note: str
    peaks: pd.DataFrame
    growth: pd.DataFrame
    reasons: pd.DataFrame


def time_section(contents: Contents[Layer]) -> LayerSection:
    """Summarise `layers.csv`."""
    rows = contents.frame.drop_duplicates(_CASE, keep="last")
    timed = rows[rows["status"] == "ok"]
    at_rest = timed[timed["tolerance"].isna()]
    return LayerSection(
        note=contents.note,
        phases={
            name: PhaseTimes(_phases(group), _headlines(group))
            for name, group in _by_problem(at_rest[at_rest["phase"] != STEP])
        },
        training={
            name: _training(group) for name, group in _by_problem(at_rest[at_rest["phase"] == STEP])
        },
        curves={
            name: group[["formulation", "tolerance", "median_s", "gradient_error"]]
            for name, group in _by_problem(timed[timed["tolerance"].notna()])
        },
        reasons=_reasons(rows),
    )


def memory_section(contents: Contents[Memory]) -> MemorySection:
    """Summarise `memory.csv`."""
    case = ["layer", "dtype", "formulation", "phase", "n_y", "n_z"]
    rows = contents.frame.drop_duplicates(case, keep="last")
    measured = rows[rows["status"] == "ok"]
    peaks = measured[["phase", "n_z", "n_y", "formulation", "peak_bytes"]]
    return MemorySection(
        note=contents.note,
        peaks=peaks.assign(bytes_per_z=peaks["peak_bytes"] / peaks["n_z"]),
        growth=growth(measured),
        reasons=_reasons(rows),
    )


def phase_times(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate median seconds: a row per formulation, as measured; a column per phase."""
    times = rows.set_index(["formulation", "phase"])["median_s"].unstack("phase")  # noqa: PD010 - a Series
    return times.reindex(index=rows["formulation"].unique(), columns=[FORWARD, BACKWARD, BOTH])


def headlines(rows: pd.DataFrame) -> dict[tuple[tuple[str, str], tuple[str, str]], float]:
    """Divide the slow one's time by the fast one's, for each of `HEADLINES` that was timed."""
    times = rows.set_index(["formulation", "phase"])["median_s"].to_dict()
    return {
        (fast, slow): times[slow] / times[fast]
        for fast, slow in HEADLINES
        if fast in times and slow in times
    }


def growth(rows: pd.DataFrame) -> pd.DataFrame:
    """Find how peaks grow.

    Returns:
        A row per formulation and phase, with three numbers of bytes: per further entry of z, at the
        smallest n_y; per further n_y², at the smallest n_z; and over (n_y + n_z)², at the largest
        size. The first two are between the two largest sizes, and NaN where the peaks differ by
        less than the resolution.
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


def _phases(rows: pd.DataFrame) -> pd.DataFrame:
    times = phase_times(rows)
    both = rows[rows["phase"] == BOTH].set_index("formulation").reindex(times.index)
    closed_form: float = times[BOTH].reindex([CLOSED_FORM]).iloc[0]
    return times.assign(
        over_closed_form=times[BOTH] / closed_form,
        value_error=both["value_error"],
        gradient_error=both["gradient_error"],
        first_call_s=both["first_call_s"].where(both["first_call_s"] > both["iqr_s"]),
    ).rename_axis("formulation")


def _headlines(rows: pd.DataFrame) -> pd.DataFrame:
    errors = rows.set_index(["formulation", "phase"])["gradient_error"].to_dict()
    return pd.DataFrame(
        [
            {
                "slow": f"{slow[0]}: {slow[1]}",
                "fast": f"{fast[0]}: {fast[1]}",
                "ratio": number,
                "slow_error": errors[slow],
                "fast_error": errors[fast],
            }
            for (fast, slow), number in headlines(rows).items()
        ]
    )


def _training(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.set_index("formulation")
    steps = rows[["median_s", "gradient_error"]].assign(per_second=1 / rows["median_s"])
    if TUTORIAL in steps.index:
        tutorial: float = steps["median_s"][TUTORIAL]
        steps["times_faster"] = tutorial / steps["median_s"]
    return steps


def _reasons(rows: pd.DataFrame) -> pd.DataFrame:
    left_out = rows[rows["status"] != "ok"]
    counts = left_out.groupby(["status", "formulation", "reason"], sort=False).size()
    return counts.reset_index(name="rows")
