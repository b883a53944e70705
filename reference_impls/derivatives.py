r"""Value, gradient, Jacobian, JVP and HVP, each derived once, for every backend.

A VJP is all a backend gives. The rest follows from one more function, the *pairing* of f with a
fixed tangent v,

    φ(u, x) = ⟨J(x)ᵀ u, v⟩ = ⟨u, J(x) v⟩,

because its gradient with respect to u is the JVP J v (the "double-VJP trick": Townsend, *A new
trick for calculating Jacobian vector products*, 2017), and with respect to x it is the second-order
VJP S(v): for a scalar f and u = 1, the HVP (∇²f) v (Pearlmutter, *Fast exact multiplication by the
Hessian*, 1994). S is the VJP of the *gradient map* x ↦ Jᵀu and, as second derivatives commute, its
JVP too: an engine has S by reverse over reverse and by forward over reverse. A manual computation
takes a complex step instead: with x + ihv in place of x, the imaginary part of the value is h J v
and the imaginary part of the VJP is h S(v), both exact to rounding (Squire & Trapp, 1998).
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd.core import make_jvp
from torch.autograd import forward_ad

from reference_impls.computation import Array, Arrays, Computation
from reference_impls.engines.backend import Backend, seed_cotangent
from reference_impls.engines.hips.backend import Autograd
from reference_impls.engines.pytorch.backend import Torch
from reference_impls.validation import check_primals

SecondVjp = Callable[[Mapping[str, Array]], Arrays]
"""Maps tangents v to S(v); both are dicts with one array per argument."""

COTANGENT = "cotangent"
"""The name of u among the primals of a pairing and of a gradient map."""

COMPLEX_STEP = 2.0**-70
"""Small enough that its square is below any rounding, large enough for float32's exponents."""

# torch gives these no types.
_dual: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = forward_ad.make_dual
_parts: Callable[[torch.Tensor], forward_ad.UnpackedDualTensor] = forward_ad.unpack_dual


def value(backend: Backend, computation: Computation, primals: Mapping[str, Array]) -> Array:
    """f at the primals, as a NumPy array (0-d for a scalar). Raises as `Backend.make_vjp`."""
    return backend.make_vjp(computation, primals)[0]


def gradient(backend: Backend, computation: Computation, primals: Mapping[str, Array]) -> Arrays:
    """∇f for a scalar f: one array per name in ``wrt``, of that primal's shape and dtype.

    Raises:
        ValueError: f is not scalar-valued; take its `jacobian` or a VJP instead.
        TypeError: as `Backend.make_vjp`.
    """
    result, vjp = backend.make_vjp(computation, primals)
    if result.ndim:
        raise ValueError(
            f"{computation.name}: the gradient of a value of shape {result.shape} is not defined; "
            "take its jacobian, or a VJP"
        )
    return vjp(np.ones_like(result))


def jacobian(backend: Backend, computation: Computation, primals: Mapping[str, Array]) -> Arrays:
    """∂f/∂x for each name in ``wrt``: arrays of shape ``value.shape + primal.shape``.

    One VJP per entry of the value. Raises as `Backend.make_vjp`.
    """
    result, vjp = backend.make_vjp(computation, primals)
    rows = [vjp(_basis(result, entry)) for entry in range(result.size)]
    return {
        name: np.stack([row[name] for row in rows]).reshape(result.shape + primals[name].shape)
        for name in computation.wrt
    }


def jvp(
    backend: Backend,
    computation: Computation,
    primals: Mapping[str, Array],
    tangents: Mapping[str, Array],
) -> Array:
    """J v, of the value's shape.

    Args:
        backend: whose derivatives to take.
        computation: the function f.
        primals: where.
        tangents: v: one array per name in ``wrt``, of that primal's shape and dtype.

    Raises:
        TypeError: tangents' names or dtypes do not fit, or as `Backend.make_vjp`.
        ValueError: tangents' shapes do not fit; or, for the manual backend, the body is not
            analytic in complex arithmetic.
    """
    result = value(backend, computation, primals)
    paired = _pairing(computation, primals, tangents)
    # φ is linear in u, so any u gives the same gradient. But with u = 0 both sides of the check
    # that a body is analytic would be zero.
    return gradient(backend, paired, {**primals, COTANGENT: seed_cotangent(result)})[COTANGENT]


def hvp(
    backend: Backend,
    computation: Computation,
    primals: Mapping[str, Array],
    tangents: Mapping[str, Array],
) -> Arrays:
    """(∇²f) v for a scalar f: one array per name in ``wrt``, of that primal's shape and dtype.

    Args and errors as for `jvp`; also ValueError if f is not scalar-valued.
    """
    result = value(backend, computation, primals)
    if result.ndim:
        raise ValueError(f"{computation.name}: only a scalar has a Hessian, got {result.shape}")
    return second_vjp(backend, computation, primals, np.ones_like(result), tangents)


def second_vjp(
    backend: Backend,
    computation: Computation,
    primals: Mapping[str, Array],
    cotangent: Array,
    tangents: Mapping[str, Array],
) -> Arrays:
    """S(v) = (∂/∂x) ⟨J(x)ᵀ u, v⟩, by reverse over reverse: one array per name in ``wrt``.

    Args:
        backend: whose derivatives to take.
        computation: the function f.
        primals: where.
        cotangent: u, of the value's shape and dtype.
        tangents: v, as for `jvp`.

    Raises:
        TypeError, ValueError: as `jvp`, and for a cotangent that does not fit.
    """
    return second_pullback(backend, computation, primals, cotangent)(tangents)


def second_pullback(
    backend: Backend, computation: Computation, primals: Mapping[str, Array], cotangent: Array
) -> SecondVjp:
    """The map from v to `second_vjp`, to be called any number of times on the same graph.

    Args and errors as for `second_vjp`.
    """
    given = {**primals, COTANGENT: cotangent}
    with _quiet():
        _, pull = backend.make_vjp(_gradient_map(computation), given)

    def second(tangents: Mapping[str, Array]) -> Arrays:
        _check_tangents(computation, primals, tangents)
        return pull(_as_vector(tangents, computation.wrt))

    return second


def forward_over_reverse(
    backend: Backend,
    computation: Computation,
    primals: Mapping[str, Array],
    cotangent: Array,
    tangents: Mapping[str, Array],
) -> Arrays:
    """S(v) as the JVP of the gradient map, by the engine's own forward mode.

    A manual computation has only its complex step, and returns what `second_vjp` returns.

    Args and errors as for `second_vjp`; also NotImplementedError if the engine has no forward rule
    for some node of f or of its VJP.
    """
    _check_tangents(computation, primals, tangents)
    forward_modes = {"by_autograd": _forward_by_autograd, "by_torch": _forward_by_torch}
    if backend.body not in forward_modes:
        return second_vjp(backend, computation, primals, cotangent, tangents)
    mapped = _gradient_map(computation)
    given = check_primals(mapped, {**primals, COTANGENT: cotangent})
    pushed = forward_modes[backend.body](mapped, given, tangents, backend.device)
    return _by_argument(pushed, {name: primals[name] for name in computation.wrt})


def _basis(like: Array, entry: int) -> Array:
    unit = np.zeros_like(like)
    unit.flat[entry] = 1
    return unit


def _pairing(
    computation: Computation, primals: Mapping[str, Array], tangents: Mapping[str, Array]
) -> Computation:
    """φ as a function of u."""
    _check_tangents(computation, primals, tangents)

    def by_autograd(*, cotangent: Any, **primals: Any) -> Any:
        _, vjp = Autograd().pullback(computation, primals)
        cotangents = vjp(cotangent)
        return sum((cotangents[name] * tangents[name]).sum() for name in computation.wrt)

    def by_torch(*, cotangent: Any, **primals: Any) -> Any:
        cotangents = _torch_gradient(computation, primals, cotangent)
        return sum(
            (cotangents[name] * cotangents[name].new_tensor(tangents[name])).sum()
            for name in computation.wrt
        )

    def by_hand(*, cotangent: Array, **primals: Array) -> tuple[Array, Callable[..., Arrays]]:
        directional, _ = _complex_step(computation, primals, tangents, cotangent)
        return np.sum(cotangent * directional), lambda scale: {COTANGENT: scale * directional}

    return _derived(
        computation, f"⟨Jᵀu, v⟩ of {computation.name}", (COTANGENT,), by_autograd, by_torch, by_hand
    )


def _gradient_map(computation: Computation) -> Computation:
    """Jᵀu as a function of x, laid out in one vector in the order of ``wrt``."""

    def by_autograd(*, cotangent: Any, **primals: Any) -> Any:
        value, vjp = Autograd().pullback(computation, primals)
        _check_shape(computation, cotangent, value)
        cotangents = vjp(cotangent)
        return anp.concatenate([anp.ravel(cotangents[name]) for name in computation.wrt])

    def by_torch(*, cotangent: Any, **primals: Any) -> Any:
        # The gradient of a linear f does not depend on x: it has a graph because u is a variable.
        variable = cotangent.detach().requires_grad_()
        cotangents = _torch_gradient(computation, primals, variable)
        return torch.cat([cotangents[name].reshape(-1) for name in computation.wrt])

    def by_hand(*, cotangent: Array, **primals: Array) -> tuple[Array, Callable[..., Arrays]]:
        value, pull = computation.by_hand(**primals)
        _check_shape(computation, cotangent, value)

        def vjp(v: Array) -> Arrays:
            tangents = _by_argument(v, {name: primals[name] for name in computation.wrt})
            _, second = _complex_step(computation, primals, tangents, cotangent)
            return second

        return _as_vector(pull(cotangent), computation.wrt), vjp

    return _derived(
        computation,
        f"Jᵀu of {computation.name}",
        computation.wrt,
        by_autograd,
        by_torch,
        by_hand,
    )


def _derived(
    computation: Computation,
    origin: str,
    wrt: tuple[str, ...],
    by_autograd: Callable[..., Any],
    by_torch: Callable[..., Any],
    by_hand: Callable[..., tuple[Any, Callable[[Any], dict[str, Any]]]],
) -> Computation:
    """A computation of the primals and u, made from the derivative of another."""
    return Computation(
        name=computation.name,
        origin=origin,
        sample=computation.sample,
        wrt=wrt,
        sizes=computation.sizes,
        by_autograd=by_autograd,
        by_torch=by_torch,
        by_hand=by_hand,
        shapes={**computation.shapes, COTANGENT: "..."} if computation.shapes else {},
    )


def _torch_gradient(
    computation: Computation, primals: Mapping[str, Any], cotangent: Any
) -> dict[str, Any]:
    """Jᵀu with a graph, whether the primals have one or not."""
    # Only these: an argmin layer refuses an objective that reads a variable it was not handed.
    varied = {
        name: primal if primal.requires_grad else primal.detach().requires_grad_()
        for name, primal in primals.items()
        if name in computation.wrt
    }
    value, vjp = Torch().pullback(computation, {**primals, **varied}, create_graph=True)
    _check_shape(computation, cotangent, value)
    return vjp(cotangent)


def _check_shape(computation: Computation, cotangent: Any, value: Any) -> None:
    if tuple(cotangent.shape) != tuple(value.shape):
        raise ValueError(
            f"{computation.name}: cotangent has shape {tuple(cotangent.shape)}, "
            f"but the value has shape {tuple(value.shape)}"
        )


def _as_vector(arrays: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    return np.concatenate([np.ravel(arrays[name]) for name in names])


def _by_argument(vector: Array, like: Mapping[str, Array]) -> Arrays:
    ends = np.cumsum([array.size for array in like.values()])
    pieces = np.split(vector, ends[:-1])
    return {
        name: piece.reshape(array.shape)
        for (name, array), piece in zip(like.items(), pieces, strict=True)
    }


def _forward_by_autograd(
    computation: Computation, primals: Arrays, tangents: Mapping[str, Array], _device: str
) -> Array:
    fixed = {name: primal for name, primal in primals.items() if name not in tangents}
    varied = {name: primals[name] for name in tangents}
    with _quiet():
        jvp_at = make_jvp(lambda wrt: computation.by_autograd(**wrt, **fixed), varied)
        return np.asarray(jvp_at(dict(tangents))[1])


def _forward_by_torch(
    computation: Computation, primals: Arrays, tangents: Mapping[str, Array], device: str
) -> Array:
    def tensor(array: Array) -> torch.Tensor:
        return torch.from_numpy(np.array(array, order="C")).to(device)

    with _quiet(), forward_ad.dual_level():
        # Constants get a tangent of zeros. Without one, torch makes up a "ZeroTensor", and the
        # second derivative of its mse_loss cannot divide that.
        duals = {
            name: _dual(
                tensor(primal).requires_grad_(name in tangents),
                tensor(tangents.get(name, np.zeros_like(primal))),
            )
            for name, primal in primals.items()
        }
        value, tangent = _parts(computation.by_torch(**duals))
        pushed = torch.zeros_like(value) if tangent is None else tangent
        return np.array(pushed.detach().cpu().numpy())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences autograd where a second derivative is zero, and torch about torch's own code."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent of input")
        warnings.filterwarnings("ignore", ".*torch.jit.*", DeprecationWarning)
        yield


def _complex_step(
    computation: Computation, primals: Arrays, tangents: Mapping[str, Array], cotangent: Array
) -> tuple[Array, Arrays]:
    shifted = {
        name: primal + 1j * COMPLEX_STEP * tangents[name] if name in tangents else primal
        for name, primal in primals.items()
    }
    shifted_value, shifted_vjp = computation.by_hand(**shifted)
    directional = np.imag(shifted_value) / COMPLEX_STEP
    shifted_cotangents = shifted_vjp(cotangent)
    _check_analytic(computation, shifted_cotangents, tangents, cotangent, directional)
    second = {name: np.imag(shifted_cotangents[name]) / COMPLEX_STEP for name in computation.wrt}
    return directional, second


def _check_analytic(
    computation: Computation,
    cotangents: Arrays,
    tangents: Mapping[str, Array],
    cotangent: Array,
    directional: Array,
) -> None:
    # abs, norm, svd and the like accept complex numbers, but are not differentiable there, and say
    # nothing. The two sides of the pairing, ⟨u, J v⟩ and ⟨Jᵀu, v⟩, then differ.
    forward = [np.ravel(cotangent * directional)]
    backward = [np.ravel(np.real(cotangents[n]) * tangents[n]) for n in computation.wrt]
    terms = np.concatenate(forward + backward)
    gap = abs(sum(map(np.sum, forward)) - sum(map(np.sum, backward)))
    if not gap <= np.sqrt(np.finfo(terms.dtype).eps) * np.sum(np.abs(terms)):
        raise ValueError(
            f"{computation.name}: by_hand is not analytic in complex arithmetic, so its JVP and "
            "HVP cannot be taken by a complex step; use autograd's or torch's"
        )


def _check_tangents(
    computation: Computation, primals: Mapping[str, Array], tangents: Mapping[str, Array]
) -> None:
    wanted = ", ".join(computation.wrt)
    if set(tangents) != set(computation.wrt):
        raise TypeError(
            f"{computation.name}: tangents are wanted for {wanted}, got {', '.join(tangents)}"
        )
    for name, tangent in tangents.items():
        if not isinstance(tangent, np.ndarray | np.generic):
            raise TypeError(
                f"{computation.name}: tangent {name} is a {type(tangent).__name__}; "
                "a NumPy array is wanted"
            )
        if tangent.dtype != primals[name].dtype:
            raise TypeError(
                f"{computation.name}: tangent {name} is {tangent.dtype}, "
                f"but the primal is {primals[name].dtype}"
            )
        if tangent.shape != primals[name].shape:
            raise ValueError(
                f"{computation.name}: tangent {name} has shape {tangent.shape}, "
                f"but the primal has shape {primals[name].shape}"
            )
