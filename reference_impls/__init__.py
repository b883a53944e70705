"""The mathematics: every computation written three times, and the adapters that differentiate it.

Importing this package loads no engine. `COMPUTATIONS`, `BACKENDS` and all else that needs torch or
autograd are loaded when they are first asked for (PEP 562); `CATALOGUE` says what there is before.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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
    from reference_impls.backends import OPERATORS, Autograd, Backend, Manual, Torch
    from reference_impls.derivatives import gradient, hvp, jacobian, jvp, value

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
    "OPERATORS": "reference_impls.backends",
    "Autograd": "reference_impls.backends",
    "Backend": "reference_impls.backends",
    "Manual": "reference_impls.backends",
    "Torch": "reference_impls.backends",
    "gradient": "reference_impls.derivatives",
    "hvp": "reference_impls.derivatives",
    "jacobian": "reference_impls.derivatives",
    "jvp": "reference_impls.derivatives",
    "value": "reference_impls.derivatives",
}
"""The modules of the names that are loaded when they are first asked for."""


def _load(name: str) -> object:
    match name:
        case "COMPUTATIONS":
            return tuple(entry.load() for entry in CATALOGUE)
        case "BACKENDS":
            backends = import_module("reference_impls.backends")
            return backends.Autograd(), backends.Torch(), backends.Manual()
        case "GPU_BACKENDS":
            backends = import_module("reference_impls.backends")
            return backends.Torch("cuda"), backends.Manual("cuda")
        case _:
            return getattr(import_module(_HOMES[name]), name)


# Hidden from type checkers: they would take any name for one that is here.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found = _load(name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
