"""The circles of `circles` with two hidden neurons: two lines leave a strip, which stays open.

The run does not magnify rounding.
"""

from dataclasses import replace

from reference_impls.training import Expected
from reference_impls.trainings import circles

ACCURACIES = (0.776, 0.776, 0.788, 0.774, 0.790, 0.796, 0.774, 0.788, 0.780, 0.774)


TRAINING = replace(
    circles.TRAINING,
    name="circles_two_neurons",
    record=circles.record_with(hidden=2),
    expected=tuple(
        Expected(quantity="accuracy", value=accuracy, tolerance=1e-6, seed=seed)
        for seed, accuracy in enumerate(ACCURACIES)
    ),
)
