"""``FILE.py:NAME``: a function from a file of the user's, and the primals that stand beside it."""

import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from reference_impls.nested import Tree
from reference_impls.validation import nearest
from reference_impls.words import described
from verify.checks.check import one_line
from verify.checks.report import Report, WrongGradientError
from verify.user.checker import check

PRIMALS = "_primals"
"""The ending of the name of a function's primals."""


class UserFileError(Exception):
    """The file, or what it should hold, is not there; the message is one line."""


def is_user_file(argument: str) -> bool:
    """Is it ``FILE.py:NAME``, and no computation's name?"""
    return argument.endswith(".py") or ".py:" in argument


def check_user_file(argument: str, seed: int) -> Report | None:
    """The report on a function that takes its primals from ``NAME_primals``.

    That is a dict, a tuple or an array, as `verify.check` takes them, or a function that draws one
    from a `numpy.random.Generator`. NAME may also be a function without parameters that returns a
    `Report` of its own, or, as tests do, nothing, but raises what `Report.raise_for_verdict` does.

    Args:
        argument: ``FILE.py:NAME``.
        seed: of the generator, and of the check.

    Returns:
        None if NAME returned nothing, and raised nothing.

    Raises:
        UserFileError: there is no such file or name, or the file raises.
        TypeError, ValueError: as `verify.check`.
    """
    file, _, name = argument.rpartition(":")
    if not file or not name:
        raise UserFileError(f"got {argument}, wanted FILE.py:NAME")
    with _importable(Path(file).resolve().parent):  # as long as it may import what lies there
        return _checked(argument, _loaded(Path(file)), seed)


def _checked(argument: str, module: ModuleType, seed: int) -> Report | None:
    file, _, name = argument.rpartition(":")
    function = _attribute(module, file, name)
    if isinstance(function, Report):
        return function
    if not callable(function):
        raise UserFileError(f"{argument} is {described(function)}, wanted a function")
    if not hasattr(module, name + PRIMALS):
        return _own_report(argument, function, name)
    primals = getattr(module, name + PRIMALS)
    report = check(function, _drawn(argument, primals, seed), seed=seed)
    return replace(
        report, again=shlex.join(["python", "-m", "verify", argument, "--seed", str(seed)])
    )


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """As running a file there would have it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have removed it
            sys.path.remove(str(folder))


def _loaded(file: Path) -> ModuleType:
    if not file.is_file():
        raise UserFileError(f"cannot read {file}: no such file")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UserFileError(f"cannot read {file}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(file.stem, module)  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        remedy = 'a script needs `if __name__ == "__main__":`'
        raise UserFileError(f"{file} ended itself as it was read; {remedy}") from error
    except Exception as error:
        raise UserFileError(f"{file} {one_line(error)}") from error
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
        raise UserFileError(f"{argument}{PRIMALS} {one_line(error)}") from error


def _own_report(argument: str, function: Callable[..., Any], name: str) -> Report | None:
    wanted = f"wanted {name}{PRIMALS} beside it, or a function that returns verify.check(...)"
    try:
        report = function()
    except WrongGradientError as error:
        return error.report
    except (Exception, SystemExit) as error:
        raise UserFileError(f"{argument}() {one_line(error)}; {wanted}") from error
    if report is None or isinstance(report, Report):
        return report
    raise UserFileError(f"{argument}() returned {described(report)}; {wanted}")
