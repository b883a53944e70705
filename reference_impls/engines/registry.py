"""Which engines there are: the project's own, and those that a user registers."""

import re
from functools import cache
from importlib import import_module

from reference_impls.engines.backend import Backend
from reference_impls.validation import check_choice
from reference_impls.words import described

DEVICES = ("cpu", "cuda")

_OWN = (
    ("hips", "Autograd", "cpu"),
    ("pytorch", "Torch", "cpu"),
    ("manual", "Manual", "cpu"),
    ("pytorch", "Torch", "cuda"),
    ("manual", "Manual", "cuda"),
)
"""The folder, the class and the device of each, in the order of the reports' columns."""

_added: list[Backend] = []


def register(backend: Backend) -> None:
    """Adds an engine: from now on it is verified, timed and reported beside the others.

    Args:
        backend: it stays registered until the process ends or `unregister` is called.

    Raises:
        TypeError: it is a class, or lacks members of `Backend`.
        ValueError: its name is no single word, its device is unknown, or an engine of this name is
            registered for the same device.
    """
    _check_is_engine(backend)
    _check_name(backend)
    if (backend.name, backend.device) in [(each.name, each.device) for each in registered()]:
        raise ValueError(
            f"{backend.name}: an engine of this name is registered already for {backend.device}"
        )
    _added.append(backend)
    registered.cache_clear()


def unregister(backend: Backend) -> None:
    """Takes back a `register`.

    Raises:
        ValueError: the engine was not added by `register`.
    """
    if backend not in _added:
        name = getattr(backend, "name", described(backend))
        raise ValueError(f"{name}: this engine was never registered")
    _added.remove(backend)
    registered.cache_clear()


def added() -> tuple[Backend, ...]:
    """Returns the engines that `register` has added to the project's own in this process."""
    return tuple(_added)


def _check_is_engine(backend: object) -> None:
    members = [name for name in vars(Backend) if not name.startswith("_")]
    lacking = [name for name in members if not hasattr(backend, name)]
    if isinstance(backend, type) or lacking:
        what = f"the class {backend.__name__}" if isinstance(backend, type) else described(backend)
        lacks = f", which lacks {', '.join(lacking)}" if lacking else ""
        raise TypeError(f"register: got {what}{lacks}; wanted an engine, see Backend")


def _check_name(backend: Backend) -> None:
    name: object = backend.name
    # It is part of a column's name, as in "torch/cuda", and must not read as a table's markup.
    if not (isinstance(name, str) and re.fullmatch(r"[\w.+-]+", name)):
        raise ValueError(
            f"register: got the name {name!r}, wanted a word of letters, digits, '_', '.', '+', '-'"
        )
    check_choice("device", backend.device, DEVICES)


@cache
def registered(device: str | None = None) -> tuple[Backend, ...]:
    """Returns the engines of one device, ``cpu`` or ``cuda``, or all of them.

    The project's own come first. Some may not run here: `Backend.missing` says why. The first
    call imports every library.
    """
    return tuple(each for each in (*_own(), *_added) if device in (None, each.device))


@cache
def _own() -> tuple[Backend, ...]:
    return tuple(_made(*each) for each in _OWN)


def _made(folder: str, name: str, device: str) -> Backend:
    module = import_module(f"reference_impls.engines.{folder}.backend")
    make = getattr(module, name)
    backend: Backend = make(device)
    return backend
