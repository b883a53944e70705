"""What is said of a wrong gradient: the classes of faults, a diagnosis, and how its sentence reads.

There is no mathematics here, only words: names, and lists of names, axes and places.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FAULTS = (
    # of the numbers, recognised by `diagnose`
    "constant factor",  # c times what it should be
    "sign",  # minus what it should be, or minus it in some of the entries
    "1/N",  # a mean taken once too often or not at all: c is the length of an axis, or a size
    "transpose",  # axes exchanged, or entries laid out in the order of another memory layout
    "roll",  # shifted along axes
    "permutation",  # all entries there, in other places
    "swapped arguments",  # each of two arguments has the other's gradient
    "cotangent ignored",  # the same gradient whatever the cotangent
    "dropped dependency",  # exactly zero where f does depend on the argument
    "leaked gradient",  # not zero where f does not depend on the argument
    "regularisation",  # off by a multiple of the argument, or of its signs
    "offset",  # off by the same number everywhere
    "over-reduced broadcast",  # summed over an axis that the argument has
    "un-reduced broadcast",  # not summed over an axis that the argument does not have
    "dtype downcast",  # rounded to a narrower dtype: every entry is a number of that
    "lost digits",  # off by less than a millionth, nearly everywhere
    "kinks cancel",  # wrong at this very point, and right on either side of it
    "straight-through",  # not zero where the values are a staircase; or another surrogate
    "clipped value",  # not zero where the value was clipped
    "symmetric part only",  # right along symmetric directions of a matrix, and no others
    "diagonal of the Jacobian only",  # taken entry by entry, where the function is not
    "wrong slope",  # entry by entry, by a formula that is recognised, and is another's
    "depends on dtype or layout",  # right in the other dtype; or another function there
    "a few entries",
    "a block of entries",
    "one argument",  # of several, and in no way recognised
    "unknown",
    # of the contract, seen without an oracle
    "wrong names",
    "not an array",
    "wrong shape",
    "dtype drift",
    "not finite",
    "mutation",
    "stale state",
    "nondeterminism",
    "shared memory",
    "strides",
    "not linear",
    # of the point or the order
    "outside the subdifferential",
    "second derivative",
)

FEW = 8
"""More wrong entries than this are a pattern that was not recognised, or a block."""


@dataclass(frozen=True)
class Diagnosis:
    """How a gradient is wrong.

    Attributes:
        fault: one of `FAULTS`.
        sentence: the same for humans, with names, numbers and places.
        argument: the one it is about; where several share the fault, the one it is shown in.
        index: of a wrong entry of the array that was returned, as ``[3, 0]``; empty for a scalar.
        got: that entry.
        expected: what the truth has there.
        error_bar: of that.
        is_excused: is it, by what was seen, no mistake? A gradient of a symmetric argument may be
            right along symmetric directions alone.
    """

    fault: str
    sentence: str
    argument: str
    index: str
    got: float
    expected: float
    error_bar: float
    is_excused: bool = False


def subject(names: Sequence[str], everyone: Sequence[str]) -> str:
    """The subject of a sentence: one gradient, several, or all."""
    if len(names) == 1:
        return f"gradient of {names[0]}"
    if len(names) == len(everyone):
        return "every gradient"
    return f"each of the gradients of {listed(names)}"


def those(names: Sequence[str]) -> str:
    """``those of x and b are``."""
    return f"that of {names[0]} is" if len(names) == 1 else f"those of {listed(names)} are"


def listed(words: Sequence[str], most: int = FEW) -> str:
    """``a, b and c``, and how many more there are."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def axes_text(axes: Sequence[int], shape: tuple[int, ...]) -> str:
    """``axis 0 (length 3) and axis 2 (length 5)``."""
    return listed([f"axis {axis} (length {shape[axis]})" for axis in axes])
