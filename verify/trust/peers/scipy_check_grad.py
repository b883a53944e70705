"""SciPy's `check_grad`."""

import numpy as np
from scipy.optimize import check_grad

from verify.trust.peers.along_a_vector import scalarised
from verify.trust.planted import Planted

SCIPY_ACCEPTED = 100.0
"""`scipy.optimize.check_grad` returns the norm of an error, and no judgement. The rule: the norm,
relative to that of the gradient, may be so many square roots of the machine epsilon of the primals,
which is 1.5e-6 in float64 and 0.035 in float32. SciPy's forward differences are good for one such
root at their best, on a function of scale one."""


def ask_scipy(planted: Planted, rng: np.random.Generator) -> bool:
    """Does SciPy's `check_grad` accept the planted function?"""
    phi = scalarised(planted, rng)
    error = check_grad(phi.value, phi.gradient, phi.start)
    largest = SCIPY_ACCEPTED * np.sqrt(np.finfo(phi.start.dtype).eps)
    return bool(error <= largest * np.linalg.norm(phi.gradient(phi.start)))
