"""What the catalogue's checks found, and what its implementations take, as data frames."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.stats import gmean

from results.store import Contents
from results.tables import UNCOUNTED, Timing, Verdict

BASELINE = "manual"  # what the other implementations' times are held against
REMARKS = Path(__file__).with_name("remarks.toml")

_CASE = ["computation", "operator", "implementation", "device", "dtype", "size"]
_FROM_BEST = ["agree", "unsupported", "inconclusive", "disagree"]
_PAIRWISE = ["value", "vjp"]


@dataclass(frozen=True, eq=False)
class VerdictSection:
    """What `verdicts.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        counts: How many checks ended with each verdict.
        accuracy: For each dtype, as `accuracy` returns it.
    """

    note: str
    counts: dict[str, int]
    accuracy: dict[str, pd.DataFrame]


@dataclass(frozen=True, eq=False)
class DtypeTimes:
    """The times of one dtype: a row per computation and size, a column per implementation.

    Attributes:
        times: Seconds of values and gradients, on the CPU at the tutorials' sizes, as the next two.
        omegas: Gradient time over value time.
        omega_means: Their geometric means.
        slowness: Time over manual's.
        slowness_means: Their geometric means.
        scaling: Seconds of gradients at all sizes and on all devices.
        over_gpu: Gradient time on the CPU over that on the GPU; a row per computation.
        over_gpu_means: Their geometric means.
    """

    times: pd.DataFrame
    omegas: pd.DataFrame
    omega_means: pd.DataFrame
    slowness: pd.DataFrame
    slowness_means: pd.DataFrame
    scaling: pd.DataFrame
    over_gpu: pd.DataFrame
    over_gpu_means: pd.DataFrame


@dataclass(frozen=True, eq=False)
class TimingSection:
    """What `timings.csv` says.

    Attributes:
        note: What the reader had to do to read the file; may be empty.
        by_dtype: The tables of each dtype that was timed, the most precise first.
        compared: At how many computations manual and torch were both timed.
        slower: Where manual takes longer: computation, size, ratio and the reason.
        statuses: Rows by status and device.
        reasons: Rows that were not timed, by status and reason.
    """

    note: str
    by_dtype: dict[str, DtypeTimes]
    compared: int
    slower: pd.DataFrame
    statuses: pd.DataFrame
    reasons: pd.DataFrame


def verdict_section(contents: Contents[Verdict]) -> VerdictSection:
    """Summarise `verdicts.csv`."""
    verdicts = contents.frame
    return VerdictSection(
        note=contents.note,
        counts=verdict_counts(verdicts),
        accuracy={dtype: accuracy(verdicts, dtype) for dtype in _dtypes(verdicts)},
    )


def timing_section(contents: Contents[Timing]) -> TimingSection:
    """Summarise `timings.csv`."""
    timings = latest(contents.frame)
    dtypes = _dtypes(timings[timings["status"] == "ok"])
    gradients = medians(at_tutorial_sizes(timings), "float64", "gradient")
    manual_over_torch = baseline_over(gradients, "torch")
    return TimingSection(
        note=contents.note,
        by_dtype={dtype: _dtype_times(timings, dtype) for dtype in dtypes},
        compared=len(manual_over_torch),
        slower=_with_reasons(slower(manual_over_torch)),
        statuses=status_counts(timings),
        reasons=reasons(timings),
    )


def verdict_counts(verdicts: pd.DataFrame) -> dict[str, int]:
    """Count each verdict, the absent ones too."""
    return {verdict: int((verdicts["verdict"] == verdict).sum()) for verdict in _FROM_BEST}


def accuracy(verdicts: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """Find each implementation's worst error and worst verdict.

    Returns:
        A row per computation and who, with columns relative_error, ulps and verdict. The errors are
        those of the precision checks, against the truth in a wider dtype. A computation without
        such checks has the errors against other implementations. The verdict is the worst of all
        checks that count (`UNCOUNTED`).
    """
    rows = _from_both_sides(verdicts[verdicts["dtype"] == dtype])
    rows = rows.assign(
        relative_error=_infinite_if_unknown(_relative_error(rows), rows["verdict"]),
        ulps=_infinite_if_unknown(rows["ulps"], rows["verdict"]),
        badness=rows["verdict"].map(_FROM_BEST.index),
    )
    precise = rows["check"] == "precision"
    known = rows["computation"].isin(rows.loc[precise, "computation"])
    measured = rows[precise | (~known & rows["check"].isin(_PAIRWISE))]
    worst = measured.groupby(["computation", "who"])[["relative_error", "ulps"]].max()
    counted = rows[(rows["check"] != UNCOUNTED[0]) | (rows["verdict"] != UNCOUNTED[1])]
    badness = counted.groupby(["computation", "who"])["badness"].max()
    return worst.reindex(badness.index).assign(verdict=badness.map(_FROM_BEST.__getitem__))


def latest(timings: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of each case: to time a case again replaces its row."""
    return timings.drop_duplicates(_CASE, keep="last")


def at_tutorial_sizes(timings: pd.DataFrame) -> pd.DataFrame:
    """Keep what ran on the CPU at a tutorial's own size."""
    return timings[timings["tutorial_size"] & (timings["device"] == "cpu")]


def medians(timings: pd.DataFrame, dtype: str, operator: str) -> pd.DataFrame:
    """Tabulate median seconds.

    Returns:
        A row per computation and size, a column per implementation (and device, if not the CPU).
    """
    rows = timings[
        (timings["status"] == "ok")
        & (timings["dtype"] == dtype)
        & (timings["operator"] == operator)
    ]
    rows = rows.assign(who=who(rows))
    return rows.set_index(["computation", "size", "who"])["median_s"].unstack("who")  # noqa: PD010 - a Series


def over_own(gradients: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Divide gradient times by value times of the same implementation: the ratio omega."""
    return gradients / values


def over_baseline(times: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Divide the other implementations' times by those of the baseline implementation.

    Args:
        times: Medians of every implementation.
        baseline: The table that has the baseline's medians: the same one, or of another operator.
    """
    others = times.drop(columns=BASELINE, errors="ignore")
    return others.div(_by(baseline, BASELINE), axis="index")


def cpu_over_gpu(times: pd.DataFrame) -> pd.DataFrame:
    """Divide each implementation's times on the CPU by its own on the GPU, where it has both.

    Args:
        times: Medians by computation and size.
    """
    both = {name: f"{name} (cuda)" for name in times if f"{name} (cuda)" in times}
    ratios = {name: times[name] / times[on_gpu] for name, on_gpu in both.items()}
    return pd.DataFrame(ratios, index=times.index).dropna(how="all")


def at_largest_sizes(times: pd.DataFrame) -> pd.DataFrame:
    """Keep each computation's largest size, and call the row by the computation alone."""
    return times.sort_index().groupby("computation").tail(1).droplevel("size")


def geometric_means(ratios: pd.DataFrame) -> pd.DataFrame:
    """Average each column over the computations that have a number in it.

    Returns:
        A row per column, with columns mean and computations, the number of them.
    """
    present = {name: column.dropna() for name, column in ratios.items()}
    return pd.DataFrame(
        {
            "mean": {name: gmean(column) for name, column in present.items() if len(column)},
            "computations": {name: len(column) for name, column in present.items()},
        },
        index=ratios.columns,
    )


def baseline_over(times: pd.DataFrame, rival: str) -> "pd.Series[float]":
    """Divide the baseline's times by a rival's, where both were timed."""
    return (_by(times, BASELINE) / _by(times, rival)).dropna()


def slower(ratios: "pd.Series[float]") -> "pd.Series[float]":
    """Keep the ratios above 1, the largest first."""
    return ratios[ratios > 1].sort_values(ascending=False)


def status_counts(timings: pd.DataFrame) -> pd.DataFrame:
    """Count rows by status and device."""
    return timings.groupby(["status", "device"]).size().reset_index(name="rows")


def reasons(timings: pd.DataFrame) -> pd.DataFrame:
    """Count the rows that were not timed, by status and reason."""
    rows = timings[timings["status"] != "ok"]
    return rows.groupby(["status", "reason"]).size().reset_index(name="rows")


def _dtypes(frame: pd.DataFrame) -> list[str]:
    """List the dtypes, the most precise first."""
    return sorted(frame["dtype"].unique(), reverse=True)


def _dtype_times(timings: pd.DataFrame, dtype: str) -> DtypeTimes:
    tutorial = at_tutorial_sizes(timings)
    values = medians(tutorial, dtype, "value")
    gradients = medians(tutorial, dtype, "gradient")
    omegas = _side_by_side(
        {
            "{} over its own value": over_own(gradients, values),
            "{} over manual's value": over_baseline(gradients, values),
        }
    )
    slowness = _side_by_side(
        {
            "{} / manual, value": over_baseline(values, values),
            "{} / manual, gradient": over_baseline(gradients, gradients),
        }
    )
    over_gpu = _side_by_side(
        {
            "{} at the tutorial's size": _over_gpu(timings[timings["tutorial_size"]], dtype),
            "{} at the largest": _over_gpu(timings, dtype),
        }
    )
    return DtypeTimes(
        times=_side_by_side({"{} value": values, "{} gradient": gradients}),
        omegas=omegas,
        omega_means=geometric_means(omegas),
        slowness=slowness,
        slowness_means=geometric_means(slowness),
        scaling=medians(timings, dtype, "gradient"),
        over_gpu=over_gpu,
        over_gpu_means=geometric_means(over_gpu),
    )


def _over_gpu(timings: pd.DataFrame, dtype: str) -> pd.DataFrame:
    return at_largest_sizes(cpu_over_gpu(medians(timings, dtype, "gradient")))


def _with_reasons(ratios: "pd.Series[float]") -> pd.DataFrame:
    """Say why manual is slower, in the words of `remarks.toml`."""
    remarks = tomllib.loads(REMARKS.read_text(encoding="utf-8"))
    table = ratios.reset_index(name="manual / torch")
    table["reason"] = [remarks.get(name, "no reason recorded") for name in table["computation"]]
    return table


def _side_by_side(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Join tables by row, naming each column after its table and the column it was."""
    return pd.concat([frame.rename(columns=name.format) for name, frame in frames.items()], axis=1)


def _from_both_sides(rows: pd.DataFrame) -> pd.DataFrame:
    """Give a pairwise check to both implementations of the pair."""
    pairs = rows[rows["check"].isin(_PAIRWISE)]
    others = pairs["against"].str.replace(r"^(.*)/(.*)$", r"\1 (\2)", regex=True)
    return pd.concat([rows.assign(who=who(rows)), pairs.assign(who=others)], ignore_index=True)


def _relative_error(rows: pd.DataFrame) -> "pd.Series[float]":
    error, scale = rows["error"], rows["scale"]
    relative = error / scale.where(scale > 0)  # nothing is relative to zero...
    return relative.mask(error == 0, 0.0)  # ...except no error at all


def _infinite_if_unknown(
    error: "pd.Series[float]", verdict: "pd.Series[str]"
) -> "pd.Series[float]":
    """Keep a disagreement without a number (NaN, a wrong shape) from looking small."""
    return error.mask(error.isna() & (verdict == "disagree"), float("inf"))


def who(rows: pd.DataFrame) -> "pd.Series[str]":
    """Name the implementation, and the device if it is not the CPU."""
    on_device = rows["implementation"] + " (" + rows["device"] + ")"
    return rows["implementation"].where(rows["device"] == "cpu", on_device)


def _by(times: pd.DataFrame, implementation: str) -> "pd.Series[float]":
    """Take one implementation's column, empty if it was not timed."""
    return times.reindex(columns=[implementation])[implementation]
