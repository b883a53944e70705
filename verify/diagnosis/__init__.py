"""How a gradient is wrong: the class of the fault, from a few dozen numbers ⟨g, v⟩ of the truth g.

A gradient h was returned; the true one, g, is known only through ⟨g, v⟩ = ⟨u, J v⟩, at the cost of
about one evaluation of the function for each tangent v. The Jacobian is never formed, and at any
size no more than `MAX_CALLS` such numbers are asked for. They tell by testing hypotheses:

- A fault that can be undone, h = F g with F⁻¹ known, a transpose or a roll, is one if
  ⟨F⁻¹ h, v⟩ = ⟨g, v⟩ for `PROBES` Gaussian v: one set of v serves all such F. A fault of one
  unknown number, as in h = c g or h = g + c D, has it fitted to them by least squares.
- A linear fault that cannot, such as a sum over an axis, is one if ⟨h, w⟩ = ⟨g, Fᵀ w⟩.
- Where a residual ⟨h - g, v⟩ is not zero, that of half the entries of v is measured, and the other
  half's is the difference: log₂ n steps find the first wrong entry, and as many the last.
- True values of some entries, found elsewhere in h, tell how the entries were moved.

A false hypothesis meets the truth for one Gaussian v with a probability of about the tolerance, so
for four independent ones practically never. The tolerances are exponents of the unit roundoff u:
u⁰·⁴ (4·10⁻⁷ in float64, 10⁻³ in float32) of the scale for a hypothesis, which must also explain all
but a fiftieth of the residual, and u⁰·⁶⁴ (6·10⁻¹¹, 2·10⁻⁵) for "this part of h is right".
"""

from verify.diagnosis.hypotheses import diagnose
from verify.diagnosis.shapes import diagnose_shape
from verify.diagnosis.witness import MAX_CALLS, Derivative
from verify.diagnosis.words import FAULTS, Diagnosis

__all__ = [
    "FAULTS",
    "MAX_CALLS",
    "Derivative",
    "Diagnosis",
    "diagnose",
    "diagnose_shape",
]
