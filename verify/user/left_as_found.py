"""A check runs somebody's function dozens of times, and leaves its surroundings as they were.

These are the random states that everybody shares, torch's grad mode, and what a function holds in
its closure, its globals or its attributes, or those of an object that it belongs to: generators,
modules and tensors.
"""

import random
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from types import (
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)

import numpy as np

from reference_impls.engines.loaded import loaded_torch

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
"""Where the functions and classes are that are nobody's own: they are not looked into."""


LOOKED_AT = 1000
"""How many objects are looked at, at most: a function may hold a list of a million numbers."""


@contextmanager
def left_as_found(*functions: object) -> Iterator[None]:
    """What is inside may draw random numbers and train modules; afterwards, all is as it was.

    Restored are the random states of Python, NumPy and torch; torch's grad mode; and of what the
    functions hold, NumPy's and torch's generators, modules' buffers and modes, and the gradients
    of parameters and tensors.

    Args:
        functions: the user's; None and the like hold nothing.
    """
    held = list(_held(functions))
    with ExitStack() as restored:
        restored.callback(random.setstate, random.getstate())
        # Their old interface is the only one to the state that all share.
        restored.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        for each in held:
            if isinstance(each, np.random.RandomState):
                restored.callback(each.set_state, each.get_state())
            if isinstance(each, np.random.Generator):
                bits = each.bit_generator
                restored.callback(setattr, bits, "state", bits.state)
        if loaded_torch() is not None:
            # Whoever checks a function of NumPy does without torch.
            from reference_impls.engines.pytorch.left_as_found import (  # noqa: PLC0415
                torch_left_as_found,
            )

            restored.enter_context(torch_left_as_found(held))
        yield


def _held(functions: Sequence[object]) -> Iterator[object]:
    """What can be reached from the functions, but not through a library's own."""
    ahead = list(functions)
    seen: dict[int, object] = {}  # the objects, too: the number of one that is gone is used again
    while ahead and len(seen) < LOOKED_AT:
        found = ahead.pop()
        if id(found) not in seen:
            seen[id(found)] = found
            yield found
            ahead.extend(islice(_within(found), LOOKED_AT))


def _within(found: object) -> Iterator[object]:
    """What an object holds, if it is one of those that functions are made of."""
    torch = loaded_torch()
    match found:
        case FunctionType():
            yield from _within_function(found)
        case MethodType():
            yield from (found.__self__, found.__func__)
        case staticmethod() | classmethod():
            yield found.__func__
        case partial():
            yield from (found.func, *found.args, *found.keywords.values())
        case dict():
            yield from found.values()
        case list() | tuple() | set():
            yield from found
        case ModuleType():
            pass
        case _ if torch is not None and isinstance(found, torch.nn.Module):
            pass
        case _ if _is_looked_into(found):
            yield from _within_object(found)


def _is_looked_into(found: object) -> bool:
    """Is it an adapter, a class of the user's, or an object of one?"""
    if isinstance(found, type):
        return not _is_of_a_library(found)
    return (
        callable(found) or isinstance(found, SimpleNamespace) or not _is_of_a_library(type(found))
    )


def _within_object(found: object) -> Iterator[object]:
    """The attributes of an adapter, or of an object of the user's, and what its methods hold."""
    yield from getattr(found, "__dict__", {}).values()
    for each in type(found).__mro__:
        if not _is_of_a_library(each):
            yield each
            slots = (slot for slot in vars(each).values() if isinstance(slot, MemberDescriptorType))
            for slot in slots:
                with suppress(AttributeError):  # one that is still empty
                    yield slot.__get__(found)


def _is_of_a_library(found: type) -> bool:
    module: object = found.__module__
    if not isinstance(module, str):  # of a class that is compiled it may be a descriptor
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module.partition(".")[0] in sys.stdlib_module_names or file.startswith(LIBRARIES)


def _within_function(function: FunctionType) -> Iterator[object]:
    if function.__code__.co_filename.startswith(LIBRARIES):
        return
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # one that is still empty
            yield cell.cell_contents
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]


def _names(code: CodeType) -> set[str]:
    """The globals that a function may read, those of the functions in it included."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*map(_names, inner))
