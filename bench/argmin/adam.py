"""Adam in NumPy, as `torch.optim.Adam` counts it: L2 decay in the gradient, ε outside the root.

Kingma and Ba (2015), algorithm 1. All parameters lie in one vector: a step then takes a dozen
operations, however many arrays the vector is made of.
"""

from dataclasses import dataclass, field

import numpy as np

from reference_impls.computation import Array


@dataclass
class Adam:
    """Updates one vector of parameters in place.

    Attributes:
        parameters: (n,), owned by the caller.
        rate: the length of a step.
        decay: times the parameters, added to the gradient.
        eps: keeps a step finite where the second moment is zero.
        betas: what a step leaves of the first and of the second moment.
    """

    parameters: Array
    rate: float
    decay: float
    eps: float
    betas: tuple[float, float] = (0.9, 0.999)
    _first: Array = field(init=False)
    _second: Array = field(init=False)
    _steps: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._first = np.zeros_like(self.parameters)
        self._second = np.zeros_like(self.parameters)

    def step(self, gradient: Array) -> None:
        """Take one step.

        Args:
            gradient: (n,), of the loss.
        """
        fade, fade_squared = self.betas
        self._steps += 1
        decayed = gradient + self.decay * self.parameters
        self._first += (1 - fade) * (decayed - self._first)
        self._second += (1 - fade_squared) * (decayed * decayed - self._second)
        scale = np.sqrt(self._second / (1 - fade_squared**self._steps)) + self.eps
        self.parameters -= (self.rate / (1 - fade**self._steps)) * self._first / scale
