"""The training of `classifier` on 3,976 of the 5,000 digits; the other 1,024 are its test.

Which ones, a seeded generator says: the packaged digits are sorted. The run does not magnify
rounding.
"""

from dataclasses import replace

import numpy as np

from reference_impls.datasets import digits
from reference_impls.training import Expected, Record
from reference_impls.trainings import classifier

DIGITS = 5_000


def record(seed: int) -> Record:
    """Of the first 5,000 digits, in an order of chance, the last 1,024 are kept apart."""
    loaded = digits()
    order = np.random.default_rng(seed).permutation(DIGITS)
    learnt, tested = order[: -classifier.MOST_TESTED], order[-classifier.MOST_TESTED :]
    data, apart = classifier.rows_of(loaded, learnt), classifier.rows_of(loaded, tested)
    return classifier.record_of(seed, data, apart)


TRAINING = replace(
    classifier.TRAINING,
    name="split_classifier",
    steps=80,
    record=record,
    expected=(
        Expected(quantity="mean loss of epoch 10", value=0.6560826282, tolerance=1e-6),
        Expected(quantity="accuracy in the test", value=0.8271484375, tolerance=1e-6),
    ),
    curves=None,
)
