"""The end of a rule that stops by itself: it must be as near a minimum as that of the run by hand.

How far BFGS and L-BFGS go in a step is their library's choice, and so no update of theirs is held
against another: all that is judged of them, beside gradients, is that they get there.
"""

from collections.abc import Mapping

import numpy as np

from reference_impls.computation import Arrays
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.searching import as_vector
from reference_impls.training import Losses, Record, Training, in_numpy
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.check import TrainingCheck
from verify.error_model.arrays import largest, unit_roundoff
from verify.error_model.noise import INSTABILITY, SAFETY

FURTHER = {"float64": 10.0, "float32": float(INSTABILITY)}
"""How many times as large as asked for, or as in the run by hand, the gradient may be at the end.

In float64 a tolerance can be met. In float32 most cannot: a search ends where the loss goes down no
more, and where that is may differ by as many digits as rounding may ever cost.
"""


def end_check(
    training: Training,
    record: Record,
    name: str,
    dtype: str,
    by_hand: RunByHand,
    end: Mapping[str, np.ndarray],
) -> TrainingCheck:
    """How large the gradient is at an end: about as asked for, and smaller than at the start.

    Args:
        training: whose rule searches.
        record: what it was given.
        name: of the implementation.
        dtype: of all arrays.
        by_hand: the run by hand.
        end: the parameters where the implementation stopped.
    """
    losses = Losses(training, record, ManualTrainer(), dtype)
    got, expected, start = (
        _size_of_gradient(losses, dtype, each)
        for each in (end, by_hand.course.parameters, by_hand.thetas[0])
    )
    asked = getattr(training.rule, "tolerance", 0.0)
    allowed = FURTHER[dtype] * max(asked, expected)
    has_gone = got < start or start <= asked
    is_near = got <= allowed or _is_at_rounding(losses, dtype, end)
    return TrainingCheck(
        implementation=name,
        kind="end",
        verdict="agree" if has_gone and is_near else "disagree",
        quantity="largest entry of the gradient",
        got=got,
        expected=expected,
        tolerance=min(allowed, start),
        detail="" if has_gone and is_near else "it stops where there is further to go",
    )


def _size_of_gradient(losses: Losses, dtype: str, theta: Mapping[str, np.ndarray]) -> float:
    _, gradient = losses.loss_and_gradient(_rounded(theta, dtype))
    return max(map(largest, in_numpy(gradient, ManualTrainer()).values()))


def _is_at_rounding(losses: Losses, dtype: str, theta: Mapping[str, np.ndarray]) -> bool:
    """Is all that Newton's step promises, ½ gᵀH⁻¹g, a rounding of the loss? No search sees it."""
    point = _rounded(theta, dtype)
    loss, gradient = losses.loss_and_gradient(point)
    g, hessian = as_vector(gradient, point, np), np.asarray(losses.hessian(point), np.float64)
    if not np.isfinite(hessian).all() or np.linalg.eigvalsh(hessian)[0] <= 0:
        return False
    promised = float(g @ np.linalg.solve(hessian, g)) / 2
    return promised <= SAFETY * unit_roundoff(np.dtype(dtype)) * abs(loss)


def _rounded(theta: Mapping[str, np.ndarray], dtype: str) -> Arrays:
    return {name: np.array(array, dtype) for name, array in theta.items()}
