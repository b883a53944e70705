"""What every VJP does, whatever function it is of: checks that need no derivative.

At fixed primals a VJP is a linear map u ↦ Jᵀu, and nothing else: it has one answer, which does not
depend on how often it is asked, on where its input lies in memory, or on what becomes of the answer
it gave before. So

- names, shapes and dtypes of what it returns are those of the primals, and every entry is finite;
- primals and cotangent are left as they were;
- a second call returns the same, into memory of its own;
- vjp(u - 2·1) = vjp(u) - 2 vjp(1), and vjp(0) = 0;
- a cotangent of stride zero, as the gradient of a sum is, counts as many times as it has entries;
- primals read backwards, or in column-major order, and not to be written to, are the same primals.

What is seen first is reported alone: one mistake breaks several of these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reference_impls.backends import Implementation
from reference_impls.computation import Array, Arrays, Computation, Vjp
from verify.compare import NOT_LINEAR, Violation, contract_violation, first_index, worst_entry
from verify.tolerance import Noise

FACTOR = 2.0
"""Of the cotangents that are combined: a power of two, with which nothing is rounded anew."""


@dataclass(frozen=True)
class Result:
    """What one implementation made of a case."""

    name: str
    value: Array
    cotangents: Arrays


@dataclass(frozen=True)
class Setting:
    """Where a VJP is looked at.

    Attributes:
        computation: the function f.
        primals: where.
        cotangent: u.
        noise: that is allowed there.
    """

    computation: Computation
    primals: Arrays
    cotangent: Array
    noise: Noise


def observe(
    name: str, implementation: Implementation, setting: Setting
) -> tuple[Result | None, Violation | None]:
    """The result of an implementation, and what it did that no VJP does.

    Without the first, there is nothing that could be compared.

    Raises:
        Exception: whatever the implementation raises at the primals as they are.
    """
    primals, cotangent = _copies(setting.primals), setting.cotangent.copy()
    native_value, vjp = implementation.make_vjp(setting.computation, primals)
    # Copies: a later call may write where an earlier one put its answer.
    value = np.array(native_value)
    returned = vjp(cotangent)
    fault = contract_violation(value, returned, setting.primals, setting.computation.wrt)
    if fault:
        return None, fault
    result = Result(name, value, _copies(returned))
    looks: tuple[Callable[[], Violation | None], ...] = (
        lambda: getattr(vjp, "mended", None),
        lambda: _modified(setting, primals, cotangent),
        lambda: _shared(returned, primals, cotangent),
        lambda: _repeated(implementation, setting, vjp, result),
        lambda: _modified(setting, primals, cotangent),
        lambda: _linear(setting, vjp, result),
        lambda: _overwritten(returned, result),
        lambda: _layout(implementation, setting, result),
    )
    # One after the other: each rests on the ones before it.
    return result, next((seen for look in looks if (seen := look())), None)


def _copies(arrays: Mapping[str, Array]) -> Arrays:
    return {name: np.array(array) for name, array in arrays.items()}


def _modified(setting: Setting, primals: Arrays, cotangent: Array) -> Violation | None:
    for name, primal in primals.items():
        if not np.array_equal(primal, setting.primals[name]):
            return Violation("mutation", f"modified primal {name}")
    if not np.array_equal(cotangent, setting.cotangent):
        return Violation("mutation", "modified the cotangent")
    return None


def _shared(returned: Arrays, primals: Arrays, cotangent: Array) -> Violation | None:
    gradients = [(f"the gradient of {name}", array) for name, array in returned.items()]
    inputs = [(f"primal {name}", array) for name, array in primals.items()]
    pairs = [
        *combinations(gradients, 2),
        *((mine, given) for mine in gradients for given in [*inputs, ("the cotangent", cotangent)]),
    ]
    for (one, its), (other, others) in pairs:
        # Only the bounds of their memory: whether two strided views interleave is a hard problem,
        # and no VJP has a reason to return such views.
        if np.may_share_memory(its, others):
            return Violation("shared memory", f"{one} and {other} share memory")
    return None


def _repeated(
    implementation: Implementation, setting: Setting, vjp: Vjp, result: Result
) -> Violation | None:
    again = vjp(setting.cotangent.copy())
    fault = contract_violation(result.value, again, setting.primals, setting.computation.wrt)
    if fault:
        return Violation("stale state", f"on a second call of the VJP, {fault.sentence}")
    value, afresh = implementation.make_vjp(setting.computation, _copies(setting.primals))
    changed = _same_code(again, result.cotangents)
    if changed:
        others = _same_code(afresh(setting.cotangent.copy()), result.cotangents)
        kind = "nondeterminism" if others else "stale state"
        return Violation(kind, f"a second call of the VJP changed {changed}")
    moved = _same_code({"the value": np.asarray(value)}, {"the value": result.value})
    return Violation("nondeterminism", f"computed again, {moved}") if moved else None


def _same_code(got: Arrays, expected: Arrays) -> str:
    """What has changed though the same code ran on the same numbers; empty if nothing.

    What was measured as noise is no excuse: it may be this very change. Sums in another order, as
    on a GPU, may differ by roundings of their terms.
    """
    largest = max((np.max(np.abs(a), initial=0.0) for a in expected.values()), default=0.0)
    return _change({name: np.full(a.shape, largest) for name, a in expected.items()}, got, expected)


def _overwritten(returned: Arrays, result: Result) -> Violation | None:
    """After calls with other cotangents, which show a buffer that is used again."""
    for name, array in returned.items():
        if not np.array_equal(array, result.cotangents[name]):
            overwritten = f"a later call of the VJP overwrote the gradient of {name}"
            return Violation("shared memory", overwritten)
    return None


def _change(noise: Arrays, got: Arrays, expected: Arrays) -> str:
    """What has changed, beyond what rounding in another order could change; empty if nothing."""
    if not any(array.size for array in expected.values()):
        return ""
    worst = worst_entry(got, expected, noise)
    if worst.accepted:
        return ""
    return f"{worst.argument}{worst.index} from {worst.expected!r} to {worst.got!r}"


def _linear(setting: Setting, vjp: Vjp, result: Result) -> Violation | None:
    u = setting.cotangent
    if not u.size:
        return None
    ones = np.ones_like(u)
    of_ones = _copies(vjp(ones))
    # A scalar times 1 is all that a scalar's cotangent can be: then this says nothing new.
    combined = vjp(np.asarray(u - FACTOR * ones))
    first = result.cotangents
    wanted = {name: first[name] - FACTOR * of_ones[name] for name in first}
    noise = setting.noise.cotangents
    terms = {
        name: 2 * FACTOR * (noise[name] + np.abs(first[name]) + np.abs(of_ones[name]))
        for name in first
        if not setting.noise.vanishes(name, first[name])
    }
    seen = _change(terms, combined, {name: wanted[name] for name in terms})
    if seen:
        if all(np.array_equal(first[name], of_ones[name]) for name in first):
            ignored = "the gradient is the same for every cotangent"
            return Violation("cotangent ignored", ignored)
        return Violation(NOT_LINEAR, f"vjp(u - 2) is not vjp(u) - 2 vjp(1): {seen}")
    for name, array in vjp(np.zeros_like(u)).items():
        if np.any(array != 0):
            where = f"{name}{first_index(np.asarray(array) != 0)}"
            return Violation(NOT_LINEAR, f"the gradient for a cotangent of zero is not: {where}")
    return _zero_stride(setting, vjp, of_ones)


def _zero_stride(setting: Setting, vjp: Vjp, of_ones: Arrays) -> Violation | None:
    one = np.ones((), setting.cotangent.dtype)
    expanded = np.broadcast_to(one, setting.cotangent.shape)
    return _at_layout(setting, lambda: vjp(expanded), of_ones, "a cotangent of stride zero")


def _layout(implementation: Implementation, setting: Setting, result: Result) -> Violation | None:
    primals = {name: _elsewhere(array) for name, array in setting.primals.items()}

    def there() -> Arrays:
        _, vjp = implementation.make_vjp(setting.computation, primals)
        return vjp(_elsewhere(setting.cotangent))

    what = "read-only primals that are not contiguous"
    fault = _at_layout(setting, there, result.cotangents, what)
    if fault is None or fault.fault != "strides":
        return fault
    _, vjp = implementation.make_vjp(setting.computation, _copies(setting.primals))
    changed = _same_code(vjp(setting.cotangent.copy()), result.cotangents)
    return Violation("nondeterminism", f"computed again, {changed}") if changed else fault


def _elsewhere(array: Array) -> Array:
    """The same entries column-major, or backwards on a single axis; not to be written to."""
    moved = array[::-1].copy()[::-1] if array.ndim == 1 else np.array(array, order="F")
    moved.flags.writeable = False
    return moved


def _at_layout(
    setting: Setting, gradient: Callable[[], Arrays], expected: Arrays, what: str
) -> Violation | None:
    try:
        got = gradient()
    except Exception as error:  # noqa: BLE001 -- see below
        if "read-only" in str(error):
            return Violation("mutation", f"with {what}, it writes to what it was given: {error}")
        return None  # it takes contiguous arrays alone, and says so
    fault = contract_violation(
        np.zeros((), setting.cotangent.dtype), got, setting.primals, setting.computation.wrt
    )
    changed = fault.sentence if fault else _change(setting.noise.cotangents, got, expected)
    return Violation("strides", f"with {what}, {changed}") if changed else None
