r"""Value, gradient, Jacobian, JVP and HVP, each derived once, for every backend.

Values, gradients and Jacobians need only a backend's VJP. The rest follows from one more function,
the *pairing* of f with a fixed tangent v,

    φ(u, x) = ⟨J(x)ᵀ u, v⟩ = ⟨u, J(x) v⟩,

because its gradient with respect to u is the JVP J v (the "double-VJP trick": Townsend, *A new
trick for calculating Jacobian vector products*, 2017), and with respect to x it is the second-order
VJP S(v): for a scalar f and u = 1, the HVP (∇²f) v (Pearlmutter, *Fast exact multiplication by the
Hessian*, 1994). S is the VJP of the *gradient map* x ↦ Jᵀu and, as second derivatives commute, its
JVP too: an engine has S by reverse over reverse and by forward over reverse. How a library does
either is in its backend; a manual computation takes a complex step instead.
"""

from collections.abc import Callable, Mapping

import numpy as np

from reference_impls.computation import Array, Arrays, Computation
from reference_impls.engines.backend import Backend, SecondOrder, seed_cotangent
from reference_impls.engines.gradient_map import as_vector, by_argument

SecondVjp = Callable[[Mapping[str, Array]], Arrays]
"""Maps tangents v to S(v); both are dicts with one array per argument."""


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
    _check_tangents(computation, primals, tangents)
    # φ is linear in u, so any u gives the same gradient. But with u = 0 both sides of the check
    # that a body is analytic would be zero.
    u = seed_cotangent(result)
    return _second_order(backend).jvp(computation, primals, u, tangents)


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
    pull = _second_order(backend).second_pullback(computation, primals, cotangent)

    def second(tangents: Mapping[str, Array]) -> Arrays:
        _check_tangents(computation, primals, tangents)
        return pull(as_vector(tangents, computation.wrt))

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
    engine = _second_order(backend)
    pushed = engine.forward_over_reverse(computation, primals, cotangent, tangents)
    return by_argument(pushed, {name: primals[name] for name in computation.wrt})


def _basis(like: Array, entry: int) -> Array:
    unit = np.zeros_like(like)
    unit.flat[entry] = 1
    return unit


def _second_order(backend: Backend) -> SecondOrder:
    if not isinstance(backend, SecondOrder):
        raise NotImplementedError(f"{backend.name} does not differentiate its derivatives")
    return backend


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
