"""Exponential linear unit as a custom node, elementwise in z, with a scalar α.

    f(z, α) = z            where z > 0            z̄ = f̄ · (1 where z > 0, else α eᶻ)
              α (eᶻ - 1)   elsewhere              ᾱ = Σ f̄ · (0 where z > 0, else eᶻ - 1)

f has a kink at 0 unless α = 1; all three implementations answer with the left derivative, α.
The exponential is taken of min(z, 0), because a selection evaluates both of its branches: eᶻ = ∞
in the branch not selected would make the gradient 0 · ∞ = NaN. The networks of this catalogue are
built from the three nodes here: `elu_node`, `EluFunction` and `elu_and_slope`.
"""

from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.extend import defjvp, defvjp, primitive

from reference_impls.computation import Array, Arrays, Computation, Vjp


def sample(rng: np.random.Generator, size: int) -> Arrays:
    """``size`` random points of the tutorial's interval [-2, 3], and its α = 1/2."""
    return {"z": rng.uniform(-2.0, 3.0, size), "alpha": np.asarray(0.5)}


@primitive  # type: ignore[untyped-decorator]
def elu_node(z: Any, alpha: Any) -> Any:
    """ELU as one node of autograd's graph."""
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _vjp_z(_: Any, z: Any, alpha: Any) -> Any:
    return lambda g: g * anp.where(z > 0, 1, alpha * anp.exp(anp.minimum(z, 0)))


def _vjp_alpha(_: Any, z: Any, alpha: Any) -> Any:  # noqa: ARG001 -- autograd's signature
    return lambda g: anp.sum(g * anp.expm1(anp.minimum(z, 0)))


def _jvp_alpha(g: Any, _: Any, z: Any, alpha: Any) -> Any:  # noqa: ARG001 -- autograd's signature
    return g * anp.expm1(anp.minimum(z, 0))


defvjp(elu_node, _vjp_z, _vjp_alpha)
# A diagonal Jacobian is its own transpose, so the VJP in z is also the JVP.
defjvp(elu_node, lambda g, *given: _vjp_z(*given)(g), _jvp_alpha)


class EluFunction(torch.autograd.Function):
    """ELU as one node of torch's graph; its backward is itself differentiable."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, alpha: torch.Tensor | float) -> torch.Tensor:
        """z where positive, α (eᶻ - 1) elsewhere."""
        ctx.alpha_is_tensor = isinstance(alpha, torch.Tensor)
        saved = z, torch.as_tensor(alpha, dtype=z.dtype, device=z.device)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)
        return torch.where(z > 0, z, alpha * torch.expm1(z.clamp(max=0)))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """(z̄, ᾱ); ᾱ is None unless α is a tensor that requires a gradient."""
        (g,) = grad_outputs
        z, alpha = ctx.saved_tensors
        negative = z.clamp(max=0)
        grad_z = g * torch.where(z > 0, 1, alpha * torch.exp(negative))
        if not (ctx.alpha_is_tensor and ctx.needs_input_grad[1]):
            return grad_z, None
        return grad_z, (g * torch.expm1(negative)).sum()

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangent of the value, for forward mode; that of α is None where α is a number."""
        z_tangent, alpha_tangent = grad_inputs
        z, alpha = ctx.saved_tensors
        negative = z.clamp(max=0)
        tangent = z_tangent * torch.where(z > 0, 1, alpha * torch.exp(negative))
        return tangent if alpha_tangent is None else tangent + alpha_tangent * torch.expm1(negative)


def elu_and_slope(z: Array, alpha: Array | float) -> tuple[Array, Array]:
    """f(z, α) and ∂f/∂z for `by_hand` of this node and of the networks built from it.

    It takes two exponentials: the slope is also α (eᶻ - 1) + α, but below z = -37 no digit of that
    is right.
    """
    negative = np.minimum(z, 0)
    positive = z > 0
    value = np.where(positive, z, alpha * np.expm1(negative))
    return value, np.where(positive, 1, alpha * np.exp(negative))


def by_autograd(z: Any, alpha: Any) -> Any:
    """The custom primitive."""
    return elu_node(z, alpha)


def by_torch(z: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """The custom function."""
    return EluFunction.apply(z, alpha)  # type: ignore[no-any-return,no-untyped-call]


def by_hand(z: Array, alpha: Array) -> tuple[Array, Vjp]:
    """The slope in α is eᶻ - 1, as in the value; the slope in z has an exponential of its own."""
    value, slope = elu_and_slope(z, alpha)
    alpha_slope = np.expm1(np.minimum(z, 0))

    def vjp(g: Array) -> Arrays:
        return {"z": g * slope, "alpha": np.sum(g * alpha_slope)}

    return value, vjp


COMPUTATION = Computation(
    name="elu",
    origin="optimization, Part 1: custom automatic differentiation",
    sample=sample,
    wrt=("z", "alpha"),
    sizes=(6, 1_000, 32_768, 1_048_576),
    by_autograd=by_autograd,
    by_torch=by_torch,
    by_hand=by_hand,
    shapes={"z": "...", "alpha": ""},
)
