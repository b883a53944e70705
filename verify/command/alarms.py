"""`python -m verify --seeds`: false alarms, counted over seeds."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from results.tables import ALARMS, Alarms
from verify.command.outcome import AGREED, DISAGREED, appender_for, interrupted


def show_alarms(console: Console, path: Path | None, rows: Iterator[Alarms]) -> int:
    """Write and print rows as they come; the exit status."""
    counted: list[Alarms] = []
    try:
        with appender_for(path, ALARMS) as alarms:
            for row in rows:
                counted.append(row)
                if alarms:
                    alarms.append(row)
                console.print(alarm_line(row), markup=False)
    except KeyboardInterrupt:
        return interrupted(f"{len(counted)} rows", path)
    return DISAGREED if any(row.disagree for row in counted) else AGREED


def alarm_line(row: Alarms) -> str:
    """What came of one computation over its seeds."""
    others = f", {row.inconclusive} inconclusive, {row.unsupported} unsupported"
    line = (
        f"{row.computation} {row.size:,} {row.dtype}: {row.seeds} seeds, {row.checks:,} checks, "
        f"{row.disagree} disagree{others}; closest to its tolerance {row.closest or 0:.2f}, "
        f"{row.closest_check}"
    )
    return f"{line}; {row.note}" if row.note else line
