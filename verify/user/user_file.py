"""``FILE.py:NAME``: a function from a user's file, with primals that stand beside it there."""

import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from reference_impls.nested import Tree
from reference_impls.validation import nearest
from reference_impls.words import described
from verify.checks.report import Report, WrongGradientError
from verify.user.checker import check
from verify.user.raised import one_line_with_place

PRIMALS = "_primals"
"""What follows a function's name in the name of its primals."""


class UserFileError(Exception):
    """The file is not there, or lacks what it should hold; the message is one line."""


def is_user_file(argument: str) -> bool:
    """Is it meant as ``FILE.py:NAME``, rather than as the name of a computation?"""
    return argument.endswith(".py") or ".py:" in argument


def check_user_file(
    argument: str,
    seed: int,
    wrt: Sequence[str] = (),
    order: int = 1,
    budget: int | None = None,
) -> Report | None:
    """The report on the function NAME, at the primals that ``NAME_primals`` holds beside it.

    ``NAME_primals`` is a dict, a tuple or an array, as `verify.check` takes them, or a function
    that draws one of these from a `numpy.random.Generator`. Without it, NAME is called without
    arguments: it may return a `Report` of its own, or, like a test, return nothing and call
    `Report.raise_for_verdict`.

    Args:
        argument: ``FILE.py:NAME``.
        seed: of the generator, and of the check.
        wrt: as in `verify.check`; empty for all arrays.
        order: as in `verify.check`.
        budget: as in `verify.check`.

    Returns:
        None if NAME, called without arguments, returned nothing and raised nothing.

    Raises:
        UserFileError: there is no such file or name, or the file raises.
        TypeError, ValueError: as `verify.check`.
    """
    file, _, name = argument.rpartition(":")
    if not file or not name:
        raise UserFileError(f"got {argument}, wanted FILE.py:NAME")
    # The file, and the function when it is called, may import what lies in its folder.
    with _importable(Path(file).resolve().parent):
        return _checked(argument, _loaded(Path(file)), seed, _Given(tuple(wrt), order, budget))


@dataclass(frozen=True)
class _Given:
    """What the command line says of `check`, beside the seed."""

    wrt: tuple[str, ...]
    order: int
    budget: int | None

    @property
    def words(self) -> list[str]:
        """The same, as it stands on a command line."""
        words = [word for each in self.wrt for word in ("--wrt", each)]
        words += ["--order", str(self.order)] if self.order != 1 else []
        return words + (["--budget", str(self.budget)] if self.budget else [])


def _checked(argument: str, module: ModuleType, seed: int, given: _Given) -> Report | None:
    file, _, name = argument.rpartition(":")
    function = _attribute(module, file, name)
    if given.words and not hasattr(module, name + PRIMALS):
        options = "--wrt, --order and --budget"
        raise UserFileError(f"{file} has no {name}{PRIMALS}, which {options} go with")
    if isinstance(function, Report):
        return function
    if not callable(function):
        raise UserFileError(f"{argument} is {described(function)}, wanted a function")
    if not hasattr(module, name + PRIMALS):
        return _own_report(argument, function, name)
    primals = getattr(module, name + PRIMALS)
    drawn = _drawn(argument, primals, seed)
    report = check(
        function,
        drawn,
        seed=seed,
        wrt=given.wrt or None,
        order=given.order,
        budget=given.budget,
    )
    command = ["python", "-m", "verify", argument, "--seed", str(seed), *given.words]
    return replace(report, again=shlex.join(command))


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Puts the folder first on Python's path, as running a file there would."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have removed it itself
            sys.path.remove(str(folder))


def _loaded(file: Path) -> ModuleType:
    if not file.is_file():
        raise UserFileError(f"cannot read {file}: no such file")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UserFileError(f"cannot read {file}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(file.stem, module)  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        remedy = 'a script needs `if __name__ == "__main__":`'
        raise UserFileError(f"{file} ended itself as it was read; {remedy}") from error
    except Exception as error:
        raise UserFileError(f"{file} {one_line_with_place(error)}") from error
    return module


def _attribute(module: ModuleType, file: str, name: str) -> Any:  # noqa: ANN401 -- anything
    if hasattr(module, name):
        return getattr(module, name)
    public = [each for each, value in vars(module).items() if callable(value) and each[0] != "_"]
    raise UserFileError(f"{file} has no {name!r}{nearest(name, public)}")


def _drawn(argument: str, primals: Tree, seed: int) -> Tree:
    if not callable(primals):
        return primals
    try:
        return primals(np.random.default_rng(seed))
    except (Exception, SystemExit) as error:
        raise UserFileError(f"{argument}{PRIMALS} {one_line_with_place(error)}") from error


def _own_report(argument: str, function: Callable[..., Any], name: str) -> Report | None:
    wanted = f"wanted {name}{PRIMALS} beside it, or a function that returns verify.check(...)"
    try:
        report = function()
    except WrongGradientError as error:
        return error.report
    except (Exception, SystemExit) as error:
        raise UserFileError(f"{argument}() {one_line_with_place(error)}; {wanted}") from error
    if report is None or isinstance(report, Report):
        return report
    raise UserFileError(f"{argument}() returned {described(report)}; {wanted}")
