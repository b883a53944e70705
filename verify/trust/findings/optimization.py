"""The findings of the tutorial *optimization*, up to its custom node: descent, the tape, ELU.

Those of its second part are in `argmin_backward` and `argmin_forward`, those of its example in
`time_series`.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.autograd.function import FunctionCtx

from reference_impls import draw
from reference_impls.computation import Array, Arrays, Native, Vjp
from reference_impls.computations import composite_elu, elu_mlp
from reference_impls.computations.elu import EluFunction, elu_and_slope
from reference_impls.engines.pytorch.choice import from_torch
from reference_impls.tape import Tape, Variable, sum_over_children
from verify.trust.findings.finding import Demonstration, Finding, Observation, Race, convicted
from verify.trust.planted import MakeVjp

TUTORIAL = "optimization"

ALPHA = 0.5

Elementwise = Callable[[torch.Tensor], torch.Tensor]
Direction = Callable[[Array], Array]


def published_loop(tape: Tape, seed: Array) -> dict[Variable, Array]:
    """δv of every variable by the tutorial's steps, taken at their word.

    1. δvᴺ = 1, or the seed
    2. for i = N, N-1, …, 1:  δvⁱ = Σ over the children vʲ of vⁱ of  δvʲ ∂vʲ/∂vⁱ
    """
    cotangents = {tape.variables[-1]: np.asarray(seed)}
    for variable in reversed(tape.variables):
        cotangents[variable] = sum_over_children(variable, cotangents)
    return cotangents


def _five_squares(backward: Callable[[Tape, Array], dict[Variable, Array]]) -> MakeVjp:
    """5 x², and its gradient by a walk along the tape."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        tape = Tape()
        five, variable = Variable(tape, 5.0), Variable(tape, x)
        end = five * (variable * variable)
        return end.value, lambda u: {"x": backward(tape, u)[variable]}

    return make_vjp


def _three() -> Arrays:
    return {"x": np.array([3.0, -1.0])}


def _newton_step(sign: float) -> Observation:
    """From (1, 1), on ½ (x² + 100 y²)."""
    hessian, start = np.array([1.0, 100.0]), np.ones(2)
    end = start + sign * hessian * start / hessian
    before, after = (float(hessian @ theta**2) / 2 for theta in (start, end))
    x, y = end
    # One whole step ends at the minimum; part of one only comes nearer.
    return Observation(
        after > 1e-12 * before,
        f"(1, 1) goes to ({x:g}, {y:g}), and the loss from {before:g} to {after:g}",
    )


def _steepest(norm: int) -> Callable[[Direction], Observation]:
    """Has a direction the length 1 in a norm, and of all such the smallest slope?

    That is minus the largest entry of the gradient in the 1-norm, and minus its 2-norm in that.
    """
    dual = {1: np.inf, 2: 2}[norm]

    def looked_at(direction: Direction, gradient: Array) -> Observation:
        d = direction(gradient)
        length, slope = float(np.linalg.norm(d, norm)), float(gradient @ d)
        least = -float(np.linalg.norm(gradient, dual))
        seen = f"its length is {length:g} and the slope along it {slope:g}"
        return Observation(
            not np.allclose([length, slope], [1, least]),
            f"{seen} at a gradient ({gradient[0]:g}, {gradient[1]:g})",
        )

    def observe(direction: Direction) -> Observation:
        gradients = np.array([[3.0, -1.0], [-4.0, 3.0]])
        seen = [looked_at(direction, gradient) for gradient in gradients]
        return next((each for each in seen if each.is_wrong), seen[0])

    return observe


def _largest_entry(gradient: Array) -> Array:
    unit = np.zeros_like(gradient)
    unit[np.abs(gradient).argmax()] = 1.0
    return unit


def _elu_as_published(z: torch.Tensor) -> torch.Tensor:
    """z where it is positive, α (eᶻ - 1) elsewhere, both taken everywhere."""
    return torch.where(z > 0, z, ALPHA * (torch.exp(z) - 1))


def _elu_clamped(z: torch.Tensor) -> torch.Tensor:
    return composite_elu.by_torch(z, torch.tensor(ALPHA, dtype=z.dtype))


class _EluAsPublished(torch.autograd.Function):
    """One node, whose slope selects between 1 and α eᶻ, both taken everywhere."""

    @staticmethod
    def forward(ctx: FunctionCtx, z: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(z)
        return _elu_as_published(z)

    @staticmethod
    def backward(ctx: Native, *cotangents: torch.Tensor) -> torch.Tensor:
        (z,) = ctx.saved_tensors
        slope = torch.where(z > 0, torch.ones_like(z), ALPHA * torch.exp(z))
        return cotangents[0] * slope


def _custom_as_published(z: torch.Tensor) -> torch.Tensor:
    return _EluAsPublished.apply(z)  # type: ignore[no-any-return,no-untyped-call]


def _custom(z: torch.Tensor) -> torch.Tensor:
    return EluFunction.apply(z, ALPHA)  # type: ignore[no-any-return,no-untyped-call]


def _with_a_large_one() -> Arrays:
    return {"z": np.array([-1.0, 2.0, 800.0])}


def _next_to_zero() -> Arrays:
    return {"z": np.array([-1e-10, -3e-10, -1e-9])}


def _elu_with(exponential: Callable[[Array], Array]) -> MakeVjp:
    """ELU at negative z, with a given way to compute eᶻ - 1."""

    def make_vjp(z: Array) -> tuple[Array, Vjp]:
        _, slope = elu_and_slope(z, ALPHA)
        return ALPHA * exponential(z), lambda u: {"z": u * slope}

    return make_vjp


def _elu_value(z: Array) -> Array:
    return elu_and_slope(z, ALPHA)[0]


def _shrinks_with_rounding(reduce: Elementwise) -> Observation:
    """The gradients of a network's parameters in float32 and in float64, beside each other.

    A gradient has the same size in both; rounding errors are 2²⁹ times smaller in float64.
    """
    sizes = {name: _size_of_gradient(reduce, name) for name in ("float32", "float64")}
    return Observation(
        sizes["float64"] < 1e-6 * sizes["float32"],
        f"gradient of W3 {sizes['float32']:.1e} in float32, {sizes['float64']:.1e} in float64",
    )


def _size_of_gradient(reduce: Elementwise, dtype: str) -> float:
    primals = draw(elu_mlp.COMPUTATION, 10, dtype, 0)
    tensors = {name: torch.tensor(array) for name, array in primals.items()}
    weight = tensors["W3"].requires_grad_()
    (gradient,) = torch.autograd.grad(reduce(elu_mlp.by_torch(**tensors)), [weight])
    return float(gradient.norm())


def _first_column(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities[:, 0].sum()


def _nodes_of_elu(size: int, rounds: int) -> Race:
    """Value and gradient."""

    def runners() -> dict[str, Callable[[], object]]:
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_()

        def both(elu: Elementwise) -> Callable[[], object]:
            return lambda: torch.autograd.grad(elu(z).sum(), [z])

        return {
            "composite": both(_elu_as_published),
            "one node": both(_custom_as_published),
            "torch's own": both(lambda z: torch.nn.functional.elu(z, ALPHA)),
        }

    return Race(runners, rounds)


OPTIMIZATION_FINDINGS = (
    Finding(
        key="D7",
        tutorial=TUTORIAL,
        place="The back-propagation algorithm",
        kind="gradient",
        says="The backward loop goes from i = N down to 1.",
        right="It must start at N - 1: node N has no children.",
        matters="The loop overwrites δvᴺ = 1 by an empty sum, and all gradients are 0.",
        proof=Demonstration(
            published=_five_squares(published_loop),
            corrected=_five_squares(Tape.backward),
            observe=convicted("oracle", "dropped dependency", at=_three),
        ),
    ),
    Finding(
        key="D8",
        tutorial=TUTORIAL,
        place="Descent-based optimization, Newton's method",
        kind="value",
        says="Newton's direction is +H⁻¹g, which is added.",
        right="It is -H⁻¹g.",
        matters="On a quadratic a step doubles the distance, instead of ending it.",
        proof=Demonstration(published=1.0, corrected=-1.0, observe=_newton_step),
    ),
    Finding(
        key="D9b",
        tutorial=TUTORIAL,
        place="Descent-based optimization, p = 2",
        kind="value",
        says="Among directions of 2-norm 1, -∇L is the steepest.",
        right="-∇L/‖∇L‖ is.",
        matters="A step of -∇L shrinks near the minimum, one of norm 1 does not.",
        proof=Demonstration[Direction](
            published=lambda gradient: -gradient,
            corrected=lambda gradient: -gradient / np.linalg.norm(gradient),
            observe=_steepest(2),
        ),
    ),
    Finding(
        key="D9c",
        tutorial=TUTORIAL,
        place="Descent-based optimization, p = 1",
        kind="value",
        says="For p = 1 it is the direction of the largest entry.",
        right="It is minus the sign of that entry times the direction.",
        matters="Where the largest entry is positive, the direction leads uphill.",
        proof=Demonstration[Direction](
            published=_largest_entry,
            corrected=lambda gradient: -np.sign(gradient) * _largest_entry(gradient),
            observe=_steepest(1),
        ),
    ),
    Finding(
        key="S4",
        tutorial=TUTORIAL,
        place="Part 1: elu_forward",
        kind="gradient",
        says="ELU selects between z and a (eᶻ - 1), both taken everywhere.",
        right="eᶻ overflows for large z, and 0 · ∞ goes back through where().",
        matters="One large activation, and the gradients of all layers below are NaN.",
        proof=Demonstration(
            published=from_torch(_elu_as_published),
            corrected=from_torch(_elu_clamped),
            observe=convicted("contract", "not finite", at=_with_a_large_one),
        ),
    ),
    Finding(
        key="D13",
        tutorial=TUTORIAL,
        place="Part 1: elu_forward",
        kind="value",
        says="Below 0, ELU is a (exp(z) - 1).",
        right="Near 0 that cancels: expm1 keeps the digits.",
        matters="In float32 nothing is left at z = -1e-8.",
        proof=Demonstration(
            published=_elu_with(lambda z: np.exp(z) - 1),
            corrected=_elu_with(np.expm1),
            observe=convicted("value", at=_next_to_zero, forward=_elu_value),
        ),
    ),
    Finding(
        key="D14",
        tutorial=TUTORIAL,
        place="Part 1: ELUFunction",
        kind="gradient",
        says="The slope of the custom node selects between 1 and a eᶻ.",
        right="Differentiated again, that is 0 · ∞ for large z.",
        matters="First derivatives are right, and second ones NaN.",
        proof=Demonstration(
            published=from_torch(_custom_as_published),
            corrected=from_torch(_custom),
            observe=convicted("second order", at=_with_a_large_one, order=2),
        ),
    ),
    Finding(
        key="D15",
        tutorial=TUTORIAL,
        place="Part 1: elu_mlp",
        kind="text",
        says="Printed norms show that all parameters have gradients.",
        right="The sum of a softmax is constant: all are 0, but for rounding.",
        matters="The check would print the same of a network that learns nothing.",
        proof=Demonstration[Elementwise](
            published=torch.sum, corrected=_first_column, observe=_shrinks_with_rounding
        ),
    ),
    Finding(
        key="D22",
        tutorial=TUTORIAL,
        place="Part 1: custom automatic differentiation",
        kind="timing",
        says="One node for ELU may be faster: here of 6 numbers.",
        right="A node in Python costs more than four of torch's own.",
        matters="What is fast is one node of torch, not one of Python.",
        proof=_nodes_of_elu(6, rounds=200),
    ),
    Finding(
        key="D22b",
        tutorial=TUTORIAL,
        place="Part 1: custom automatic differentiation",
        kind="timing",
        says="One node for ELU may be faster: here of 1,000 numbers.",
        right="As of six.",
        matters="As above.",
        proof=_nodes_of_elu(1_000, rounds=200),
    ),
    Finding(
        key="D22c",
        tutorial=TUTORIAL,
        place="Part 1: custom automatic differentiation",
        kind="timing",
        says="One node for ELU may be faster: here of 1,000,000 numbers.",
        right="Here the node hardly counts, but passes over the numbers do.",
        matters="As above.",
        proof=_nodes_of_elu(1_000_000, rounds=10),
    ),
)
