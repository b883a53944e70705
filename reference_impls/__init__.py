"""The mathematics: every computation written three times, and the adapters that differentiate it.

Importing this package loads no engine. `COMPUTATIONS`, `BACKENDS` and all else that needs torch or
autograd are loaded when they are first asked for (PEP 562); `CATALOGUE` says what there is before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reference_impls.catalogue import CATALOGUE, Entry
from reference_impls.computation import (
    DTYPES,
    Array,
    Arrays,
    Computation,
    Optimality,
    Vjp,
    draw,
)

if TYPE_CHECKING:
    from reference_impls.derivatives import gradient, hvp, jacobian, jvp, value
    from reference_impls.engines.backend import OPERATORS, Backend
    from reference_impls.engines.hips.backend import Autograd
    from reference_impls.engines.manual.backend import Manual
    from reference_impls.engines.pytorch.backend import Torch

    COMPUTATIONS: tuple[Computation, ...]
    BACKENDS: tuple[Backend, ...]
    GPU_BACKENDS: tuple[Backend, ...]

__all__ = [
    "BACKENDS",
    "CATALOGUE",
    "COMPUTATIONS",
    "DTYPES",
    "GPU_BACKENDS",
    "OPERATORS",
    "Array",
    "Arrays",
    "Autograd",
    "Backend",
    "Computation",
    "Entry",
    "Manual",
    "Optimality",
    "Torch",
    "Vjp",
    "draw",
    "gradient",
    "hvp",
    "jacobian",
    "jvp",
    "value",
]


_HOMES = {
    "OPERATORS": "reference_impls.engines.backend",
    "Autograd": "reference_impls.engines.hips.backend",
    "Backend": "reference_impls.engines.backend",
    "Manual": "reference_impls.engines.manual.backend",
    "Torch": "reference_impls.engines.pytorch.backend",
    "gradient": "reference_impls.derivatives",
    "hvp": "reference_impls.derivatives",
    "jacobian": "reference_impls.derivatives",
    "jvp": "reference_impls.derivatives",
    "registered": "reference_impls.engines.registry",
    "value": "reference_impls.derivatives",
}
"""The modules of the names that are loaded when they are first asked for."""

_DEVICES = {"BACKENDS": "cpu", "GPU_BACKENDS": "cuda"}
"""Whose registered engines these names have."""


def _load(name: str) -> object:
    if name == "COMPUTATIONS":
        return tuple(entry.load() for entry in CATALOGUE)
    return _loaded(name)


def _loaded(name: str) -> Any:  # noqa: ANN401 -- a class, a function or a constant
    return getattr(import_module(_HOMES[name]), name)


# Hidden from type checkers: they would take any name for one that is here.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _DEVICES:  # never kept: another engine may be registered
            return _loaded("registered")(_DEVICES[name])
        globals()[name] = found = _load(name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
