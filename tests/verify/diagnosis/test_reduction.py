from collections.abc import Callable

import numpy as np
import pytest

from reference_impls import Array
from tests.verify.diagnosis.shared import (
    ARGUMENTS,
    SHAPES,
    KnownGradient,
    each_dtype,
    large,
    middle_of,
)


@each_dtype
@large
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(("reduce", "verb"), [(np.sum, "summed"), (np.mean, "averaged")])
def test_a_sum_over_an_axis_that_the_argument_has_is_told(
    size: int, dtype: str, argument: str, reduce: Callable[..., Array], verb: str
) -> None:
    known = KnownGradient(SHAPES[size], dtype)
    true = known.gradient[argument]
    wrong = np.broadcast_to(reduce(true, axis=0, keepdims=True), true.shape)
    found = known.assert_found("over-reduced broadcast", argument, wrong)
    says = f"was {verb} over axis 0 (length {len(true)}), which the argument has"
    assert middle_of(found.sentence) == says
