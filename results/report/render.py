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
from results.report import layers, summaries, trust
from results.report.argmin import evidence_section
from results.report.text import MISSING, digits, error, markdown, ratio, seconds, shown, table
from results.store import Contents, read
from results.tables import (
    ALARMS,
    ARGMIN,
    COSTS,
    KILLS,
    LAYERS,
    MEMORY,
    TABLES,
    TIMINGS,
    VERDICTS,
    Row,
    Table,
    Timing,
    Verdict,
)

FILE_NAME = "report.md"

REMARKS = Path(__file__).with_name("remarks.toml")
TEMPLATE = Path(__file__).with_name("report.md.jinja")

R = TypeVar("R", bound=Row)


def write_report(directory: Path | str) -> Path:
    """Write `report.md` beside the measurements it is made from.

    Args:
        directory: Holds `environment.json` and at least one of the files in `TABLES`.

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
    if not any((directory / kind.file_name).exists() for kind in TABLES):
        names = ", ".join(kind.file_name for kind in TABLES)
        raise ResultsError(f"{directory}: none of {names}")
    return _template().render(
        environment=_environment(directory),
        verdicts=_section(directory, VERDICTS, _verdict_section),
        argmin=_section(directory, ARGMIN, evidence_section),
        kills=_section(directory, KILLS, trust.kill_section),
        alarms=_section(directory, ALARMS, trust.alarm_section),
        timings=_section(directory, TIMINGS, _timing_section),
        layers=_section(directory, LAYERS, layers.time_section),
        memory=_section(directory, MEMORY, layers.memory_section),
        costs=_section(directory, COSTS, trust.cost_section),
    )


def _section(
    directory: Path, table: Table[R], section: Callable[[Contents[R]], dict[str, Any]]
) -> dict[str, Any] | None:
    """Make a section of a file, if it is there."""
    path = directory / table.file_name
    return section(read(path, table)) if path.exists() else None


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
                "scaling": table(summaries.medians(timings, dtype, "gradient"), seconds),
                **_gpu_tables(timings, dtype),
            }
            for dtype in _dtypes(timings[timings["status"] == "ok"])
        },
        "compared": len(manual_over_torch),
        "slower": _slower_table(summaries.slower(manual_over_torch)),
        "statuses": markdown(summaries.status_counts(timings), words=2),
        "reasons": markdown(summaries.reasons(timings), words=2),
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
        "times": table(times, seconds),
        "omegas": table(omegas, ratio),
        "omega_means": _means_table(omegas),
        "slowness": table(slowness, ratio),
        "slowness_means": _means_table(slowness),
    }


def _gpu_tables(timings: pd.DataFrame, dtype: str) -> dict[str, str]:
    def over_gpu(rows: pd.DataFrame) -> pd.DataFrame:
        gradients = summaries.medians(rows, dtype, "gradient")
        return summaries.at_largest_sizes(summaries.cpu_over_gpu(gradients))

    ratios = _side_by_side(
        {
            "{} at the tutorial's size": over_gpu(timings[timings["tutorial_size"]]),
            "{} at the largest": over_gpu(timings),
        }
    )
    return {"over_gpu": table(ratios, ratio), "over_gpu_means": _means_table(ratios)}


def _accuracy_table(worst: pd.DataFrame) -> str:
    cells = pd.Series([_accuracy_cell(row) for row in worst.itertuples()], index=worst.index)
    return markdown(cells.unstack("who").fillna(MISSING).reset_index())  # noqa: PD010 - a Series


def _accuracy_cell(worst: Any) -> str:  # noqa: ANN401 - a named tuple that pandas makes
    parts = [
        shown(worst.relative_error, error),
        shown(worst.ulps, lambda ulps: f"{digits(ulps)} ulp"),
        f"**{worst.verdict}**" if worst.verdict == "disagree" else worst.verdict,
    ]
    return ", ".join(part for part in parts if part != MISSING)


def _slower_table(ratios: "pd.Series[float]") -> str:
    reasons = tomllib.loads(REMARKS.read_text(encoding="utf-8"))
    table = ratios.map(ratio).reset_index(name="manual / torch")
    table["reason"] = [reasons.get(name, "no reason recorded") for name in table["computation"]]
    return markdown(table)


def _means_table(ratios: pd.DataFrame) -> str:
    means = summaries.geometric_means(ratios)
    means["mean"] = [shown(mean, ratio) for mean in means["mean"]]
    means.columns = pd.Index(["geometric mean", "computations"])
    return markdown(means.rename_axis("").reset_index())


def _side_by_side(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Join tables by row, naming each column after its table and the column it was."""
    return pd.concat([frame.rename(columns=name.format) for name, frame in frames.items()], axis=1)


def _dtypes(frame: pd.DataFrame) -> list[str]:
    """List the dtypes, the most precise first."""
    return sorted(frame["dtype"].unique(), reverse=True)
