"""What is another function in another dtype.

Random numbers that are drawn anew from a seed, an epsilon from `finfo(x.dtype)`, a branch on the
dtype: the values in float32 are then not those of float64, rounded. A float32 gradient cannot be
held against a float64 derivative, and nothing is wrong with it. If the values are the same and the
gradients are not, one dtype's are right, and those of the other are wrong.
"""

import numpy as np

from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.suspect import Finding, explains, names_of
from verify.error_model.arrays import index_of, largest

FAULT = "depends on dtype or layout"
"""The class of both."""

FAR = 1e-2
"""Values that are so far apart, beside the largest of them, have lost all but two digits."""

CONDITION = 8.0
"""They are farther apart than this many times what a rounding of the primals moves them."""

OTHER = {"float32": "float64", "float64": "float32"}
"""Each dtype's other."""


def values_depend_on_dtype(inquiry: Inquiry, around: Surroundings, dtype: str) -> Finding | None:
    """The values in float32 are another function's than those in float64, which the oracle uses."""
    if dtype != "float32":
        return None
    narrow, wide = around.value_in("float32"), around.value_in("float64")
    if narrow.shape != wide.shape or not wide.size:
        return None
    errors = np.abs(narrow - wide)
    flat = int(np.argmax(errors))
    if not errors.flat[flat] > FAR * max(largest(narrow), largest(wide)):
        return None
    suspect = inquiry.wrong[0]
    nudges = {
        name: suspect.unit * np.abs(primal) * np.sign(suspect.witness.tangent(name, primal.shape))
        for name, primal in around.primals.items()
        if name in inquiry.names
    }
    if largest(around.value(nudges) - wide) * CONDITION > errors.flat[flat]:
        return None
    where = f"value{index_of(flat, wide.shape)}"
    predicate = (
        f"cannot be judged, as the values depend on the dtype: {where} is "
        f"{narrow.flat[flat]:.3g} in float32 and {wide.flat[flat]:.3g} in float64; "
        "seeded random numbers?"
    )
    return Finding(FAULT, names_of(inquiry.wrong), predicate, suspect, is_excused=True)


def gradients_depend_on_dtype(inquiry: Inquiry, around: Surroundings, dtype: str) -> Finding | None:
    """The gradient is right in the other dtype."""
    other = OTHER[dtype]
    elsewhere = around.gradients_in(other)
    found = [
        suspect
        for suspect in inquiry.wrong
        if elsewhere[suspect.name].shape == suspect.shape
        and explains(suspect, elsewhere[suspect.name])
    ]
    if not found:
        return None
    predicate = (
        f"is wrong in {dtype} and right in {other}: "
        "seeded random numbers, or a constant that suits one dtype?"
    )
    return Finding(FAULT, names_of(found), predicate, found[0], elsewhere[found[0].name])
