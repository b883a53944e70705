"""(d) The closed form: where a run is known to go without descending."""

from collections.abc import Iterator, Mapping

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.training import Record, Training
from verify.checks.check import Worst
from verify.checks.trainings.by_hand import spread
from verify.checks.trainings.check import TrainingCheck, of_worst
from verify.error_model.arrays import index_of, largest

CLOSED_FORM = 1e-10
"""Of the largest parameter. Two roundings in a thousand steps of one, and the power of a matrix in
the other, are far below it."""

PLACES = 20
"""So many steps are held against the closed form, evenly spread, the last among them."""


def closed_form_check(
    training: Training, record: Record, name: str, thetas: Mapping[int, Arrays]
) -> TrainingCheck | None:
    """The parameters that are furthest from the closed form, where there is one.

    Args:
        training: which.
        record: what it was given.
        name: of the implementation.
        thetas: its parameters before some steps.
    """
    if not training.closed_form:
        return None
    found = [
        (step, worst)
        for step, theta in thetas.items()
        for worst in _apart(theta, training.closed_form(record, step))
    ]
    step, worst = max(found, key=lambda each: each[1].in_tolerances)
    detail = f"the worst of {len(thetas)} steps"
    return of_worst(name, "closed form", worst, step, detail)


def _apart(theta: Arrays, wanted: Arrays) -> Iterator[Worst]:
    scale = max(*(largest(array) for array in wanted.values()), float(np.finfo(np.float64).tiny))
    for name, array in wanted.items():
        errors = np.abs(theta[name] - array)
        flat = int(np.argmax(errors))
        yield Worst(
            argument=name,
            index=index_of(flat, array.shape),
            got=float(theta[name].flat[flat]),
            expected=float(array.flat[flat]),
            # NaN, compared with anything, would pass.
            error=float(np.nan_to_num(errors.flat[flat], nan=np.inf)),
            tolerance=CLOSED_FORM * scale,
            scale=scale,
            ulps=0.0,
        )


def places(steps: int) -> list[int]:
    """The steps before which parameters are kept for the closed form; the end is one more."""
    return spread(steps, PLACES)
