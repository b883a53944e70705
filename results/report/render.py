"""A report in Markdown, from the summaries and a template."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import pandas as pd

from results import environment
from results.environment import Environment, read_environment
from results.errors import ResultsError, explained
from results.report import summaries
from results.store import Contents, read
from results.tables import TIMINGS, VERDICTS, Row, Table, Timing, Verdict

FILE_NAME = "report.md"

REMARKS = Path(__file__).with_name("remarks.toml")
TEMPLATE = Path(__file__).with_name("report.md.jinja")
MISSING = "—"

R = TypeVar("R", bound=Row)


def write_report(directory: Path | str) -> Path:
    """Write `report.md` beside the measurements it is made from.

    Args:
        directory: Holds `verdicts.csv` or `timings.csv` or both, and `environment.json`.

    Returns:
        The report's path.

    Raises:
        ResultsError: The measurements cannot be read, or the report not written.
    """
    path = Path(directory) / FILE_NAME
    text = render(Path(directory))
    with explained("write", path):
        path.write_text(text, encoding="utf-8")
    return path


def render(directory: Path) -> str:
    """Make the report's text from a directory of measurements.

    Raises:
        ResultsError: The measurements cannot be read, or there are none.
    """
    if not directory.is_dir():
        raise ResultsError(f"cannot read {directory}: not a directory")
    verdicts = _read(directory, VERDICTS)
    timings = _read(directory, TIMINGS)
    if verdicts is None and timings is None:
        raise ResultsError(f"{directory}: neither {VERDICTS.file_name} nor {TIMINGS.file_name}")
    return _template().render(
        environment=_environment(directory),
        verdicts=verdicts and _verdict_section(verdicts),
        timings=timings and _timing_section(timings),
    )


def _read(directory: Path, table: Table[R]) -> Contents[R] | None:
    path = directory / table.file_name
    return read(path, table) if path.exists() else None


def _environment(directory: Path) -> Environment | None:
    known = (directory / environment.FILE_NAME).exists()
    return read_environment(directory) if known else None


def _template() -> jinja2.Template:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=jinja2.select_autoescape(),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template(TEMPLATE.name)


def _verdict_section(contents: Contents[Verdict]) -> dict[str, Any]:
    verdicts = contents.frame
    return {
        "note": contents.note,
        "counts": summaries.verdict_counts(verdicts),
        "accuracy": {
            dtype: _accuracy_table(summaries.accuracy(verdicts, dtype))
            for dtype in _dtypes(verdicts)
        },
    }


def _timing_section(contents: Contents[Timing]) -> dict[str, Any]:
    timings = summaries.latest(contents.frame)
    tutorial = summaries.at_tutorial_sizes(timings)
    gradients = summaries.medians(tutorial, "float64", "gradient")
    manual_over_torch = summaries.baseline_over(gradients, "torch")
    return {
        "note": contents.note,
        "by_dtype": {
            dtype: {
                **_tutorial_tables(tutorial, dtype),
                "scaling": _table(summaries.medians(timings, dtype, "gradient"), seconds),
            }
            for dtype in _dtypes(timings[timings["status"] == "ok"])
        },
        "compared": len(manual_over_torch),
        "slower": _slower_table(summaries.slower(manual_over_torch)),
        "statuses": _markdown(summaries.status_counts(timings), words=2),
        "reasons": _markdown(summaries.reasons(timings), words=2),
    }


def _tutorial_tables(tutorial: pd.DataFrame, dtype: str) -> dict[str, str]:
    values = summaries.medians(tutorial, dtype, "value")
    gradients = summaries.medians(tutorial, dtype, "gradient")
    times = _side_by_side({"{} value": values, "{} gradient": gradients})
    omegas = _side_by_side(
        {
            "{} over its own value": summaries.over_own(gradients, values),
            "{} over manual's value": summaries.over_baseline(gradients, values),
        }
    )
    slowness = _side_by_side(
        {
            "{} / manual, value": summaries.over_baseline(values, values),
            "{} / manual, gradient": summaries.over_baseline(gradients, gradients),
        }
    )
    return {
        "times": _table(times, seconds),
        "omegas": _table(omegas, ratio),
        "omega_means": _means_table(omegas),
        "slowness": _table(slowness, ratio),
        "slowness_means": _means_table(slowness),
    }


def _accuracy_table(worst: pd.DataFrame) -> str:
    cells = pd.Series([_accuracy_cell(row) for row in worst.itertuples()], index=worst.index)
    return _markdown(cells.unstack("who").fillna(MISSING).reset_index())  # noqa: PD010 - a Series


def _accuracy_cell(worst: Any) -> str:  # noqa: ANN401 - a named tuple that pandas makes
    parts = [
        _shown(worst.relative_error, lambda error: f"{error:.1e}"),
        _shown(worst.ulps, lambda ulps: f"{digits(ulps)} ulp"),
        f"**{worst.verdict}**" if worst.verdict == "disagree" else worst.verdict,
    ]
    return ", ".join(part for part in parts if part != MISSING)


def _slower_table(ratios: "pd.Series[float]") -> str:
    reasons = tomllib.loads(REMARKS.read_text(encoding="utf-8"))
    table = ratios.map(ratio).reset_index(name="manual / torch")
    table["reason"] = [reasons.get(name, "no reason recorded") for name in table["computation"]]
    return _markdown(table)


def _means_table(ratios: pd.DataFrame) -> str:
    means = summaries.geometric_means(ratios)
    means["mean"] = [_shown(mean, ratio) for mean in means["mean"]]
    means.columns = pd.Index(["geometric mean", "computations"])
    return _markdown(means.rename_axis("").reset_index())


def _side_by_side(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Join tables by row, naming each column after its table and the column it was."""
    return pd.concat([frame.rename(columns=name.format) for name, frame in frames.items()], axis=1)


def _table(numbers: pd.DataFrame, show: Callable[[float], str]) -> str:
    """Write numbers, a row per computation and size."""
    if numbers.empty:  # it may have rows and no columns
        return ""
    return _markdown(numbers.map(lambda number: _shown(number, show)).reset_index())


def _shown(number: float, show: Callable[[float], str]) -> str:
    return MISSING if pd.isna(number) else show(number)


def _markdown(frame: pd.DataFrame, words: int = 1) -> str:
    """Write a table: columns of words to the left, then of numbers to the right."""
    if frame.empty:
        return ""
    cells = frame.astype(str).map(lambda cell: cell.replace("|", r"\|"))
    align = ["left"] * words + ["right"] * (frame.shape[1] - words)
    return cells.to_markdown(index=False, disable_numparse=True, colalign=align)


def _dtypes(frame: pd.DataFrame) -> list[str]:
    """List the dtypes, the most precise first."""
    return sorted(frame["dtype"].unique(), reverse=True)


def seconds(time: float) -> str:
    """Write a time in the unit that suits it."""
    rounded = float(f"{time:.3g}")  # so that 999.9 µs becomes 1 ms
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    unit = next((unit for unit, size in units.items() if rounded >= size), "ns")
    return f"{digits(time / units[unit])} {unit}"


def ratio(number: float) -> str:
    """Write a ratio."""
    return f"{digits(number)}\N{MULTIPLICATION SIGN}"


def digits(number: float) -> str:
    """Write a number with three significant digits."""
    return f"{float(f'{number:.3g}'):g}"
