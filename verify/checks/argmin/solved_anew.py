"""An argmin solved anew at other primals: the only evidence that uses no derivative in z."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from reference_impls.computation import Array
from verify.checks.argmin.solution import TOLERANCES, Solution, search
from verify.oracles.estimate import NOISE_POINTS, NOISE_STEP, noise_of

STEPS = tuple(4.0**-k for k in range(3, 15))


class Line:
    """⟨u, value⟩ along z + h v, with the problem solved anew at every h, once for each tolerance.

    Every search starts from the initial guess, never from the solution at another h: a solver that
    is content with where it starts would make the differences zero. One Newton step polishes what
    it finds. K for that step is taken once at every h, where the tightest search ends: for any
    solution near by, the step is as good as with its own K.

    Args:
        solution: at h = 0.
        cotangent: u, of the value's shape.
        tangents: v, by primal.
    """

    def __init__(self, solution: Solution, cotangent: Array, tangents: Mapping[str, Array]) -> None:
        self.solution = solution
        self._cotangent = cotangent
        self._tangents = tangents
        self._found: dict[float, Solution] = {}
        self._polished: dict[tuple[float, float], Solution] = {}

    def at(self, h: float, tolerance: float | None = None) -> Solution:
        """The solution at z + h v, found to a tolerance: by default the tightest."""
        key = h, TOLERANCES[-1] if tolerance is None else tolerance
        if key not in self._polished:
            self._polished[key] = self._solved_anew(*key)
        return self._polished[key]

    def paired(self, h: float, tolerance: float | None = None) -> float:
        """⟨u, value⟩ at z + h v."""
        return self.at(h, tolerance).paired(self._cotangent)

    @cached_property
    def backward(self) -> "Line":
        """The same line with -v in place of v."""
        turned = {name: -tangent for name, tangent in self._tangents.items()}
        return Line(self.solution, self._cotangent, turned)

    @cached_property
    def noise(self) -> float:
        """The standard deviation of the rounding error in ⟨u, value⟩."""
        return noise_of([self.paired(k * NOISE_STEP) for k in range(NOISE_POINTS)])

    @cached_property
    def steps(self) -> list[float]:
        """The steps over which K moves no further than half its distance from a singular matrix.

        Beyond that, differences need not resemble the derivative at all, and may still agree.
        """
        further, near = (self.at(step) for step in STEPS[-2:])
        rate = np.linalg.norm(further.K - near.K, 2) / (STEPS[-2] - STEPS[-1])
        return [step for step in STEPS if step * rate <= near.singular_values[-1] / 2]

    def _solved_anew(self, h: float, tolerance: float) -> Solution:
        tightest = self._tightest(h)
        y = tightest.y
        if tolerance != TOLERANCES[-1]:
            y = search(self.solution, tightest.primals, tolerance)
        return replace(tightest, y=y - tightest.newton_step(y))

    def _tightest(self, h: float) -> Solution:
        """As the search leaves it, with K there."""
        if h not in self._found:
            primals = self.solution.moved(self._tangents, h)
            y = search(self.solution, primals, TOLERANCES[-1])
            self._found[h] = replace(self.solution, primals=primals, y=y)
        return self._found[h]
