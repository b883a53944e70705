"""How often a user's function was called, and what ends a check that has called it enough."""

from dataclasses import dataclass
from math import isfinite
from time import perf_counter
from typing import Self

import numpy as np

from verify.checks.check import BudgetSpentError


@dataclass(frozen=True)
class Budget:
    """What a check may take, at most.

    Attributes:
        evaluations: calls of the function, whether for its value, for its value and a VJP, or for a
            second derivative along a tangent; and as many calls of the VJPs. None for any number.
        seconds: since the check began. The clock is read before each call of the function or of a
            VJP, and so a single call may take longer. None for any time.

    Raises:
        TypeError: one of them is no number of its kind, or neither is given.
        ValueError: one of them is not positive, or not finite.
    """

    evaluations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None:
            raise TypeError("Budget: got nothing, wanted evaluations or seconds")
        if self.evaluations is not None:
            wanted = f"Budget: got evaluations={self.evaluations!r}, wanted a whole number"
            if not isinstance(self.evaluations, int | np.integer):
                raise TypeError(f"{wanted} of at least 1")
            if self.evaluations < 1:
                raise ValueError(f"{wanted} of at least 1")
        if self.seconds is not None:
            wanted = f"Budget: got seconds={self.seconds!r}, wanted a positive number"
            if not isinstance(self.seconds, int | float | np.integer | np.floating):
                raise TypeError(wanted)
            if not (isfinite(self.seconds) and self.seconds > 0):
                raise ValueError(wanted)

    @classmethod
    def of(cls, given: "int | Budget | None") -> Self | None:
        """What `check` was given, where a whole number counts evaluations.

        Raises:
            TypeError: it is none of these.
            ValueError: it is less than 1.
        """
        if given is None or isinstance(given, cls):
            return given
        got = " ".join(repr(given).split())
        wanted = f"check: got budget={got}, wanted a whole number of at least 1, of evaluations"
        if not isinstance(given, int | np.integer):
            raise TypeError(f"{wanted}, or Budget(evaluations=…, seconds=…)")
        if given < 1:
            raise ValueError(wanted)
        return cls(evaluations=int(given))

    def __str__(self) -> str:
        parts = [
            f"{number} {unit if number != '1' else unit.removesuffix('s')}"
            for number, unit in (
                (f"{self.evaluations or 0:,}", "evaluations"),
                (f"{self.seconds or 0:g}", "seconds"),
            )
            if number != "0"
        ]
        return " or ".join(parts)


class Meter:
    """Counts the calls of one function, and of its VJPs, and lets none begin beyond a budget.

    Attributes:
        evaluations: calls of the function so far.
        vjps: calls of its VJPs so far.

    Args:
        budget: what may be taken from now on; None for any number of calls.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.evaluations = 0
        self.vjps = 0
        self._budget = budget
        self._started = perf_counter()

    def count_evaluation(self) -> None:
        """To be called before the function is.

        Raises:
            BudgetSpentError: nothing is left of the budget for it.
        """
        self._check(self.evaluations)
        self.evaluations += 1

    def count_vjp(self) -> None:
        """To be called before a VJP is.

        Raises:
            BudgetSpentError: nothing is left of the budget for it.
        """
        self._check(self.vjps)
        self.vjps += 1

    def _check(self, calls: int) -> None:
        budget = self._budget
        if budget is None:
            return
        is_called_enough = budget.evaluations is not None and calls >= budget.evaluations
        is_late = budget.seconds is not None and perf_counter() - self._started > budget.seconds
        if is_called_enough or is_late:
            raise BudgetSpentError(f"the budget of {budget} is spent")
