"""(d) and (e): where the closed form says a run goes, and the numbers that its recipe gives."""

from collections.abc import Iterator, Mapping

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.training import Course, Record, Training
from verify.checks.check import Worst
from verify.checks.trainings.check import TrainingCheck, of_worst
from verify.checks.trainings.path import spread
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


def number_checks(
    training: Training, record: Record, name: str, course: Course, seed: int
) -> Iterator[TrainingCheck]:
    """Every number of a course, beside what is expected of it and what the tutorial prints.

    Args:
        training: which.
        record: what it was given.
        name: of the implementation.
        course: its run, in float64.
        seed: of the record: numbers are expected for some seeds only.
    """
    if not training.measures:
        return
    expected = {each.quantity: each for each in training.expected if each.seed == seed}
    reason = training.skipped()
    measured = training.measures(record, course)
    for quantity in expected.keys() - measured.keys():
        yield TrainingCheck(
            implementation=name,
            kind="number",
            verdict="disagree",
            quantity=quantity,
            detail="the run has no such number",
        )
    for quantity, got in measured.items():
        wanted = expected.get(quantity)
        if not wanted:
            yield TrainingCheck(
                implementation=name, kind="number", verdict="reported", quantity=quantity, got=got
            )
            continue
        is_near = abs(got - wanted.value) <= wanted.tolerance
        yield TrainingCheck(
            implementation=name,
            kind="number",
            verdict="skipped" if reason else "agree" if is_near else "disagree",
            quantity=quantity,
            got=got,
            expected=wanted.value,
            tolerance=wanted.tolerance,
            printed=wanted.printed,
            detail=reason,
        )


def places(steps: int) -> list[int]:
    """The steps before which parameters are kept for the closed form; the end is one more."""
    return spread(steps, PLACES)
