"""Which engines there are: the project's own, loaded when they are asked for, and any others."""

from functools import cache
from importlib import import_module

from reference_impls.engines.backend import Backend

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
        ValueError: an engine of this name is registered for the same device.
    """
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
        raise ValueError(f"{backend.name}: this engine was never registered")
    _added.remove(backend)
    registered.cache_clear()


@cache
def registered(device: str | None = None) -> tuple[Backend, ...]:
    """Returns the engines of one device, ``cpu`` or ``cuda``, or all of them.

    The project's own come first. Some may be `missing` here. The first call imports every library.
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
