"""The numbers of a report: data frames in, data frames out, nothing written."""

import pandas as pd
from scipy.stats import gmean

BASELINE = "manual"  # what the other implementations' times are held against

_CASE = ["computation", "operator", "implementation", "device", "dtype", "size"]
_FROM_BEST = ["agree", "unsupported", "inconclusive", "disagree"]
_PAIRWISE = ["value", "vjp"]


def verdict_counts(verdicts: pd.DataFrame) -> dict[str, int]:
    """Count each verdict, the absent ones too."""
    return {verdict: int((verdicts["verdict"] == verdict).sum()) for verdict in _FROM_BEST}


def accuracy(verdicts: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """Find each implementation's worst error and worst verdict.

    Returns:
        A row per computation and who, with columns relative_error, ulps and verdict. The errors are
        those of the precision checks, against the truth in a wider dtype; where a computation has
        none, of the comparisons with other implementations. The verdict is over every check.
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
    badness = rows.groupby(["computation", "who"])["badness"].max()
    return worst.reindex(badness.index).assign(verdict=badness.map(_FROM_BEST.__getitem__))


def latest(timings: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of each case: a case run again replaces what it was."""
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
    """Divide the other implementations' times by the baseline's own, of the same or another table.

    Args:
        times: Medians of every implementation.
        baseline: Medians, of which only the baseline implementation's count.
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
