"""A function of somebody else's, and the point that it is checked at."""

from dataclasses import dataclass
from typing import Any

from reference_impls.computation import Array


@dataclass(frozen=True)
class Subject:
    """One function at one point.

    Attributes:
        library: whose function it is.
        function: its name there.
        sample: which of its points, counted from 0.
        seed: that the point was drawn with.
        dtype: of the primals.
        checkable: the function, as `check` takes it: an adapter.
        primals: the arrays it is differentiated with respect to, by position.
    """

    library: str
    function: str
    sample: int
    seed: int
    dtype: str
    checkable: Any
    primals: tuple[Array, ...]

    @property
    def entries(self) -> int:
        """How many numbers it is differentiated with respect to."""
        return sum(primal.size for primal in self.primals)


TOO_MANY = "more than {} entries"
"""Why a point is left out that has more numbers than are asked for."""


def is_too_many(reason: str) -> bool:
    """Is that why a point was left out?"""
    before, after = TOO_MANY.split("{}")
    return reason.startswith(before) and reason.endswith(after)


LATE = "not done within {:g} seconds"
"""Why a check that was begun has no verdict."""


def seconds_in_vain(reason: str) -> float | None:
    """How many seconds it was given, if that is why it has none."""
    before, after = LATE.split("{:g}")
    if not (reason.startswith(before) and reason.endswith(after)):
        return None
    return float(reason.removeprefix(before).removesuffix(after))


@dataclass(frozen=True)
class LeftOut:
    """A function at a point that is not checked, and why.

    Attributes:
        library: whose function it is.
        function: its name there.
        sample: which of its points, counted from 0.
        seed: that the point was drawn with.
        dtype: that it would have been checked in.
        entries: that it would have been differentiated with respect to.
        reason: why it is not.
    """

    library: str
    function: str
    sample: int
    seed: int
    dtype: str
    entries: int
    reason: str
