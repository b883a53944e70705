"""Command line: `python -m verify [COMPUTATION | FILE.py:NAME]...`."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TypeVar

import click
from click.core import ParameterSource
from rich.console import Console

from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, GPU_BACKENDS, Backend, Computation
from reference_impls.datasets import DatasetError
from reference_impls.validation import check_choice, nearest
from results.environment import write_environment
from results.errors import ResultsError
from results.report.trust import OURS
from results.store import Appender
from results.tables import ALARMS, ARGMIN, KILLS, VERDICTS, Alarms, Argmin, Kill, Row, Table
from verify.alarms import count_alarms
from verify.cases import Case
from verify.catalogue import Outcome, outcomes
from verify.checker import check
from verify.faults import AWKWARD, FAULTS
from verify.kill_matrix import matrix_table, run_matrix
from verify.optimality import OptimalityError
from verify.peers import PEERS, Peer
from verify.rows import argmin_row, verdict_row
from verify.terminal import Summary, alarm_line, catalogue, make_console, progress
from verify.threads import one_thread
from verify.user_file import UserFileError, check_user_file, is_user_file

R = TypeVar("R", bound=Row)
Subjects = tuple[list[Computation], list[str]]
"""Computations of the catalogue, and functions in files as ``FILE.py:NAME``."""

NAMES, FILE, CATALOGUE = "a NAME", "FILE.py:NAME", "the checks of the catalogue"
USED = {
    "--list": (NAMES,),
    FILE: (NAMES, "--seed"),
    "--faults": ("--peers", "--entries", "--seed", "--csv"),
    "--seeds": (NAMES, "--dtype", "--size", "--seed", "--csv", "--jobs"),
    CATALOGUE: (NAMES, "--dtype", "--size", "--seed", "--csv"),
}
"""What each way to run reads of the command line; the first that is asked for is taken."""

SIZE_WORDS = ("tutorial", "smallest", "largest", "all")
AGREED, DISAGREED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Returns:
        The exit status.
    """
    try:
        status: int = main.main(arguments, prog_name="python -m verify", standalone_mode=False)
    except click.NoSuchOption as error:
        options = [name for parameter in main.params for name in parameter.opts if "-" in name]
        return _complain(
            f"unknown option {error.option_name!r}: accepted are {', '.join(options)}, --help"
            f"{nearest(error.option_name, options)}"
        )
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        return _complain(error.format_message())
    except (ResultsError, DatasetError, OptimalityError, UserFileError) as error:
        return _complain(str(error))
    return status


def _complain(message: str) -> int:
    click.echo(f"verify: {message}", err=True)
    return BAD_INPUT


def _known_subjects(_: click.Context, __: click.Parameter, arguments: tuple[str, ...]) -> Subjects:
    by_name = {computation.name: computation for computation in COMPUTATIONS}
    files = [argument for argument in dict.fromkeys(arguments) if is_user_file(argument)]
    names = [argument for argument in dict.fromkeys(arguments) if not is_user_file(argument)]
    for name in names:
        _check("computation", name, by_name)
    if names and files:
        raise click.UsageError(f"got {names[0]} and {files[0]}, wanted computations or files alone")
    return [by_name[name] for name in names] or list(COMPUTATIONS), files


def _known_dtypes(
    _: click.Context, __: click.Parameter, dtypes: tuple[str, ...]
) -> tuple[str, ...]:
    for dtype in dtypes:
        _check("dtype", dtype, DTYPES)
    return tuple(dict.fromkeys(dtypes)) or DTYPES


def _check(kind: str, given: str, accepted: Iterable[str]) -> None:
    try:
        check_choice(kind, given, accepted)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _not_the_argmins_file(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path and path.name == ARGMIN.file_name:
        raise click.UsageError(
            f"--csv: got {path}, wanted another name: the evidence for argmins goes there, beside "
            f"the checks, which go to {VERDICTS.file_name}, say"
        )
    return path


def _refuse_unused(context: click.Context, mode: str) -> None:
    """An option that would be read and forgotten."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        name = parameter.opts[0] if isinstance(parameter, click.Option) else NAMES
        if source is ParameterSource.COMMANDLINE and name not in (mode, *USED[mode]):
            homes = [each for each, used in USED.items() if name in used] or ["nothing else"]
            raise click.UsageError(f"got {name} with {mode}; it goes with {', '.join(homes)}")


@click.command
@click.argument("subjects", nargs=-1, metavar="[NAME]...", callback=_known_subjects)
@click.option(
    "--dtype", "dtypes", multiple=True, callback=_known_dtypes, help="float64, float32; or both."
)
@click.option(
    "--size",
    default="tutorial",
    show_default=True,
    help=f"{', '.join(SIZE_WORDS)}, or a number that --list shows. The tutorial's, where that is a "
    "single row, comes with the next size.",
)
@click.option("--seed", default=0, type=click.IntRange(min=0), help="Of everything random.")
@click.option(
    "--csv",
    "path",
    type=click.Path(path_type=Path),
    callback=_not_the_argmins_file,
    help="Append every check here, and the evidence for argmins to argmin.csv beside it; "
    "`python -m results report` reads verdicts.csv and argmin.csv, kills.csv for --faults and "
    "alarms.csv for --seeds.",
)
@click.option("--faults", is_flag=True, help="Check the checker: on planted faults, a kill matrix.")
@click.option("--peers", is_flag=True, help="With --faults: ask other people's checkers, too.")
@click.option(
    "--entries",
    type=click.IntRange(min=1),
    help="With --faults: leave out sizes beyond this, which take most of the time.",
)
@click.option(
    "--seeds",
    default=None,
    type=click.IntRange(min=1),
    help="Count false alarms over so many seeds, from --seed on.",
)
@click.option("--jobs", default=1, type=click.IntRange(min=1), help="With --seeds: processes.")
@click.option("--list", "only_list", is_flag=True, help="List the computations and stop.")
def main(
    subjects: Subjects,
    dtypes: tuple[str, ...],
    size: str,
    seed: int,
    path: Path | None,
    seeds: int | None,
    jobs: int,
    entries: int | None,
    *,
    faults: bool,
    peers: bool,
    only_list: bool,
) -> int:
    """Hold every implementation of every computation NAMEd against the others and an oracle.

    A NAME may also be FILE.py:NAME, a function of your own, with its primals in NAME_primals.

    Exit status: 0 if nothing disagrees, 1 if something does, 2 for a mistake in the command.

    GRADJURY_DIGITS may name a folder of MNIST IDX files to use, GRADJURY_PRICES the DJIA 30 CSV.
    """
    console = make_console()
    computations, files = subjects
    asked = {"--list": only_list, FILE: files, "--faults": faults, "--seeds": seeds}
    mode = next((name for name, given in asked.items() if given), CATALOGUE)
    _refuse_unused(click.get_current_context(), mode)
    if only_list:
        console.print(catalogue(computations))
        return AGREED
    if files:
        return _check_files(console, files, seed)
    if faults:
        return _show_kills(console, path, seed, PEERS if peers else (), entries)
    plan = [(each, chosen) for each in computations for chosen in _sizes(each, size)]
    if seeds:
        numbers = range(seed, seed + seeds)
        return _show_alarms(console, path, count_alarms(plan, dtypes, numbers, jobs))
    return _check_catalogue(console, path, plan, seed, dtypes)


def _check_catalogue(
    console: Console,
    path: Path | None,
    plan: list[tuple[Computation, int]],
    seed: int,
    dtypes: Sequence[str],
) -> int:
    backends = [backend for backend in (*BACKENDS, *GPU_BACKENDS) if not backend.missing()]
    summary = Summary(console)
    try:
        with (
            one_thread(),  # first, so that the environment is recorded as it is computed in
            _appender(path, VERDICTS) as verdicts,
            _ArgminFile(_argmin_path(path, [computation for computation, _ in plan])) as argmins,
        ):
            for outcome in _run(plan, seed, dtypes, backends):
                if verdicts:
                    for each in outcome.checks:
                        verdicts.append(verdict_row(outcome.case, each))
                for evidence in outcome.evidence:
                    argmins.append(argmin_row(outcome.case, evidence))
                summary.add(outcome)
    except KeyboardInterrupt:
        return _interrupted(f"{summary.checks} checks", path)
    summary.show(_command)
    return DISAGREED if summary.disagreements else AGREED


def _interrupted(done: str, path: Path | None) -> int:
    kept = f"; the rows so far are in {path}" if path else ""
    click.echo(f"verify: interrupted after {done}{kept}", err=True)
    return INTERRUPTED


def _check_files(console: Console, files: Sequence[str], seed: int) -> int:
    reports = []
    for file in files:
        try:
            reports.append(check_user_file(file, seed))
        except (TypeError, ValueError) as error:
            raise UserFileError(str(error)) from error
        shown = str(reports[-1] or f"{file}: no verdict was against it")
        console.print(shown, markup=False, soft_wrap=True)
    agreed = all(report is None or report.verdict == "agree" for report in reports)
    return AGREED if agreed else DISAGREED


def _show_kills(
    console: Console, path: Path | None, seed: int, peers: Sequence[Peer], entries: int | None
) -> int:
    rows: list[Kill] = []
    try:
        with one_thread(), _appender(path, KILLS) as kills, progress() as bar:
            names = [fault.name for fault in FAULTS] + [each.name for each in AWKWARD]
            positions = {name: position for position, name in enumerate(names, start=1)}
            task = bar.add_task("", total=len(names))
            for row in run_matrix(FAULTS, AWKWARD, peers, seed, check, entries):
                rows.append(row)
                if kills:
                    kills.append(row)
                bar.update(task, description=row.fault, completed=positions[row.fault])
    except KeyboardInterrupt:
        return _interrupted(f"{len(rows)} answers", path)
    console.print(matrix_table(rows))
    ours = [row for row in rows if row.checker == OURS]
    failed = [row for row in ours if row.outcome in ("missed", "flagged")]
    for row in failed:
        line = (
            f"{row.outcome}: {row.fault}, size {row.size}, {row.dtype}: {row.verdict} {row.detail}"
        )
        console.print(line, markup=False)
    return DISAGREED if failed else AGREED


def _show_alarms(console: Console, path: Path | None, rows: Iterator[Alarms]) -> int:
    counted: list[Alarms] = []
    try:
        with _appender(path, ALARMS) as alarms:
            for row in rows:
                counted.append(row)
                if alarms:
                    alarms.append(row)
                console.print(alarm_line(row), markup=False)
    except KeyboardInterrupt:
        return _interrupted(f"{len(counted)} rows", path)
    return DISAGREED if any(row.disagree for row in counted) else AGREED


def _sizes(computation: Computation, wanted: str) -> list[int]:
    ascending = sorted(computation.sizes)
    # A single row shows no fault in a sum over rows: then the next size is checked as well.
    single = ascending[:2] if computation.tutorial_size == 1 else []
    words = {
        "tutorial": single or [computation.tutorial_size],
        "smallest": ascending[:1],
        "largest": ascending[-1:],
        "all": ascending,
    }
    numbers = {str(size): [size] for size in ascending}
    _check(f"size for {computation.name}:", wanted, words | numbers)
    return (words | numbers)[wanted]


def _appender(path: Path | None, table: Table[R]) -> Appender[R] | nullcontext[None]:
    if path is None:
        return nullcontext()
    appender = Appender(path, table)
    if path.resolve().is_file():
        write_environment(path.parent)
    return appender


class _ArgminFile(ExitStack):
    """Begun with its first row; opened at once if it is there, so that it can be refused at once.

    Args:
        path: of the file; without one, rows are dropped.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._path = path
        self._appender = self._opened() if path and path.exists() else None

    def append(self, row: Argmin) -> None:
        self._appender = self._appender or self._opened()
        if self._appender:
            self._appender.append(row)

    def _opened(self) -> Appender[Argmin] | None:
        return self.enter_context(Appender(self._path, ARGMIN)) if self._path else None


def _argmin_path(verdicts: Path | None, computations: Sequence[Computation]) -> Path | None:
    """Beside the verdicts, if those go to a file and there will be something to write."""
    if verdicts is None or not verdicts.is_file():
        return None
    has_argmins = any(computation.optimality for computation in computations)
    return verdicts.with_name(ARGMIN.file_name) if has_argmins else None


def _run(
    plan: list[tuple[Computation, int]],
    seed: int,
    dtypes: Sequence[str],
    backends: Sequence[Backend],
) -> Iterator[Outcome]:
    with progress() as bar:
        task = bar.add_task("", total=len(plan) * len(dtypes))
        for computation, size in plan:
            bar.update(task, description=f"{computation.name} {size:,}")
            for outcome in outcomes(computation, size, seed, dtypes, backends):
                yield outcome
                bar.advance(task)


def _command(case: Case) -> str:
    """The command that checks this case again."""
    options = ["--dtype", case.dtype, "--size", str(case.size), "--seed", str(case.seed)]
    return shlex.join(["python", "-m", "verify", case.computation.name, *options])


if __name__ == "__main__":
    sys.exit(run())
