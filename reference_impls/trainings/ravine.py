"""Descent in a ravine, f = ½ (x² + 100 y²), by five rules; and a sixth in twenty dimensions.

The curvatures are μ = 1 and L = 100. Gradient descent zigzags between the steep sides:

- With the exact search, from the worst start (L/μ, 1), every step multiplies f by
  ((L - μ)/(L + μ))² = (99/101)², and y changes its sign.
- The best fixed rate, 2/(L + μ), is no faster: every step multiplies x by 99/101, y by -99/101.
- Above 2/L it diverges: at 2.01/L, y grows by 1 % and changes its sign at every step.

What helps is momentum, with which the zigzag cancels: the best heavy ball, a = 4/11² and
b = (9/11)², multiplies both coordinates by almost 9/11 at every step. And curvature: Newton's first
step ends at the minimum.

In the 1-norm, steepest descent changes one coordinate at a time. On a quadratic in n unknowns, each
exact step leaves at most 1 - μ/(n max Aᵢᵢ) of f.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.computations.quadratic import COMPUTATION, sample
from reference_impls.descent import Exact, Momentum, Newton, SteepestDescent, on_quadratic
from reference_impls.pictures import contour, path
from reference_impls.training import Course, Curve, Expected, Record, Training

ORIGIN = "optimization, Drawbacks and mitigations"

RAVINE = np.diag([1.0, 100.0])
SLOWEST, BALL = 99 / 101, 9 / 11
FIXED, TOO_LARGE = 2 / 101, 2.01 / 100
UNKNOWNS = 20
DRAWN = 50
"""Steps of a path; later ones are too small to be seen."""


def ravine(x: float, y: float) -> Callable[[int], Record]:
    """The record of a start; nothing is random."""
    return lambda _: Record({"x": np.asarray([x, y])}, {"A": RAVINE})


def unknowns(seed: int) -> Record:
    """Twenty unknowns, with curvatures between 1 and about 5."""
    drawn = sample(np.random.default_rng(seed), UNKNOWNS)
    return Record({"x": drawn["x"]}, {"A": drawn["A"]})


def by_exact_search(given: Record, step: int) -> Arrays:
    """From (100, 1), both coordinates shrink alike, and the second changes its sign."""
    return {"x": given.parameters["x"] * [SLOWEST**step, (-SLOWEST) ** step]}


def by_fixed_rate(rate: float, given: Record, step: int) -> Arrays:
    """The minimum is at 0."""
    return {"x": on_quadratic(given.parameters["x"], np.zeros(2), RAVINE, rate, step)}


def by_heavy_ball(given: Record, step: int) -> Arrays:
    """(1 + k (1 - r)) rᵏ, with r = 9/11 along the ravine and r = -9/11 across it.

    For either curvature λ, z² - (1 + b - a λ) z + b = 0 has the one root r, twice.
    """
    root = np.asarray([BALL, -BALL])
    return {"x": given.parameters["x"] * (1 + step * (1 - root)) * root**step}


def distances(given: Record, course: Course) -> dict[str, float]:
    """How far from the minimum the end is: by its largest entry, and as a part of the start."""
    end, start = course.parameters["x"], given.parameters["x"]
    return {
        "largest entry": float(np.abs(end).max()),
        "distance left": float(np.linalg.norm(end) / np.linalg.norm(start)),
    }


def measures(given: Record, course: Course) -> dict[str, float]:
    """What a step leaves of the loss, too."""
    left = [after / before for before, after in pairwise(course.losses)]
    return {
        **distances(given, course),
        "smallest ratio": min(left),
        "largest ratio": max(left),
    }


def measures_of_the_ball(given: Record, course: Course) -> dict[str, float]:
    """The part of the distance that a step leaves, late in the run, too."""
    half = len(course.losses) // 2
    late = (course.losses[-1] / course.losses[half]) ** (0.5 / (len(course.losses) - 1 - half))
    return {**measures(given, course), "rate": float(late)}


def measures_in_the_1_norm(given: Record, course: Course) -> dict[str, float]:
    """How often a step leaves more than it may."""
    A = given.data["A"]
    bound = 1 - np.linalg.eigvalsh(A)[0] / (UNKNOWNS * A.diagonal().max())
    left = (after / before for before, after in pairwise(course.losses))
    broken = sum(ratio > bound for ratio in left)
    return {**measures(given, course), "bound": float(bound), "times above it": float(broken)}


def curves(given: Record, course: Course) -> list[Curve]:
    """The way down, over the loss."""
    way = path("x", course)
    x, y = (np.abs(along).max() for along in (way.x, way.y))
    return [contour(COMPUTATION, given.data, (-x, x), (-y, y)), way]


_training = partial(
    Training,
    origin=ORIGIN,
    loss=COMPUTATION,
    measures=measures,
    curves=curves,
    kept=tuple(range(DRAWN)),
)

TRAININGS = (
    _training(
        name="ravine_exact_search",
        rule=SteepestDescent(search=Exact()),
        steps=100,
        record=ravine(100.0, 1.0),
        closed_form=by_exact_search,
        expected=(
            Expected(quantity="smallest ratio", value=SLOWEST**2, tolerance=1e-12),
            Expected(quantity="largest ratio", value=SLOWEST**2, tolerance=1e-12),
        ),
    ),
    _training(
        name="ravine_fixed_rate",
        rule=Momentum(rate=FIXED),
        steps=100,
        record=ravine(1.0, 1.0),
        closed_form=partial(by_fixed_rate, FIXED),
        expected=(Expected(quantity="distance left", value=0.1353262606, tolerance=1e-10),),
    ),
    _training(
        name="ravine_rate_too_large",
        rule=Momentum(rate=TOO_LARGE),
        steps=1_000,
        record=ravine(1.0, 1.0),
        closed_form=partial(by_fixed_rate, TOO_LARGE),
        expected=(
            Expected(quantity="largest entry", value=1.01**1_000, tolerance=1e-6),
            Expected(quantity="largest ratio", value=1.01**2, tolerance=1e-12),
        ),
    ),
    _training(
        name="ravine_heavy_ball",
        rule=Momentum(rate=4 / 121, mass=BALL**2),
        steps=300,
        record=ravine(1.0, 1.0),
        closed_form=by_heavy_ball,
        measures=measures_of_the_ball,
        expected=(Expected(quantity="rate", value=BALL, tolerance=0.01 * BALL),),
    ),
    _training(
        name="ravine_newton",
        rule=Newton(),
        steps=1,
        record=ravine(1.0, 1.0),
        measures=distances,
        expected=(Expected(quantity="distance left", value=0.0, tolerance=1e-15),),
        kept=(0,),
    ),
    _training(
        name="ravine_1_norm",
        rule=SteepestDescent(search=Exact(), norm=1),
        steps=300,
        record=unknowns,
        measures=measures_in_the_1_norm,
        expected=(
            Expected(quantity="times above it", value=0.0, tolerance=0.0),
            Expected(quantity="distance left", value=0.0, tolerance=1e-6),
        ),
        curves=None,
        kept=(),
    ),
)
