"""A function of somebody else's, and the point that it is checked at."""

from collections.abc import Callable
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
        checkable: the function, as `check` takes it.
        primals: the arrays it is differentiated with respect to, by position.
    """

    library: str
    function: str
    sample: int
    seed: int
    dtype: str
    checkable: Callable[..., Any]
    primals: tuple[Array, ...]

    @property
    def entries(self) -> int:
        """How many numbers it is differentiated with respect to."""
        return sum(primal.size for primal in self.primals)
