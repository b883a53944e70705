"""`python -m verify --seeds`: false alarms, counted over seeds."""

from contextlib import closing

from results.tables import ALARMS, Alarms
from verify.command.appending import appender_for, record_environment
from verify.command.console import make_console
from verify.command.options import Options
from verify.command.outcome import interrupted, status_of


def run(options: Options) -> int:
    """Count alarms, and write and print the rows as they come; the exit status."""
    plan = options.plan()
    seeds = range(options.seed, options.seed + (options.seeds or 0))
    console = make_console()
    counted: list[Alarms] = []
    with appender_for(options.path, ALARMS) as alarms:
        try:
            # It loads the engines, which takes seconds: all that can be refused has been by now.
            from verify.trust.alarms import count_alarms  # noqa: PLC0415

            record_environment(options.path)
            counts = count_alarms(plan, options.dtypes, seeds, options.jobs, options.timeout)
            with closing(counts) as rows:
                for row in rows:
                    counted.append(row)
                    if alarms:
                        alarms.append(row)
                    console.print(alarm_line(row), markup=False)
        except KeyboardInterrupt:
            return interrupted(f"{len(counted)} rows", options.path)
    return status_of(
        disagree=any(row.disagree for row in counted),
        undecided=any(row.inconclusive or row.unsupported for row in counted),
        strict=options.strict,
    )


def alarm_line(row: Alarms) -> str:
    """What came of one computation over its seeds."""
    others = f", {row.inconclusive} inconclusive, {row.unsupported} unsupported"
    line = (
        f"{row.computation} {row.size:,} {row.dtype}: {row.seeds} seeds, {row.checks:,} checks, "
        f"{row.disagree} disagree{others}; closest to its tolerance {row.closest or 0:.2f}, "
        f"{row.closest_check}"
    )
    return f"{line}; {row.note}" if row.note else line
