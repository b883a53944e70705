"""Second derivatives of a user's function, by the engine that it is of."""

from collections.abc import Callable
from dataclasses import replace

from reference_impls.computation import Arrays
from reference_impls.engines.adapter import Mode, TwiceDifferentiable
from verify.checks.case import Case, Stream
from verify.checks.check import NOT_FINITE, Check
from verify.oracles.estimate import RICHARDSON
from verify.user.function import UserFunction, restricted
from verify.user.returned import gradients_from

MODES: tuple[Mode, ...] = ("reverse over reverse", "forward over reverse")


AT_A_KINK = "there is a kink here, where no second derivative exists"


def second_order_of(
    case: Case, subject: UserFunction, function: TwiceDifferentiable, *, has_kink: bool
) -> list[Check]:
    """The checks of second derivatives by the engine that a user's function is of.

    Args:
        case: the point.
        subject: the user's function.
        function: the same, as its engine differentiates it twice.
        has_kink: was one seen here? Then whatever is returned is right, NaN as well as a number,
            if only it is linear, symmetric and the same in both modes.
    """
    # These checks load torch and autograd, and a check of first order does without.
    from verify.checks.second_order.checks import second_order_checks  # noqa: PLC0415
    from verify.checks.second_order.question import Question  # noqa: PLC0415

    arguments, cotangent = subject.arguments, case.cotangent
    twice = restricted(function, arguments)

    def hvp(mode: Mode) -> Callable[[Arrays, Arrays], Arrays]:
        def along(primals: Arrays, tangents: Arrays) -> Arrays:
            u = cotangent.astype(primals[case.wrt[0]].dtype)
            directions = arguments.tangents(tangents)
            subject.meter.count_evaluation()
            products = twice.hvp(arguments.tree(primals), u, directions, mode)
            return gradients_from(products, arguments)

        return along

    def gradient(primals: Arrays) -> Arrays:
        _, vjp = subject.make_vjp(primals)
        return vjp(cotangent.astype(primals[case.wrt[0]].dtype))

    modes: dict[str, Callable[[Arrays, Arrays], Arrays]] = {mode: hvp(mode) for mode in MODES}
    rng = case.generator(Stream.ANEW)
    question = Question.drawn(case.primals, case.wrt, case.dtype, rng)
    checks = second_order_checks({subject.name: modes}, gradient, question, rng)
    missing = [each for each in checks if each.verdict == "unsupported" and each.against in modes]
    # Custom functions seldom have forward mode: one of the two is enough.
    kept = checks if len(missing) == len(modes) else [c for c in checks if c not in missing]
    judged = [_undecided(each) for each in kept] if has_kink else kept
    return [_named(each) if each.verdict == "disagree" else each for each in judged]


def _undecided(check: Check) -> Check:
    if check.fault == NOT_FINITE or check.against == RICHARDSON:
        return replace(check, verdict="inconclusive", detail=AT_A_KINK, fault="")
    return check


def _named(check: Check) -> Check:
    detail = check.detail or "it is not the derivative of the gradient"
    return replace(check, fault="second derivative", detail=detail)
