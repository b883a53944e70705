"""(e) The numbers of a run, beside those that its recipe gives."""

from collections.abc import Iterator

from reference_impls.training import Course, Record, Training
from verify.checks.trainings.check import TrainingCheck


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
        yield TrainingCheck(
            implementation=name,
            kind="number",
            verdict="skipped" if reason else "agree" if wanted.is_met(got) else "disagree",
            quantity=quantity,
            got=got,
            expected=wanted.value,
            tolerance=wanted.tolerance,
            printed=wanted.printed,
            detail=reason,
        )
