"""The same numbers, elsewhere in memory and not to be written to, have the same gradient."""

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.checks.check import Violation
from verify.checks.compare import contract_violation
from verify.checks.first_order.observation import Call, change
from verify.checks.first_order.repetition import (
    changed_afresh,
    cotangents_changed,
    repeated,
    value_changed,
)
from verify.checks.first_order.second_look import Discrepancy, shrinks_as_rounding_does
from verify.error_model.arrays import largest
from verify.error_model.noise import VALUE

WHAT = "with read-only primals that are not contiguous"


def depends_on_layout(call: Call) -> Violation | None:
    """What comes out otherwise for primals and a cotangent that lie in memory otherwise."""
    primals = {name: _elsewhere(array) for name, array in call.case.primals.items()}
    try:
        value, vjp = call.function.make_vjp(primals)
        got = vjp(_elsewhere(call.case.cotangent))
    except Exception as error:  # noqa: BLE001 -- it may take contiguous arrays alone, and say so
        if "read-only" in str(error):
            return Violation("mutation", f"{WHAT}, it writes to what it was given: {error}")
        return repeated(call)
    value = np.asarray(value)
    strided = _unlike(call, value, got)
    if not (strided or value_changed(value, call) or cotangents_changed(got, call)):
        return None
    # The same numbers once more: has memory to do with it, or is it another answer each time?
    if seen := repeated(call) or _another_each_time(call):
        return seen
    if not strided or _is_excused(call, value, got):
        return None
    return Violation("strides", f"{WHAT}, {strided}")


def _another_each_time(call: Call) -> Violation | None:
    changed = changed_afresh(call)
    return Violation("nondeterminism", f"computed again, {changed}") if changed else None


def _is_excused(call: Call, value: Array, got: Arrays) -> bool:
    """Is it another function for another layout, or only rounding?

    A function whose value is another one has another gradient: random numbers with a seed are drawn
    in the order of memory.
    """
    is_another = _value_unlike(call, value) and not _contract_fault(call, value, got)
    return bool(is_another) or shrinks_as_rounding_does(call, _discrepancies)


def _discrepancies(call: Call) -> dict[str, Discrepancy]:
    primals = {name: _elsewhere(array) for name, array in call.case.primals.items()}
    value, vjp = call.function.make_vjp(primals)
    got = {VALUE: np.asarray(value)} | vjp(_elsewhere(call.case.cotangent))
    expected = {VALUE: call.result.value} | call.result.cotangents
    return {
        name: Discrepancy(error=largest(got[name] - array), size=largest(array))
        for name, array in expected.items()
    }


def _unlike(call: Call, value: Array, got: Arrays) -> str:
    """How a result from elsewhere in memory differs, beyond rounding; empty if it does not."""
    if fault := _contract_fault(call, value, got):
        return fault
    return _cotangents_unlike(call, got) or _value_unlike(call, value)


def _cotangents_unlike(call: Call, got: Arrays) -> str:
    seen = _changed_beyond(call, got, 0.0)
    # What is rounded to float32 inside may be another number of it, in another order.
    return _changed_beyond(call, got, call.appeal.rough) if seen else ""


def _changed_beyond(call: Call, got: Arrays, rough: float) -> str:
    """How cotangents have changed, by more than noise and so many units of the largest entry."""
    first = call.result.cotangents
    # Of all entries the largest: summed in another order, each may show what it did not before.
    noise = {
        name: np.broadcast_to(call.noise.level(name) + rough * largest(array), array.shape)
        for name, array in first.items()
    }
    return _changed(call, noise, got, first)


def _contract_fault(call: Call, value: Array, got: Arrays) -> str:
    fault = contract_violation(value, got, call.case.primals, call.case.wrt)
    return fault.sentence if fault else ""


def _value_unlike(call: Call, value: Array) -> str:
    noise = {VALUE: np.full(call.result.value.shape, call.noise.level(VALUE))}
    return _changed(call, noise, {VALUE: value}, {VALUE: call.result.value})


def _changed(call: Call, noise: Arrays, got: Arrays, expected: Arrays) -> str:
    """What has changed, beyond rounding, and beyond what ties that it settles are worth."""
    seen = change(noise, got, expected)
    return seen and change(call.appeal.beside_ties(noise), got, expected)


def _elsewhere(array: Array) -> Array:
    """The same entries column-major, or backwards on a single axis; not to be written to."""
    moved = array[::-1].copy()[::-1] if array.ndim == 1 else np.array(array, order="F")
    moved.flags.writeable = False
    return moved
