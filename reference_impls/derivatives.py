r"""Value, gradient, Jacobian, JVP and HVP, each derived once, for every backend.

A VJP is all a backend gives. The rest follows from one more function, the *pairing* of f with a
fixed tangent v,

    φ(u, x) = ⟨J(x)ᵀ u, v⟩ = ⟨u, J(x) v⟩,

because its gradient with respect to u is the JVP J v (the "double-VJP trick": Townsend, *A new
trick for calculating Jacobian vector products*, 2017), and with respect to x, for a scalar f and
u = 1, it is the HVP (∇²f) v (Pearlmutter, *Fast exact multiplication by the Hessian*, 1994).
The engines differentiate φ by running their own reverse mode twice. A manual computation takes a
complex step instead: with x + ihv in place of x, the imaginary part of the value is h J v and the
imaginary part of the VJP is h (∂/∂x) φ, both exact to rounding (Squire & Trapp, 1998).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reference_impls.backends import Autograd, Backend, Torch, seed_cotangent
from reference_impls.computation import Array, Arrays, Computation

COMPLEX_STEP = 2.0**-70
"""Small enough that its square is below any rounding, large enough for float32's exponents."""


def value(backend: Backend, computation: Computation, primals: Mapping[str, Array]) -> Array:
    """f at the primals, as a NumPy array (0-d for a scalar). Raises as `Backend.make_vjp`."""
    return backend.make_vjp(computation, primals)[0]


def gradient(backend: Backend, computation: Computation, primals: Mapping[str, Array]) -> Arrays:
    """∇f for a scalar f: one array per name in ``wrt``, of that primal's shape and dtype.

    Raises:
        ValueError: f is not scalar-valued; its `jacobian` or a VJP is what there is.
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
    paired = _pairing(computation, primals, tangents, wrt=("cotangent",))
    # φ is linear in u, so any u will do; at u = 0 nothing would show that a body is not analytic.
    return gradient(backend, paired, {**primals, "cotangent": seed_cotangent(result)})["cotangent"]


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
    paired = _pairing(computation, primals, tangents, wrt=computation.wrt)
    return gradient(backend, paired, {**primals, "cotangent": np.ones_like(result)})


def _basis(like: Array, entry: int) -> Array:
    unit = np.zeros_like(like)
    unit.flat[entry] = 1
    return unit


def _pairing(
    computation: Computation,
    primals: Mapping[str, Array],
    tangents: Mapping[str, Array],
    wrt: tuple[str, ...],
) -> Computation:
    _check_tangents(computation, primals, tangents)

    def by_autograd(*, cotangent: Any, **primals: Any) -> Any:
        _, vjp = Autograd().pullback(computation, primals)
        cotangents = vjp(cotangent)
        return sum((cotangents[name] * tangents[name]).sum() for name in computation.wrt)

    def by_torch(*, cotangent: Any, **primals: Any) -> Any:
        leaves = {
            name: primal if primal.requires_grad else primal.detach().requires_grad_()
            for name, primal in primals.items()
        }
        _, vjp = Torch().pullback(computation, leaves, create_graph=True)
        cotangents = vjp(cotangent)
        return sum(
            (cotangents[name] * cotangents[name].new_tensor(tangents[name])).sum()
            for name in computation.wrt
        )

    def by_hand(*, cotangent: Array, **primals: Array) -> tuple[Array, Callable[..., Arrays]]:
        directional, second = _complex_step(computation, primals, tangents, cotangent)
        paired = np.sum(cotangent * directional)

        def vjp(scale: Array) -> Arrays:
            cotangents = {"cotangent": directional, **second}
            return {name: scale * cotangents[name] for name in wrt}

        return paired, vjp

    return Computation(
        name=computation.name,
        origin=f"⟨Jᵀu, v⟩ of {computation.name}",
        sample=computation.sample,
        wrt=wrt,
        sizes=computation.sizes,
        by_autograd=by_autograd,
        by_torch=by_torch,
        by_hand=by_hand,
        shapes={**computation.shapes, "cotangent": "..."} if computation.shapes else {},
    )


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
    # abs, norm, svd and the like accept complex numbers and silently give a function that has no
    # complex derivative; the two sides of the pairing then part company.
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
