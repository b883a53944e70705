from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from verify.oracles.estimate import Functional

SCALES = (1e-30, 1.0, 1e30)


@dataclass(frozen=True)
class Smooth:
    """An analytic function, and its derivative from calculus."""

    name: str
    f: Callable[[Any], Any]
    slope: Callable[[float], float]

    def along(self, x: float, v: float, scale: float) -> Functional:
        return lambda h: scale * self.f(x + h * v)


SMOOTH = [
    Smooth("constant", lambda x: 0 * x + 3, lambda _: 0),
    Smooth("linear", lambda x: 3 * x + 1, lambda _: 3),
    Smooth("polynomial", lambda x: x**5 - 3 * x**2, lambda x: 5 * x**4 - 6 * x),
    Smooth("exponential", np.exp, np.exp),
    Smooth("sine", np.sin, np.cos),
    Smooth("logarithm", lambda x: np.log(2 + x), lambda x: 1 / (2 + x)),
    Smooth("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    Smooth("Runge", lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
]
each_smooth = pytest.mark.parametrize("smooth", SMOOTH, ids=lambda smooth: smooth.name)
