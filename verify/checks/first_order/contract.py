"""What every VJP does, whatever function it is of: checks that need no derivative.

At fixed primals a VJP is a linear map u ↦ Jᵀu, and nothing else: it has one answer, which does not
depend on how often it is asked, on where its input lies in memory, or on what becomes of the answer
it gave before. So

- names, shapes and dtypes of what it returns are those of the primals, and every entry is finite;
- primals and cotangent are left as they were (`repetition`);
- vjp(u - 2·1) = vjp(u) - 2 vjp(1), and vjp(0) = 0; where u is a single number, vjp(-2ᵏ u) =
  -2ᵏ vjp(u) in place of the first (`linearity`);
- ones of stride zero, as the gradient of a sum is, count as many times as there are entries;
- a later call writes into memory of its own (`repetition`);
- primals read backwards, or in column-major order, and not to be written to, are the same primals
  (`layout`);
- a second call returns the same.

Gradients that share memory with one another, or with what was given, are told as a remark: they
are right for as long as nobody writes to them.

What is seen first is reported alone: one mistake breaks several of these. Every call costs as much
as a gradient: the last is asked for where one of the others has come out otherwise than it should,
or could not be made.
"""

from reference_impls.function import Function
from reference_impls.implicit.errors import ImplicitError
from verify.checks.case import Case
from verify.checks.check import RefusalError, Violation, one_line
from verify.checks.first_order.layout import depends_on_layout
from verify.checks.first_order.linearity import is_not_linear
from verify.checks.first_order.observation import Broken, Call, Kept, Mending, Observed, Refused
from verify.checks.first_order.repetition import modified, overwritten, repeated, shared
from verify.error_model.noise import Noise


def observe(case: Case, noise: Noise, function: Function) -> Observed:
    """What came of one implementation, whatever it raises.

    Args:
        case: the function and the point.
        noise: that is allowed there.
        function: the implementation.
    """
    name = function.name
    try:
        call = Call.of(case, noise, function)
        if isinstance(call, Violation):
            return Broken(name, call)
        seen = next((seen for look in LOOKS if (seen := look(call))), None)
        if seen:
            return Broken(name, seen, call.result)
        return Kept(name, call.result, remark=shared(call))
    except RefusalError as error:
        return Refused(name, str(error), error.__cause__)
    except ImplicitError as error:
        # A K that is singular in this dtype, say: nothing wrong was returned.
        return Refused(name, one_line(error))
    except Exception as error:  # noqa: BLE001 -- whatever an implementation raises is its fault
        return Broken(name, Violation("raised", one_line(error)))


def _mended(call: Call) -> Violation | None:
    return call.vjp.mended if isinstance(call.vjp, Mending) else None


def _linear(call: Call) -> Violation | None:
    if not call.cotangent.size:
        return repeated(call)
    seen = is_not_linear(call)
    # Nothing is linear that is another map each time.
    if seen is None:
        return None
    return modified(call) or repeated(call) or seen


LOOKS = (_mended, modified, _linear, modified, overwritten, depends_on_layout)
"""One after the other: each rests on the ones before it."""
