"""What figures of a way down show: the way itself, and the loss around it."""

from collections.abc import Mapping

import numpy as np

from reference_impls.computation import Array, Computation
from reference_impls.training import Course, Curve

POINTS = 50
"""Along each side of a picture."""


def path(name: str, course: Course) -> Curve:
    """The first two entries of a parameter, step by step, and at the end."""
    steps = [*(course.iterates[step] for step in sorted(course.iterates)), course.parameters]
    x, y, *_ = np.asarray([parameters[name] for parameters in steps], np.float64).T
    return Curve("path", x, y)


def contour(
    loss: Computation,
    data: Mapping[str, Array],
    x_between: tuple[float, float],
    y_between: tuple[float, float],
) -> Curve:
    """The loss of one parameter in the plane, at the points of a grid.

    Args:
        loss: with one name in its ``wrt``.
        data: its other primals.
        x_between: the picture's left and right.
        y_between: its bottom and top.
    """
    (name,) = loss.wrt
    x, y = (
        grid.ravel()
        for grid in np.meshgrid(np.linspace(*x_between, POINTS), np.linspace(*y_between, POINTS))
    )
    values = [loss.by_hand(**{name: point}, **data)[0] for point in np.stack([x, y], axis=1)]
    return Curve("loss", x, y, np.asarray(values))
