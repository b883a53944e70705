"""What functions and values are called in messages."""

from collections.abc import Callable, Sized
from functools import partial
from typing import Any


def name_of(function: Callable[..., Any]) -> str:
    """What its user calls a function: its ``name``, its ``__name__``, or else its type's."""
    if isinstance(function, partial):
        return name_of(function.func)
    names = (getattr(function, attribute, None) for attribute in ("name", "__name__"))
    return next((name for name in names if isinstance(name, str) and name), type(function).__name__)


def kind_of(value: object) -> str:
    """The type of a value, and the dtype if it has one: ``numpy.ndarray of float64``."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    dtype = getattr(value, "dtype", None)
    return kind if dtype is None else f"{kind} of {str(dtype).removeprefix('torch.')}"


def described(value: object) -> str:
    """The same with its article, and the length of a container: ``an int``, ``a tuple of 2``."""
    if value is None:
        return "None"
    if type(value) in {tuple, list, dict} and isinstance(value, Sized):
        return f"a {type(value).__name__} of {len(value)}"
    kind = kind_of(value)
    return f"{'an' if kind[0].lower() in 'aeio' else 'a'} {kind}"
