"""Down Rosenbrock's valley: by Newton, BFGS and L-BFGS in a few steps, else in thousands.

The usual start is (-1.2, 1), the minimum is at ones. Newton's steps are taken whole: the loss rises
to 1412 on the way. Steepest descent with Armijo's search zigzags along the bottom of the valley.

In four dimensions there are two minima, 0 at ones and 3.70 near (-0.78, 0.61, 0.38, 0.15): which
of them is found is decided by the start.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from reference_impls.computation import Array
from reference_impls.computations.rosenbrock import COMPUTATION
from reference_impls.descent import BFGS, LBFGS, Armijo, Newton, SteepestDescent
from reference_impls.pictures import POINTS, contour, path
from reference_impls.training import Course, Curve, Expected, Record, Training

CLOSE = 1e-10
"""Of the gradient's largest entry."""

NEWTON = (4.731884, 1411.845, 0.05596552, 0.3131891, 1.852740e-11)
"""The losses after Newton's first five steps."""


def start(*x: float) -> Callable[[int], Record]:
    """The record of a start; nothing is random."""
    return lambda _: Record({"x": np.asarray(x)}, {})


def measures(_: Record, course: Course) -> dict[str, float]:
    """How many steps, and where they lead."""
    end = course.parameters["x"]
    return {
        "steps": len(course.losses) - 1.0,
        "last loss": course.losses[-1],
        "distance": float(np.linalg.norm(end - 1)),
    }


def measures_of_newton(given: Record, course: Course) -> dict[str, float]:
    """The losses after the first steps, too."""
    after = {f"loss after step {k}": course.losses[k] for k in range(1, len(NEWTON) + 1)}
    return {**measures(given, course), **after}


def curves(_: Record, course: Course) -> list[Curve]:
    """The way down, over the loss."""
    return [contour(COMPUTATION, {}, (-2.0, 2.0), (-1.0, 3.0)), path("x", course)]


def curves_between(given: Record, course: Course) -> list[Curve]:
    """The loss along the straight line between the two minima, and how it fell."""
    del given
    part = np.linspace(-0.2, 1.2, POINTS)
    line = [_loss(SECOND + t * (1 - SECOND)) for t in part]
    steps = np.arange(len(course.losses), dtype=np.float64)
    return [
        Curve("loss from one minimum to the other", part, np.asarray(line)),
        Curve("loss", steps, np.asarray(course.losses)),
    ]


def _loss(x: Array) -> float:
    return float(COMPUTATION.by_hand(x)[0])


SECOND = np.asarray([-0.775659, 0.613093, 0.382063, 0.145972])
"""The second minimum in four dimensions."""

_training = partial(
    Training,
    origin="optimization, Newton's method",
    loss=COMPUTATION,
    measures=measures,
)
_usual = partial(_training, record=start(-1.2, 1.0), curves=curves)
_four = partial(
    _training,
    origin="optimization, Drawbacks and mitigations: susceptible to initialization",
    rule=BFGS(tolerance=1e-8),
    steps=200,
    curves=curves_between,
)

TRAININGS = (
    _usual(
        name="rosenbrock_newton",
        rule=Newton(tolerance=CLOSE),
        steps=50,
        kept=tuple(range(8)),
        measures=measures_of_newton,
        expected=(
            Expected(quantity="steps", value=7.0, tolerance=0.0),
            Expected(quantity="last loss", value=0.0, tolerance=1e-24),
            *(
                Expected(quantity=f"loss after step {k}", value=loss, tolerance=1e-6 * loss)
                for k, loss in enumerate(NEWTON, start=1)
            ),
        ),
    ),
    _usual(
        name="rosenbrock_bfgs",
        rule=BFGS(tolerance=CLOSE),
        steps=100,
        kept=tuple(range(40)),
        expected=(
            Expected(quantity="steps", value=34.0, tolerance=6.0),
            Expected(quantity="last loss", value=0.0, tolerance=1e-10),
        ),
    ),
    _usual(
        name="rosenbrock_lbfgs",
        rule=LBFGS(tolerance=CLOSE),
        steps=100,
        kept=tuple(range(45)),
        expected=(
            Expected(quantity="steps", value=39.0, tolerance=6.0),
            Expected(quantity="last loss", value=0.0, tolerance=1e-10),
        ),
    ),
    _usual(
        name="rosenbrock_armijo",
        rule=SteepestDescent(search=Armijo(), tolerance=1e-6),
        steps=20_000,
        kept=tuple(range(100)) + tuple(range(100, 20_000, 100)),
        expected=(
            Expected(quantity="steps", value=13_756.0, tolerance=137.0),
            Expected(quantity="distance", value=0.0, tolerance=1e-5),
        ),
        dtypes=("float64",),  # float32 has not the digits for this tolerance
    ),
    _four(
        name="rosenbrock_near_one",
        record=start(1.2, 1.2, 1.2, 1.2),
        expected=(Expected(quantity="last loss", value=0.0, tolerance=1e-12),),
    ),
    _four(
        name="rosenbrock_near_minus_one",
        record=start(-1.0, 1.0, 1.0, 1.0),
        expected=(Expected(quantity="last loss", value=3.7014, tolerance=1e-4),),
    ),
)
