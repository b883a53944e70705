"""What every VJP does, whatever function it is of: checks that need no derivative.

At fixed primals a VJP is a linear map u ↦ Jᵀu, and nothing else: it has one answer, which does not
depend on how often it is asked, on where its input lies in memory, or on what becomes of the answer
it gave before. So

- names, shapes and dtypes of what it returns are those of the primals, and every entry is finite;
- primals and cotangent are left as they were;
- vjp(u - 2·1) = vjp(u) - 2 vjp(1), and vjp(0) = 0; where u is a single number, vjp(-2ᵏ u) =
  -2ᵏ vjp(u) in place of the first;
- ones of stride zero, as the gradient of a sum is, count as many times as there are entries;
- a later call writes into memory of its own;
- primals read backwards, or in column-major order, and not to be written to, are the same primals;
- a second call returns the same.

What is seen first is reported alone: one mistake breaks several of these. Every call costs as much
as a gradient: the last is asked for where one of the others has come out otherwise than it should,
or could not be made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import ceil, log2

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Vjp, copies
from reference_impls.engines.backend import Implementation
from reference_impls.implicit import ImplicitError
from verify.checks.case import Case, Result
from verify.checks.check import NOT_LINEAR, RefusalError, Violation, one_line
from verify.checks.compare import contract_violation, worst_entry
from verify.error_model.arrays import first_index, largest, unit_roundoff
from verify.error_model.noise import VALUE, Noise


@dataclass(frozen=True)
class Observed:
    """What came of one implementation: a result, a fault, or neither and the reason."""

    name: str
    result: Result | None = None
    fault: Violation | None = None
    refusal: str = ""


def observed_of(case: Case, name: str, implementation: Implementation) -> Observed:
    """What came of one implementation, whatever it raises."""
    setting = Setting(case.computation, case.primals, case.cotangent, case.noise)
    try:
        return Observed(name, *observe(name, implementation, setting))
    except RefusalError as error:
        return Observed(name, refusal=str(error))
    except ImplicitError as error:
        # A K that is singular in this dtype, say: nothing wrong was returned.
        return Observed(name, refusal=one_line(error))
    except Exception as error:  # noqa: BLE001 -- whatever an implementation raises is its fault
        return Observed(name, fault=Violation("raised", one_line(error)))


FACTOR = 2.0
"""Of the cotangents that are combined: a power of two, with which nothing is rounded anew."""


REFUSED = "refused"
"""What came of an input whose strides are not taken."""


Look = Callable[[], Violation | None]


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
    primals, cotangent = copies(setting.primals), setting.cotangent.copy()
    native_value, vjp = implementation.make_vjp(setting.computation, primals)
    # Copies: a later call may write where an earlier one put its answer.
    value = np.array(native_value)
    returned = vjp(cotangent)
    fault = contract_violation(value, returned, setting.primals, setting.computation.wrt)
    if fault:
        return None, fault
    result = Result(name, value, copies(returned))
    modified = partial(_modified, setting, primals, cotangent)
    repeated = partial(_repeated, implementation, setting, vjp, result)

    def linear() -> Violation | None:
        if not cotangent.size:
            return repeated()
        scales_or_adds = _homogeneous if cotangent.size == 1 else _additive
        seen = scales_or_adds(setting, vjp, result) or _zero_at_zero(setting, vjp, result)
        # Nothing is linear that is another map each time.
        return seen and (_first(modified, repeated) or seen)

    # One after the other: each rests on the ones before it.
    return result, _first(
        lambda: getattr(vjp, "mended", None),
        modified,
        lambda: _shared(returned, primals, cotangent),
        linear,
        modified,
        lambda: _overwritten(returned, result),
        lambda: _layout(implementation, setting, result, repeated),
    )


def _first(*looks: Look) -> Violation | None:
    return next((seen for look in looks if (seen := look())), None)


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
    # After another cotangent, and after the same: what is left of a call may depend on it.
    for _ in range(2):
        again = vjp(setting.cotangent.copy())
        fault = contract_violation(result.value, again, setting.primals, setting.computation.wrt)
        if fault:
            return Violation("stale state", f"on a second call of the VJP, {fault.sentence}")
        if changed := _same_code(again, result.cotangents):
            afresh = _afresh(implementation, setting, result)
            kind = "nondeterminism" if afresh else "stale state"
            return Violation(kind, f"a second call of the VJP changed {changed}")
    return None


def _afresh(implementation: Implementation, setting: Setting, result: Result) -> str:
    """What has changed when all is computed again; empty if nothing."""
    value, vjp = implementation.make_vjp(setting.computation, copies(setting.primals))
    again = vjp(setting.cotangent.copy())
    return _same_value(value, result) or _same_code(again, result.cotangents)


def _same_value(value: Array, result: Result) -> str:
    return _same_code({"the value": np.asarray(value)}, {"the value": result.value})


def _same_code(got: Arrays, expected: Arrays) -> str:
    """What has changed though the same code ran on the same numbers; empty if nothing.

    What was measured as noise is no excuse: it may be this very change. Sums in another order, as
    on a GPU, may differ by roundings of their terms.
    """
    most = max(map(largest, expected.values()), default=0.0)
    noise = {name: np.broadcast_to(most, array.shape) for name, array in expected.items()}
    return _change(noise, got, expected)


def _overwritten(returned: Arrays, result: Result) -> Violation | None:
    """After calls with other cotangents, which show a buffer that is used again."""
    for name, array in returned.items():
        if not np.array_equal(array, result.cotangents[name]):
            overwritten = f"a later call of the VJP overwrote the gradient of {name}"
            return Violation("shared memory", overwritten)
    return None


def _change(noise: Arrays, got: Arrays, expected: Arrays) -> str:
    """What has changed, beyond what rounding in another order could change; empty if nothing."""
    if all(np.array_equal(got[name], array) for name, array in expected.items()):
        return ""
    worst = worst_entry(got, expected, noise)
    if worst.accepted:
        return ""
    return f"{worst.argument}{worst.index} from {worst.expected!r} to {worst.got!r}"


def _homogeneous(setting: Setting, vjp: Vjp, result: Result) -> Violation | None:
    u = setting.cotangent
    # So large that clipping shows, and of the other sign, so that an absolute value does.
    factor = -(FACTOR ** max(1, ceil(log2(FACTOR / abs(u.item())))))
    got = copies(vjp(np.asarray(factor * u)))
    if not all(np.isfinite(array).all() for array in got.values()):
        # What is so large already may overflow: its sign can be changed.
        factor = -1.0
        got = copies(vjp(np.asarray(factor * u)))
    wanted = {name: np.asarray(factor * array) for name, array in result.cotangents.items()}
    # What is so small that digits are lost is not scaled exactly.
    lost = float(np.finfo(u.dtype).smallest_subnormal) / unit_roundoff(u.dtype)
    terms = {
        name: abs(factor) * (setting.noise.cotangents[name] + lost) + np.abs(array)
        for name, array in wanted.items()
    }
    seen = _unlike(setting, result, terms, (got, wanted))
    if not seen:
        return None
    return _nonlinear(result.cotangents, got, f"vjp({factor:g} u) is not {factor:g} vjp(u): {seen}")


def _additive(setting: Setting, vjp: Vjp, result: Result) -> Violation | None:
    u = setting.cotangent
    ones = np.ones_like(u)
    combined = copies(vjp(np.asarray(u - FACTOR * ones)))
    # As the gradient of a sum has them, all at one place in memory.
    expanded = np.broadcast_to(np.ones((), u.dtype), u.shape)
    seen = _at_stride_zero(
        vjp, expanded, lambda of_ones: _unlike_sum(setting, combined, result, of_ones)
    )
    if not seen or isinstance(seen, Violation):
        return seen or None
    of_ones = copies(vjp(ones))
    contiguous = _unlike_sum(setting, combined, result, of_ones)
    if contiguous:
        sentence = f"vjp(u - 2) is not vjp(u) - 2 vjp(1): {contiguous}"
        return _nonlinear(result.cotangents, of_ones, sentence)
    if seen != REFUSED:
        return Violation("strides", f"with a cotangent of stride zero, {seen}")
    return None


def _zero_at_zero(setting: Setting, vjp: Vjp, result: Result) -> Violation | None:
    at_zero = vjp(np.zeros_like(setting.cotangent))
    if fault := _fault(setting, result, at_zero):
        return Violation(NOT_LINEAR, f"for a cotangent of zero, {fault}")
    for name, array in at_zero.items():
        if np.any(array != 0):
            where = f"{name}{first_index(np.asarray(array) != 0)}"
            return Violation(NOT_LINEAR, f"the gradient for a cotangent of zero is not: {where}")
    return None


def _at_stride_zero(vjp: Vjp, expanded: Array, unlike: Callable[[Arrays], str]) -> Violation | str:
    try:
        return unlike(vjp(expanded))
    except Exception as error:  # noqa: BLE001 -- it may take contiguous arrays alone, and say so
        if "read-only" in str(error):
            return Violation("mutation", f"it writes to its cotangent: {error}")
        return REFUSED


def _unlike_sum(setting: Setting, combined: Arrays, result: Result, of_ones: Arrays) -> str:
    """How vjp(u - 2) differs from vjp(u) - 2 vjp(1); empty if it does not."""
    first, noise = result.cotangents, setting.noise.cotangents
    u = setting.cotangent
    # Noise was measured at u, beside which ones may be large.
    larger = max(1.0, float(np.sqrt(u.size) / (np.linalg.norm(u) or 1.0)))
    if fault := _fault(setting, result, of_ones):
        return fault
    wanted = {name: first[name] - FACTOR * of_ones[name] for name in first}
    terms = {
        name: 2 * FACTOR * (larger * noise[name] + np.abs(first[name]) + np.abs(of_ones[name]))
        for name in first
    }
    return _unlike(setting, result, terms, (combined, wanted))


def _unlike(setting: Setting, result: Result, terms: Arrays, both: tuple[Arrays, Arrays]) -> str:
    got, wanted = both
    if fault := _fault(setting, result, got):
        return fault
    kept = [name for name in terms if not setting.noise.vanishes(name, result.cotangents[name])]
    return _change(terms, got, {name: wanted[name] for name in kept})


def _fault(setting: Setting, result: Result, later: Arrays) -> str:
    """What is wrong with the names, shapes, dtypes or finiteness of a later answer."""
    fault = contract_violation(result.value, later, setting.primals, setting.computation.wrt)
    return fault.sentence if fault else ""


def _nonlinear(first: Arrays, other: Arrays, sentence: str) -> Violation:
    if all(np.array_equal(first[name], other[name]) for name in first):
        return Violation("cotangent ignored", "the gradient is the same for every cotangent")
    return Violation(NOT_LINEAR, sentence)


def _layout(
    implementation: Implementation, setting: Setting, result: Result, repeated: Look
) -> Violation | None:
    primals = {name: _elsewhere(array) for name, array in setting.primals.items()}
    what = "with read-only primals that are not contiguous"
    try:
        value, vjp = implementation.make_vjp(setting.computation, primals)
        got = vjp(_elsewhere(setting.cotangent))
    except Exception as error:  # noqa: BLE001 -- it may take contiguous arrays alone, and say so
        if "read-only" in str(error):
            return Violation("mutation", f"{what}, it writes to what it was given: {error}")
        return repeated()
    moved = Result(result.name, np.asarray(value), got)
    strided = _moved(setting, moved, result)
    if not (strided or _same_value(value, result) or _same_code(got, result.cotangents)):
        return None
    # The same numbers once more: has memory to do with it, or is it another answer each time?
    if seen := repeated():
        return seen
    if changed := _afresh(implementation, setting, result):
        return Violation("nondeterminism", f"computed again, {changed}")
    return Violation("strides", f"{what}, {strided}") if strided else None


def _moved(setting: Setting, moved: Result, result: Result) -> str:
    """How a result from elsewhere in memory differs, beyond rounding; empty if it does not."""
    fault = contract_violation(
        moved.value, moved.cotangents, setting.primals, setting.computation.wrt
    )
    if fault:
        return fault.sentence
    # Of all entries the largest: summed in another order, each may show what it did not before.
    of_value = {"value": np.full(result.value.shape, setting.noise.level(VALUE))}
    noise = {
        name: np.broadcast_to(setting.noise.level(name), array.shape)
        for name, array in result.cotangents.items()
    }
    return _change(noise, moved.cotangents, result.cotangents) or _change(
        of_value, {"value": moved.value}, {"value": result.value}
    )


def _elsewhere(array: Array) -> Array:
    """The same entries column-major, or backwards on a single axis; not to be written to."""
    moved = array[::-1].copy()[::-1] if array.ndim == 1 else np.array(array, order="F")
    moved.flags.writeable = False
    return moved
