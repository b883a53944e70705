"""Names of a package that are loaded when they are first asked for (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules


def handed_on(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that hands on names of other modules.

    Hide the assignment from type checkers with ``if not TYPE_CHECKING``: they would take any name
    for one that is there. Show them ordinary imports instead.

    Args:
        package: its ``__name__``.
        homes: the module that each name is loaded from.

    Returns:
        Both functions. `__getattr__` keeps in the package what it has loaded.
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(homes[name]), name)
        setattr(modules[package], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(modules[package]), *homes})

    return load, names
