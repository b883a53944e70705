"""`python -m verify --trainings`: the trainings, run by every implementation, and judged.

Each run writes its rows as they come, in whatever process it is done. A run that ended without a
disagreement is not done again when the same file is given; one that was cut off begins anew.
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reference_impls.running.processes import processes, shared_by
from reference_impls.running.threads import one_thread
from reference_impls.trainings import TRAINING_NAMES
from results.environment import FILE_NAME
from results.store import Appender, read
from results.tables import CURVES, TRAINING_CHECKS, TRAININGS, Table, TrainingVerdict
from verify.command.appending import appender_for, record_environment
from verify.command.console import make_console, progress
from verify.command.options import Options
from verify.command.outcome import interrupted, status_of
from verify.command.training_lines import (
    RunKey,
    is_left_out,
    is_refusal,
    is_wrong,
    key_of,
    lines_of,
    summary,
)

if TYPE_CHECKING:
    from reference_impls.training import Training

BESIDE: tuple[Table[Any], ...] = (TRAINING_CHECKS, CURVES)
"""The tables that go into files beside the one that is named."""

LARGEST_SEED = 2**32 - 1
"""The tutorials draw from NumPy's older generator, which takes no larger one."""

MAIN_DTYPE = "float64"
"""Further seeds are run in this one alone."""

Done = Generator[tuple[RunKey, list[TrainingVerdict]]]
"""Runs and their checks, as they end."""


def run(options: Options) -> int:
    """Run every training that is asked for; the exit status."""
    _refuse_what_cannot_be_written(options.path)
    console = make_console()
    plan = _plan(options)
    finished = _finished(options.path)
    missing = [key for key in plan if key not in finished]
    if len(missing) < len(plan):
        known = f"{len(plan) - len(missing)} of {len(plan)} runs are in {options.path} already"
        console.print(f"{known}, and not done again.", markup=False, soft_wrap=True)
    are_few = len(options.subjects.trainings) < len(TRAINING_NAMES)
    checks: dict[RunKey, list[TrainingVerdict]] = {}
    try:
        if missing:
            with one_thread():
                record_environment(options.path)
        with closing(_done(missing, options)) as ended:
            for key, rows in ended:
                checks[key] = rows
                for line in lines_of(key, rows, with_numbers=are_few):
                    console.print(line, markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        return interrupted(f"{len(checks)} trainings", options.path)
    wrong = [key for key, rows in checks.items() if any(map(is_wrong, rows))]
    for line in summary(checks, wrong):
        console.print(line, markup=False, soft_wrap=True)
    rows = [row for each in checks.values() for row in each]
    refused = any(is_refusal(row) or is_left_out(row) for row in rows)
    return status_of(disagree=bool(wrong), undecided=refused, strict=options.strict)


def _plan(options: Options) -> list[RunKey]:
    """A run of each training for each dtype, and in float64 for each further seed.

    Where no dtype is given, a training says which are worth a run.

    Raises:
        click.UsageError: the seed is too large.
    """
    from reference_impls.trainings import load_training  # noqa: PLC0415 -- it imports the engines

    if options.seed_given and options.seed > LARGEST_SEED:
        raise click.UsageError(f"--seed: got {options.seed}, wanted at most {LARGEST_SEED}")

    def keys(training: "Training") -> Iterator[RunKey]:
        seeds = [options.seed] if options.seed_given else training.seeds
        dtypes = options.dtypes if options.dtypes_given else training.dtypes
        for seed in seeds:
            for dtype in dtypes:
                if seed == seeds[0] or dtype == MAIN_DTYPE:
                    yield RunKey(training.name, seed, dtype)

    return [key for name in options.subjects.trainings for key in keys(load_training(name))]


def _refuse_what_cannot_be_written(path: Path | None) -> None:
    """Opens every file once: what cannot be opened is refused before anything is run.

    Raises:
        click.UsageError: the file bears the name of one that other rows go to.
        results.errors.ResultsError: a file cannot be written, or holds another table.
    """
    names = [*(table.file_name for table in BESIDE), FILE_NAME]
    if path and path.name in names:
        raise click.UsageError(
            f"--csv: got {path}, wanted another name: {', '.join(names)} are written beside the "
            f"steps, which go to {TRAININGS.file_name}, say"
        )
    with appender_for(path, TRAININGS):
        pass
    if path and path.is_file():
        for table in BESIDE:
            Appender(path.with_name(table.file_name), table).close()


def _finished(path: Path | None) -> set[RunKey]:
    """The runs that ended, and without a disagreement, as the files say."""
    if path is None or not path.is_file():
        return set()
    rows = read(path.with_name(TRAINING_CHECKS.file_name), TRAINING_CHECKS).rows
    last = {key_of(row): row.verdict for row in rows if row.check == "finished"}
    # The checks may be those of steps in another file beside them.
    written = {RunKey(row.run, row.seed, row.dtype) for row in read(path, TRAININGS).rows}
    return {key for key, verdict in last.items() if verdict == "agree" and key in written}


def _done(plan: Sequence[RunKey], options: Options) -> Done:
    """The runs, as they end, and what came of them."""
    count = shared_by(len(plan), options.jobs)
    with progress() as bar:
        task = bar.add_task("", total=len(plan))
        found = _in_processes(count, plan, options.path) if count > 1 else _here(plan, options.path)
        # A second Ctrl-C would go unheard in a generator that nobody closes.
        with closing(found):
            for key, rows in found:
                yield key, rows
                bar.update(task, advance=1, description=key.name)


def _here(plan: Sequence[RunKey], path: Path | None) -> Done:
    from verify.command.training_run import run_and_write  # noqa: PLC0415 -- imports the engines

    for key in plan:
        yield key, run_and_write(key, path)


def _in_processes(count: int, plan: Sequence[RunKey], path: Path | None) -> Done:
    with processes(count) as pool:
        keys = {pool.submit(_run_and_write, key, path): key for key in plan}
        for future in as_completed(keys):
            yield keys[future], future.result()


def _run_and_write(key: RunKey, path: Path | None) -> list[TrainingVerdict]:
    from verify.command.training_run import run_and_write  # noqa: PLC0415 -- imports the engines

    return run_and_write(key, path)
