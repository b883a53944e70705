"""`python -m verify [COMPUTATION]...`: the checks of the catalogue."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from reference_impls import BACKENDS, GPU_BACKENDS, Backend, Computation
from reference_impls.running.threads import one_thread
from results.store import Appender
from results.tables import ARGMIN, VERDICTS, Argmin
from verify.checks.case import CatalogueCase
from verify.checks.catalogue import Outcome, outcomes
from verify.command.console import progress
from verify.command.outcome import AGREED, DISAGREED, appender_for, check_known, interrupted
from verify.command.rows import argmin_row, verdict_row
from verify.command.summary import Summary


def check_catalogue(
    console: Console,
    path: Path | None,
    plan: list[tuple[Computation, int]],
    seed: int,
    dtypes: Sequence[str],
) -> int:
    """Check every computation and size of the plan; the exit status."""
    backends = [backend for backend in (*BACKENDS, *GPU_BACKENDS) if not backend.missing()]
    summary = Summary(console)
    try:
        with (
            one_thread(),  # first, so that the environment is recorded as it is computed in
            appender_for(path, VERDICTS) as verdicts,
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
        return interrupted(f"{summary.checks} checks", path)
    summary.show(_command)
    return DISAGREED if summary.disagreements else AGREED


def sizes_of(computation: Computation, wanted: str) -> list[int]:
    """The sizes that a word, or a number, stands for."""
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
    check_known(f"size for {computation.name}:", wanted, words | numbers)
    return (words | numbers)[wanted]


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


def _command(case: CatalogueCase) -> str:
    """The command that checks this case again."""
    options = ["--dtype", case.dtype, "--size", str(case.size), "--seed", str(case.seed)]
    return shlex.join(["python", "-m", "verify", case.computation.name, *options])
