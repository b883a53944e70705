r"""Rules of descent, as data: what is done with a gradient g at parameters θ, step after step.

Libraries write the same rule with other constants. Here they have one form, and each engine says
how its own library's constants follow from it.

Momentum, as torch writes it (there is no (1 - mass) on the gradient, and decay is added to it):

    v ← mass · v + (g + decay · θ)        θ ← θ - rate · v

HIPS autograd's ``sgd`` has v' = -(1 - mass) v and θ ← θ + step_size · v': its step_size is
rate / (1 - mass), and it knows no decay, which is therefore added to the gradient it is given.

Adam, with g' = g + decay · θ (so torch; decay is not taken apart from the gradient, as in AdamW):

    m ← β₁ m + (1 - β₁) g'        n ← β₂ n + (1 - β₂) g'²
    θ ← θ - rate · (m / (1 - β₁ᵏ)) / (√(n / (1 - β₂ᵏ)) + epsilon)        k = 1, 2, ...

torch and autograd agree on it: epsilon stands outside the root.

Heavy ball, as Polyak writes it, is Momentum: with v = (θ' - θ)/rate, where θ' was before θ,

    θ ← θ - a g + b (θ - θ')        is        rate = a, mass = b, decay = 0,

from θ' = θ, which is v = 0. It holds only while the rate stays: torch's v is no difference of
parameters once a schedule has changed the rate. On a quadratic whose curvatures lie between μ and
L, a = 4/(√L + √μ)² and b = ((√L - √μ)/(√L + √μ))² are best.

The other rules ask for more than a gradient at each step. Steepest descent goes along d, how far
its search says:

    θ ← θ + η d        norm 2: d = -g        norm 1: d = -gᵢ eᵢ for the largest |gᵢ|

    Exact, on a quadratic with Hessian H:        η = -gᵀd / dᵀHd
    Armijo:        the first η of 1, ½, ¼, ... with f(θ + η d) ≤ f(θ) + slope · η gᵀd

Newton goes to where a quadratic with this gradient and Hessian has its minimum:

    θ ← θ - H⁻¹ g

BFGS puts B in the place of H⁻¹, and builds it from what it sees: with s = θ - θ', y = g - g',

    B ← (I - s yᵀ/yᵀs) B (I - y sᵀ/yᵀs) + s sᵀ/yᵀs        θ ← θ - η B g

with η by a search for Wolfe's conditions. L-BFGS keeps the last few pairs s, y instead of B, and
starts from (sᵀy/yᵀy) I at every step. Their library is SciPy, whoever differentiates; but torch has
an L-BFGS of its own. Its recursion is the same, its search and its first step are not: SciPy's is
the one of Moré and Thuente. So their iterates differ, and their end does not.

These rules stop by themselves where no entry of the gradient is larger than a tolerance, which is
the measure that SciPy and torch take.

Sources: Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964; Kingma
and Ba, *Adam: a method for stochastic optimization*, 2015, algorithm 1; Boyd and Vandenberghe,
*Convex optimization*, 2004, sections 9.2 to 9.5; Nocedal and Wright, *Numerical optimization*,
2006, algorithms 3.1, 6.1 and 7.4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from typing import Literal, NoReturn, Protocol

import numpy as np

from reference_impls.computation import Array, Computation, Native

Natives = dict[str, Native]
"""Arrays of an engine's own library, by name."""

Gradient = Callable[[Mapping[str, Native], int], Natives]
"""``gradient(parameters, step)``, with the parameters before the step."""


def not_told(_: Mapping[str, Native]) -> NoReturn:
    """In place of what an objective does not answer.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("the objective tells its gradient alone")


@dataclass(frozen=True)
class Objective:
    """What a rule may ask of the loss it descends.

    Attributes:
        gradient: asked once for every iterate, with its step: 0, 1, 2 and so on. Whoever runs a
            training sees its iterates by this. The last one is returned without being asked for,
            unless the rule has to know whether it may stop there.
        loss: at a point that a search tries; it is no step.
        loss_and_gradient: the same with the gradient.
        hessian: (n, n), with rows and columns in the order of the parameters' entries; no step.
    """

    gradient: Gradient
    loss: Callable[[Mapping[str, Native]], float] = not_told
    loss_and_gradient: Callable[[Mapping[str, Native]], tuple[float, Natives]] = not_told
    hessian: Callable[[Mapping[str, Native]], Native] = not_told


BETA1, BETA2 = 0.9, 0.999
"""Adam's usual decay rates of both moments; no tutorial sets others."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Every so many steps, the rate is multiplied by a factor.

    Attributes:
        every: steps; an epoch, say.
        factor: of the rate, each time.
    """

    every: int
    factor: float


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """Gradient descent, with momentum if it has a mass.

    Attributes:
        rate: of a step.
        mass: the part of the velocity that is kept; 0 is plain gradient descent.
        decay: of the parameters, all of them.
        schedule: of the rate; None if it stays.
    """

    rate: float
    mass: float = 0.0
    decay: float = 0.0
    schedule: Schedule | None = None


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam, with decay in the gradient.

    Attributes:
        rate: of a step.
        decay: of the parameters, all of them.
        epsilon: outside the root.
        schedule: of the rate; None if it stays.
    """

    rate: float
    decay: float = 0.0
    epsilon: float = 1e-8
    schedule: Schedule | None = None


@dataclass(frozen=True)
class Exact:
    """The search that goes to the minimum along a line; on quadratics only."""


@dataclass(frozen=True, kw_only=True)
class Armijo:
    """The search that halves a step of 1 until the loss has gone down enough.

    Attributes:
        slope: the part of what the gradient promises that is enough.
    """

    slope: float = 1e-4


@dataclass(frozen=True, kw_only=True)
class SteepestDescent:
    """Down the direction in which the loss falls most, as the norm of a step is measured.

    Attributes:
        search: for how far.
        norm: 2 goes against the gradient, 1 along the coordinate with its largest entry.
        tolerance: of the gradient's entries, at which it stops.
    """

    search: Exact | Armijo
    norm: Literal[1, 2] = 2
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Newton:
    """Newton's method, with steps taken whole.

    Attributes:
        tolerance: of the gradient's entries, at which it stops.
    """

    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BFGS:
    """The quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno.

    Attributes:
        tolerance: of the gradient's entries, at which it stops.
    """

    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """BFGS with little memory.

    Attributes:
        tolerance: of the gradient's entries, at which it stops.
        memory: the pairs that it keeps.
    """

    tolerance: float = 0.0
    memory: int = 10


Rated = Momentum | Adam
"""Rules that need a gradient at each step and nothing else, and have a rate."""

Searching = SteepestDescent | Newton | BFGS | LBFGS
"""Rules that ask for more, find out themselves how far to go, and stop by themselves."""

Rule = Rated | Searching


def rate_at(rule: Rule, step: int) -> float:
    """The rate of a step, counted from 0; NaN for a rule that has none."""
    if not isinstance(rule, Rated):
        return nan
    schedule = rule.schedule
    return rule.rate * schedule.factor ** (step // schedule.every) if schedule else rule.rate


def on_quadratic(start: Array, minimum: Array, hessian: Array, rate: float, steps: int) -> Array:
    """θ* + (I - αH)ᵏ (θ₀ - θ*): where k steps of gradient descent on a quadratic lead.

    Args:
        start: θ₀, (n,).
        minimum: θ*, (n,).
        hessian: H, (n, n).
        rate: α.
        steps: k.
    """
    step = np.eye(len(start)) - rate * hessian
    path: Array = minimum + np.linalg.matrix_power(step, steps) @ (start - minimum)
    return path


class Trainer(Protocol):
    """What an engine brings to a training: its arrays, its gradients, its library's optimizer."""

    @property
    def name(self) -> str:
        """Of the implementation, as in tables."""
        ...

    def native(self, array: Array) -> Native:
        """An array of the engine's library, of the same dtype."""
        ...

    def to_numpy(self, native: Native) -> Array:
        """A copy at the boundary."""
        ...

    def overwrite(self, native: Native, array: Array) -> Native:
        """Puts other numbers into an array of the engine's, which stays where it is.

        Returns:
            That array; or another one, in place of a number that cannot be written to.
        """
        ...

    def loss_and_gradient(
        self, loss: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Natives]:
        """The value of a scalar computation, and its gradient by each name in its ``wrt``."""
        ...

    def loss(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """The value of a scalar computation; nothing is recorded for differentiation."""
        ...

    def hessian(self, loss: Computation, primals: Mapping[str, Native]) -> Native:
        """The second derivatives of a scalar computation, (n, n).

        Rows and columns are the entries of the arrays in its ``wrt``, in that order.
        """
        ...

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        """The parameters after so many steps of a rule, or where it stops.

        Args:
            rule: of descent.
            parameters: at the start; they are left as they are.
            objective: its gradient is asked at every step. The parameters that it is given may be
                overwritten afterwards.
            steps: how many at most.
        """
        ...
