"""Command line: `python -m verify [COMPUTATION]...`."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TypeVar

import click

from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, GPU_BACKENDS, Backend, Computation
from reference_impls.datasets import DatasetError
from reference_impls.validation import check_choice, nearest
from results.environment import write_environment
from results.errors import ResultsError
from results.store import Appender
from results.tables import ARGMIN, VERDICTS, Argmin, Row, Table, Verdict
from verify.argmin import Evidence, argmin_evidence
from verify.compare import Check, overall
from verify.gradients import DEVICE_MARK, Case, make_cases, verify_case
from verify.optimality import OptimalityError
from verify.terminal import Report, catalogue, make_console, progress
from verify.threads import one_thread

R = TypeVar("R", bound=Row)

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
    except (ResultsError, DatasetError, OptimalityError) as error:
        return _complain(str(error))
    return status


def _complain(message: str) -> int:
    click.echo(f"verify: {message}", err=True)
    return BAD_INPUT


def _known_computations(
    _: click.Context, __: click.Parameter, names: tuple[str, ...]
) -> list[Computation]:
    by_name = {computation.name: computation for computation in COMPUTATIONS}
    for name in names:
        _check("computation", name, by_name)
    return [by_name[name] for name in dict.fromkeys(names)] or list(COMPUTATIONS)


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


@click.command
@click.argument("computations", nargs=-1, metavar="[COMPUTATION]...", callback=_known_computations)
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
    "`python -m results report` reads verdicts.csv and argmin.csv.",
)
@click.option("--list", "only_list", is_flag=True, help="List the computations and stop.")
def main(
    computations: list[Computation],
    dtypes: tuple[str, ...],
    size: str,
    seed: int,
    path: Path | None,
    *,
    only_list: bool,
) -> int:
    """Hold every implementation of every COMPUTATION against the others and against an oracle.

    Exit status: 0 if nothing disagrees, 1 if something does, 2 for a mistake in the command.

    GRADJURY_DIGITS may name a folder of MNIST IDX files to use, GRADJURY_PRICES the DJIA 30 CSV.
    """
    console = make_console()
    if only_list:
        console.print(catalogue(computations))
        return AGREED
    plan = [(each, chosen) for each in computations for chosen in _sizes(each, size)]
    backends = [backend for backend in (*BACKENDS, *GPU_BACKENDS) if not backend.missing()]
    report = Report(console)
    try:
        with (
            one_thread(),  # first, so that the environment is recorded as it is computed in
            _appender(path, VERDICTS) as verdicts,
            _ArgminFile(_argmin_path(path, computations)) as argmins,
        ):
            for case, checks, evidence in _run(plan, seed, dtypes, backends):
                if verdicts:
                    for check in checks:
                        verdicts.append(_row(case, check))
                for each in evidence:
                    argmins.append(_argmin_row(case, each))
                report.add(case, checks, evidence)
    except KeyboardInterrupt:
        kept = f"; the rows so far are in {path}" if path else ""
        click.echo(f"verify: interrupted after {report.checks} checks{kept}", err=True)
        return INTERRUPTED
    report.show(_command)
    return DISAGREED if report.disagreements else AGREED


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
) -> Iterator[tuple[Case, list[Check], list[Evidence]]]:
    with progress() as bar:
        task = bar.add_task("", total=len(plan) * len(dtypes))
        for computation, size in plan:
            bar.update(task, description=f"{computation.name} {size:,}")
            for case in make_cases(computation, size, seed, dtypes, backends):
                evidence = argmin_evidence(case, backends)
                checks = [check for each in evidence for check in each.checks]
                yield case, verify_case(case, backends) + checks, evidence
                bar.advance(task)


def _row(case: Case, check: Check) -> Verdict:
    worst = check.worst
    implementation, _, device = check.implementation.partition(DEVICE_MARK)
    return Verdict(
        computation=case.computation.name,
        implementation=implementation,
        device=device or "cpu",
        dtype=case.dtype,
        size=case.size,
        tutorial_size=case.size == case.computation.tutorial_size,
        seed=case.seed,
        check=check.kind,
        against=check.against,
        argument=worst and worst.argument,
        index=worst and worst.index,
        got=worst and worst.got,
        expected=worst and worst.expected,
        error=worst and worst.error,
        scale=worst and worst.scale,
        tolerance=worst and worst.tolerance,
        ulps=worst and worst.ulps,
        verdict=check.verdict,
        detail=check.detail,
    )


def _argmin_row(case: Case, evidence: Evidence) -> Argmin:
    implementation, _, device = evidence.implementation.partition(DEVICE_MARK)
    return Argmin(
        computation=case.computation.name,
        implementation=implementation,
        device=device or "cpu",
        size=case.size,
        tutorial_size=case.size == case.computation.tutorial_size,
        seed=case.seed,
        unknowns=evidence.unknowns,
        residual=evidence.residual,
        condition=evidence.condition,
        rank=evidence.rank,
        active=evidence.active,
        margin=evidence.margin,
        optimality=evidence.error("optimality"),
        defining_equation=evidence.error("K J + R"),
        implicit_function=evidence.error("implicit function"),
        finite_differences=evidence.error("finite differences"),
        plateau=evidence.plateau,
        unrolled=evidence.error("unrolled"),
        manual=evidence.error("manual"),
        scaled=evidence.error("c · f"),
        initial_guess=evidence.error("initial guess"),
        guess_gradient=evidence.error("gradient for the guess"),
        linearity=evidence.error("linearity"),
        one_side=evidence.error("one side"),
        verdict=overall(evidence.checks),
    )


def _command(case: Case) -> str:
    """The command that checks this case again."""
    options = ["--dtype", case.dtype, "--size", str(case.size), "--seed", str(case.seed)]
    return shlex.join(["python", "-m", "verify", case.computation.name, *options])


if __name__ == "__main__":
    sys.exit(run())
