"""Calls that change what they were given, or what they gave before; calls that answer otherwise."""

from itertools import combinations

import numpy as np

from reference_impls.computation import Array, Arrays, copies
from verify.checks.check import Violation
from verify.checks.first_order.observation import Call, change
from verify.error_model.arrays import largest


def modified(call: Call) -> Violation | None:
    """Primals or the cotangent, after the call."""
    for name, primal in call.primals.items():
        if not np.array_equal(primal, call.case.primals[name]) and not _is_left_behind(name, call):
            return Violation("mutation", f"modified primal {name}")
    if not np.array_equal(call.cotangent, call.case.cotangent):
        return Violation("mutation", "modified the cotangent")
    return None


def _is_left_behind(name: str, call: Call) -> bool:
    """Is what was written into a primal nothing to the function itself, as running statistics are?

    So it may be with one that no gradient is asked for: what the function leaves there for others
    is no mistake in its gradient, unless its next answer is another one for it.
    """
    if name in call.case.wrt:
        return False
    value, vjp = call.function.make_vjp(
        copies(call.case.primals | {name: call.primals[name]}),
    )
    found = vjp(call.case.cotangent.copy())
    return not (value_changed(value, call) or call.fault(found) or cotangents_changed(found, call))


def shared(call: Call) -> str:
    """Which gradient shares memory with another, or with what was given; empty if none does.

    That is no fault, as engines do it all day: x + y has one gradient for both, and a reshape gives
    back a view. Whoever writes to a gradient needs to know.
    """
    gradients = [(f"the gradient of {name}", array) for name, array in call.returned.items()]
    inputs = [(f"primal {name}", array) for name, array in call.primals.items()]
    inputs.append(("the cotangent", call.cotangent))
    pairs = [
        *combinations(gradients, 2),
        *((mine, given) for mine in gradients for given in inputs),
    ]
    for (one, its), (other, others) in pairs:
        # Only the bounds of their memory: whether two strided views interleave is a hard problem,
        # and no VJP has a reason to return such views.
        if np.may_share_memory(its, others):
            return f"{one} and {other} share memory: copy one before you write to it"
    return ""


def overwritten(call: Call) -> Violation | None:
    """After calls with other cotangents, which show a buffer that is used again."""
    for name, array in call.returned.items():
        if not np.array_equal(array, call.result.cotangents[name]):
            sentence = f"a later call of the VJP overwrote the gradient of {name}"
            return Violation("shared memory", sentence)
    return None


def repeated(call: Call) -> Violation | None:
    """Another answer to the same question."""
    # After another cotangent, and after the same: what is left of a call may depend on it.
    for _ in range(2):
        again = call.vjp(call.case.cotangent.copy())
        if fault := call.fault(again):
            return Violation("stale state", f"on a second call of the VJP, {fault}")
        if changed := cotangents_changed(again, call):
            kind = "nondeterminism" if changed_afresh(call) else "stale state"
            return Violation(kind, f"a second call of the VJP changed {changed}")
    return None


def changed_afresh(call: Call) -> str:
    """What has changed when all is computed again; empty if nothing."""
    value, vjp = call.function.make_vjp(copies(call.case.primals))
    again = vjp(call.case.cotangent.copy())
    return value_changed(value, call) or cotangents_changed(again, call)


def value_changed(value: Array, call: Call) -> str:
    """What has changed in the value though the same code ran on the same numbers."""
    got, expected = call.case.by_output(np.asarray(value)), call.case.by_output(call.result.value)
    return _same_code(
        {f"the {name}": array for name, array in got.items()},
        {f"the {name}": array for name, array in expected.items()},
    )


def cotangents_changed(again: Arrays, call: Call) -> str:
    """What has changed in the gradients though the same code ran on the same numbers."""
    return _same_code(again, call.result.cotangents)


def _same_code(got: Arrays, expected: Arrays) -> str:
    """What was measured as noise is no excuse here: it may be this very change.

    Sums in another order, as on a GPU, may differ by roundings of their terms.
    """
    most = max(map(largest, expected.values()), default=0.0)
    noise = {name: np.broadcast_to(most, array.shape) for name, array in expected.items()}
    return change(noise, got, expected)
