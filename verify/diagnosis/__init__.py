"""How a gradient is wrong: the class of the fault, from a few dozen numbers ⟨g, v⟩ of the truth g.

A gradient h was returned. The true one, g, is known only through ⟨g, v⟩ = ⟨u, J v⟩, which costs
about one evaluation of the function for each tangent v. The Jacobian is never formed, and whatever
the size, no more than `MAX_CALLS` such numbers are asked for. With them, hypotheses are tested:

- A fault F that can be undone, such as a transpose or a roll, is found if ⟨F⁻¹ h, v⟩ = ⟨g, v⟩ for
  `PROBES` Gaussian v; the same v serve for every F. If the fault has one unknown number c, as in
  h = c g or h = g + c D, least squares fit it.
- A linear fault F that cannot be undone, such as a sum over an axis, is found if
  ⟨h, w⟩ = ⟨g, Fᵀ w⟩.
- If a residual ⟨h - g, v⟩ is not zero, it is measured for half the entries of v; the other half has
  the rest. In log₂ n steps this finds the first wrong entry, and in as many the last.
- The true values of some entries are looked for elsewhere in h: that tells how entries were moved.
- A dozen values and gradients beside the point tell the rest: a staircase, a clipped value, kinks
  that cancel, a Jacobian that is taken for diagonal, a triangle that is not read.

A false hypothesis agrees with the truth along one Gaussian v with a probability of about the
tolerance; along four of them it practically never does. The tolerances are powers of the unit
roundoff u: u⁰·⁴ of the scale (4·10⁻⁷ in float64, 10⁻³ in float32) for a hypothesis, which must also
explain all but a fiftieth of the residual, and u⁰·⁶⁴ (6·10⁻¹¹, 2·10⁻⁵) for "this part is right".
"""

from verify.diagnosis.hypotheses import diagnose
from verify.diagnosis.shapes import diagnose_shape
from verify.diagnosis.surroundings import Surroundings
from verify.diagnosis.witness import MAX_CALLS, Derivative
from verify.diagnosis.words import FAULTS, Diagnosis

__all__ = [
    "FAULTS",
    "MAX_CALLS",
    "Derivative",
    "Diagnosis",
    "Surroundings",
    "diagnose",
    "diagnose_shape",
]
