"""What is another function in another dtype.

Random numbers that are drawn anew from a seed, an epsilon from `finfo(x.dtype)`, a branch on the
dtype: the values in float32 are then not those of float64, rounded. A float32 gradient cannot be
held against a float64 derivative, and nothing is wrong with it. If the values are the same and the
gradients are not, one dtype's are right, and those of the other are wrong. That float32 is right up
to rounding in float64 is so of any function, and says nothing.
"""

import numpy as np

from reference_impls.computation import Array
from verify.diagnosis.inquiry import Inquiry
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.suspect import Finding, Suspect, explains, names_of
from verify.error_model.arrays import index_of, norm
from verify.error_model.noise import SAFETY

FAULT = "depends on dtype or layout"
"""The class."""

OTHER = {"float32": "float64", "float64": "float32"}
"""Each dtype's other."""


def values_apart(narrow: Array, wide: Array) -> str:
    """What is said of values that float32 has others of than float64, and where most.

    Args:
        narrow: the values in float32.
        wide: those in float64.
    """
    flat = int(np.argmax(np.abs(np.subtract(narrow, wide, dtype=np.float64))))
    return (
        f"the values depend on the dtype: value{index_of(flat, wide.shape)} is "
        f"{narrow.flat[flat]:.3g} in float32 and {wide.flat[flat]:.3g} in float64; "
        "seeded random numbers?"
    )


def gradients_depend_on_dtype(inquiry: Inquiry, around: Surroundings, dtype: str) -> Finding | None:
    """The gradient is right in the other dtype."""
    other = OTHER[dtype]
    elsewhere = around.gradients_in(other)
    found = [
        suspect
        for suspect in inquiry.wrong
        if elsewhere[suspect.name].shape == suspect.shape
        and _is_beyond_rounding(suspect, elsewhere[suspect.name])
        and explains(suspect, elsewhere[suspect.name])
    ]
    if not found:
        return None
    predicate = (
        f"is wrong in {dtype} and right in {other}: "
        "seeded random numbers, or a constant that suits one dtype?"
    )
    return Finding(FAULT, names_of(found), predicate, found[0], elsewhere[found[0].name])


def _is_beyond_rounding(suspect: Suspect, elsewhere: Array) -> bool:
    """Is the other gradient so far away that this one is no rounded version of it?"""
    return norm(suspect.got - elsewhere) > SAFETY * suspect.unit * norm(suspect.got)
