"""What a check takes, in units of the function that it checks, and how often it calls that.

A unit is one value and gradient of the function. A machine's speed changes while it is measured:
so the unit is timed before and after every timed call of a checker, and the median of the ratios is
kept.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch

from reference_impls.computation import Array

UNIT_SECONDS = 0.05
"""How long the unit is timed before a call of a checker, and once at least."""

FORWARD, COMPLEX_FORWARD, BACKWARD = "forward", "complex forward", "backward"

WEIGHTS = {FORWARD: 1 / 2, COMPLEX_FORWARD: 2.0, BACKWARD: 1 / 2}
"""What a call costs, in units. The function is little else than a matrix product with a constant: a
unit is one product forwards and one backwards, as the constant needs no gradient. A complex product
is four real ones."""


class Unit:
    """The clock of the unit: it is timed before every call of a checker, and after the last.

    Args:
        call: one value and gradient.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._times: list[float] = []

    def time(self) -> None:
        """Time it."""
        times: list[float] = []
        while not times or sum(times) < UNIT_SECONDS:
            started = perf_counter()
            self._call()
            times.append(perf_counter() - started)
        self._times.append(median(times))

    def beside(self, rounds: int) -> list[float]:
        """The time of a unit at each of the last rounds: the mean of those before and after it.

        Args:
            rounds: of the checker.

        Raises:
            ValueError: the unit was not timed more often than that.
        """
        last = self._times[-rounds - 1 :]
        if len(last) <= rounds:
            raise ValueError(f"the unit was timed {len(last)} times for {rounds} rounds")
        return [(before + after) / 2 for before, after in pairwise(last)]


@dataclass(frozen=True)
class InUnits:
    """What a checker takes.

    Attributes:
        seconds: median time of a call.
        unit: median time of a unit beside it, in seconds.
        ratio: median ratio of the two, which is not the ratio of the medians.
    """

    seconds: float
    unit: float
    ratio: float


def in_units(times: list[float], units: list[float]) -> InUnits:
    """The medians of the times, of the units, and of their ratios, round by round.

    Args:
        times: of a checker, one per round, in seconds.
        units: of the unit beside each.
    """
    ratios = [time / unit for time, unit in zip(times, units, strict=True)]
    return InUnits(median(times), median(units), median(ratios))


@dataclass
class Calls:
    """How often a function and its VJP were called, by kind."""

    by_kind: Counter[str] = field(default_factory=Counter)

    @property
    def evaluations(self) -> int:
        """All calls, of the function and of its VJP."""
        return self.by_kind.total()

    @property
    def units(self) -> float:
        """What these calls cost, by `WEIGHTS`."""
        return sum(WEIGHTS[kind] * count for kind, count in self.by_kind.items())

    def count_forward(self, *arguments: Array | torch.Tensor) -> None:
        """Count an evaluation, by whether an argument is complex."""
        is_complex = any(
            each.is_complex() if isinstance(each, torch.Tensor) else np.iscomplexobj(each)
            for each in arguments
        )
        self.by_kind[COMPLEX_FORWARD if is_complex else FORWARD] += 1

    def count_backward(self, *_: object) -> None:
        """Count a call of the VJP."""
        self.by_kind[BACKWARD] += 1


class Counted:
    """A function of NumPy as `verify.check` takes it, its calls counted.

    Args:
        make_vjp: the function.
        calls: where they are counted.
    """

    def __init__(self, make_vjp: Any, calls: Calls) -> None:  # noqa: ANN401 -- a user's function
        self._make_vjp = make_vjp
        self._calls = calls
        self.__name__ = make_vjp.__name__

    def __call__(self, **primals: Array) -> tuple[Array, Callable[[Array], Any]]:
        """The value and its VJP."""
        self._calls.count_forward(*primals.values())
        value, vjp = self._make_vjp(**primals)

        def counted(cotangent: Array) -> Any:  # noqa: ANN401 -- what the function returns
            self._calls.count_backward()
            return vjp(cotangent)

        return value, counted


def counted_in_torch(
    function: Callable[..., torch.Tensor], calls: Calls
) -> Callable[..., torch.Tensor]:
    """A torch function, its calls and those of its backward counted."""

    @wraps(function)
    def counted(*tensors: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
        calls.count_forward(*tensors, *named.values())
        value = function(*tensors, **named)
        if value.requires_grad:
            value.register_hook(calls.count_backward)  # type: ignore[no-untyped-call]
        return value

    return counted
