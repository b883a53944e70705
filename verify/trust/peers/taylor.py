"""The Taylor test."""

import numpy as np

from verify.trust.peers.along_a_vector import scalarised
from verify.trust.planted import Planted

TAYLOR_STEPS = tuple(0.01 / 2**i for i in range(4))


TAYLOR_RATE = 1.9
"""The rate of convergence is 2 for a right gradient and 1 for a wrong one. The steps are those of
dolfin-adjoint's `taylor_test`, whose users assert that the smallest rate exceeds this one. Farrell,
Ham, Funke, Rognes (2013), "Automated derivation of the adjoint of high-level transient finite
element programs"."""


TAYLOR_ROUNDING = 10.0
"""A remainder that is only rounding, as that of a linear function, has no rate; dolfin-adjoint only
warns of it. The rule: it is accepted up to so many machine epsilons of the terms."""


def ask_taylor(planted: Planted, rng: np.random.Generator) -> bool:
    """Does the Taylor test accept the planted function?"""
    phi = scalarised(planted, rng)
    direction = rng.standard_normal(phi.start.shape).astype(phi.start.dtype)
    terms = phi.terms(phi.start)
    slope = float(phi.gradient(phi.start).astype(np.float64) @ direction.astype(np.float64))
    steps = np.array(TAYLOR_STEPS)
    moved = [phi.value(phi.start + direction * phi.start.dtype.type(step)) for step in steps]
    remainders = np.abs(np.array(moved) - terms.sum() - steps * slope)
    epsilon = float(np.finfo(phi.start.dtype).eps)
    if (remainders <= TAYLOR_ROUNDING * epsilon * np.abs(terms).sum()).all():
        return True
    rates = np.log2(remainders[:-1] / remainders[1:])
    return bool(rates.min() > TAYLOR_RATE)
