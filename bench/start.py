"""How long commands take to start: `python -m bench.start [--csv PATH] [--checkout DIR]...`.

Every command runs in a fresh process. The speed of a machine changes while it is measured, so all
commands of all checkouts take turns, and each is divided by the bare imports of the same round.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import click

from bench import script
from bench.directory import ROOT, new_directory
from bench.script import csv_option, repeats_option
from bench.turns import median_ratio, spread, to_and_fro
from results.environment import git_state, utc_now, write_environment
from results.store import Appender
from results.tables import NUMPY_IMPORT, STARTS, TORCH_IMPORT, Start, Status

MOST_SECONDS = 300.0
"""A command that takes longer is stopped, and its row says so."""

NOT_INHERITED = ("PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE")
"""With the first, a process would not find the checkout; with the second, it would compile anew."""


@dataclass(frozen=True)
class Command:
    """What is started.

    Attributes:
        name: as in `starts.csv`.
        arguments: of the interpreter.
        status: the exit status that it should end with.
        package: the folder of a checkout that it needs; None if it needs no checkout.
    """

    name: str
    arguments: tuple[str, ...]
    status: int = 0
    package: str | None = "verify"


def _code(line: str, package: str | None = "verify") -> Command:
    return Command(line, ("-c", line), package=package)


def _module(arguments: str, status: int = 0, package: str = "verify") -> Command:
    return Command(f"python {arguments}", tuple(arguments.split()), status, package)


BARE_IMPORTS = (_code(NUMPY_IMPORT, package=None), _code(TORCH_IMPORT, package=None))

COMMANDS = (
    _code("from verify import check"),
    _module("-m verify --help"),
    _module("-m verify --list"),
    _module("-m verify no_such_computation", status=2),
    _module("-m verify no_such_file.py:function", status=2),
    _module("-m gradjury --version", package="gradjury"),
)


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, to be measured.

    Attributes:
        directory: its root, where commands are run.
        commit: None outside git.
        dirty: were tracked files changed since; None outside git.
    """

    directory: Path
    commit: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True)
class Duration:
    """What one process took, from its start to its end.

    Attributes:
        seconds: by the clock.
        cpu_seconds: on the processor.
    """

    seconds: float
    cpu_seconds: float


class FailedError(Exception):
    """Why a command did not end as it should, in one line."""


@dataclass
class StartTrial:
    """One command in one checkout, and what came of it so far.

    Attributes:
        command: what is started.
        checkout: where.
        durations: of each round; none if it is not timed.
        status: is it timed.
        reason: why it is not; empty if it is.
    """

    command: Command
    checkout: Checkout
    durations: list[Duration] = field(default_factory=list)
    status: Status = "ok"
    reason: str = ""

    def stop(self, status: Status, reason: str) -> None:
        """Time it no more, and forget its times so far."""
        self.status, self.reason = status, reason
        self.durations.clear()

    def row(self, beside: "Sequence[StartTrial]") -> Start:
        """Its row in `starts.csv`.

        Args:
            beside: the trials of `BARE_IMPORTS`, in that order.
        """
        numpy_import, torch_import = beside
        seconds = [each.seconds for each in self.durations]
        cpu_seconds = [each.cpu_seconds for each in self.durations]
        return Start(
            measured_at=utc_now(),
            commit=self.checkout.commit,
            dirty=self.checkout.dirty,
            command=self.command.name,
            status=self.status,
            reason=self.reason,
            median_s=median(seconds) if seconds else None,
            min_s=min(seconds) if seconds else None,
            iqr_s=spread(seconds),
            cpu_s=median(cpu_seconds) if seconds else None,
            rounds=len(seconds) or None,
            over_numpy=self._over(numpy_import),
            over_torch=self._over(torch_import),
        )

    def _over(self, other: "StartTrial") -> float | None:
        mine, theirs = ([each.seconds for each in trial.durations] for trial in (self, other))
        return median_ratio(mine, theirs)


def start_once(command: Command, directory: Path) -> Duration:
    """Run a command in a fresh process.

    Args:
        command: what is started.
        directory: where.

    Raises:
        FailedError: it took too long, or ended with another status than it should.
    """
    environment = {name: it for name, it in os.environ.items() if name not in NOT_INHERITED}
    started, before = perf_counter(), os.times()
    try:
        done = subprocess.run(  # noqa: S603 -- our own commands
            [sys.executable, *command.arguments],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"took more than {MOST_SECONDS:g} s") from None
    seconds, after = perf_counter() - started, os.times()
    if done.returncode != command.status:
        ended = f"exit status {done.returncode}, wanted {command.status}"
        raise FailedError(": ".join([ended, *done.stderr.strip().splitlines()[-1:]]))
    in_user = after.children_user - before.children_user
    return Duration(seconds, in_user + after.children_system - before.children_system)


def trials_of(commands: Sequence[Command], checkouts: Sequence[Checkout]) -> list[StartTrial]:
    """Every command in every checkout; skipped where that lacks the package."""
    trials = [StartTrial(command, checkout) for command in commands for checkout in checkouts]
    for trial in trials:
        package = trial.command.package
        if package and not (trial.checkout.directory / package).is_dir():
            trial.stop("skipped", f"this checkout has no {package}/")
    return trials


def measure(trials: Sequence[StartTrial], repeats: int) -> Iterator[str]:
    """Time trials in turn, and say what was done.

    Args:
        trials: each is given its durations, or the reason why it has none.
        repeats: how many rounds, after one that is not timed.

    Yields:
        One line after each round.
    """
    # The first start is slow: Python compiles what it imports, and the disk has to find it.
    for trial in trials:
        _add(trial, timed=False)
    yield "started everything once"
    for number, order in enumerate(to_and_fro(trials, repeats), start=1):
        for trial in order:
            _add(trial, timed=True)
        yield f"round {number} of {repeats}"


def _add(trial: StartTrial, *, timed: bool) -> None:
    if trial.status != "ok":
        return
    try:
        duration = start_once(trial.command, trial.checkout.directory)
    except FailedError as error:
        trial.stop("failed", str(error))
        return
    if timed:
        trial.durations.append(duration)


def _checkout(directory: Path) -> Checkout:
    initial = directory / "verify" / "__init__.py"
    if not initial.is_file():
        raise click.UsageError(f"--checkout: got {directory}, wanted a folder that has verify/")
    commit, dirty = git_state(initial.resolve())
    return Checkout(directory.resolve(), commit, dirty)


def _checkouts(
    _: click.Context, __: click.Parameter, directories: tuple[Path, ...]
) -> tuple[Checkout, ...]:
    return tuple(_checkout(each) for each in dict.fromkeys((ROOT, *directories)))


@click.command
@csv_option(STARTS)
@repeats_option("each command")
@click.option(
    "--checkout",
    "checkouts",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=_checkouts,
    metavar="DIR",
    help="Measure another checkout beside this one, in the same rounds; may be repeated.",
)
def main(path: Path | None, repeats: int, checkouts: tuple[Checkout, ...]) -> None:
    """Time how long commands take to start, beside bare imports of NumPy and torch."""
    path = path or new_directory() / STARTS.file_name
    imports = trials_of(BARE_IMPORTS, [Checkout(ROOT)])
    trials = [*imports, *trials_of(COMMANDS, checkouts)]
    with Appender(path, STARTS) as appender:
        if path.is_file():
            write_environment(path.parent)
        for line in measure(trials, repeats):
            click.echo(line, err=True)
        for trial in trials:
            appender.append(trial.row(imports))
    click.echo(f"rows: {path}")


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Returns:
        The exit status.
    """
    return script.run(
        main, arguments, name="bench.start", interrupted="rows are written at the end"
    )


if __name__ == "__main__":
    sys.exit(run())
