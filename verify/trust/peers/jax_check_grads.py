"""JAX's `check_grads`."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from reference_impls.computation import Array, copies
from verify.trust.peers.peer import Named, first_order_only, named
from verify.trust.planted import Planted


def ask_jax(planted: Planted, _: np.random.Generator) -> bool:
    """Does JAX's `check_grads` accept the planted function? It draws u and v from its own seed."""
    first_order_only(planted, "not a function of JAX's own")
    import jax  # noqa: PLC0415 -- optional
    from jax.test_util import check_grads  # noqa: PLC0415 -- optional

    with _x64():
        constants = copies(planted.primals)
        arguments = tuple(jax.numpy.asarray(constants[name]) for name in planted.wrt)
        check_grads(_jax_function(planted, constants), arguments, order=1, modes=["rev"])
    return True


@contextmanager
def _x64() -> Iterator[None]:
    """Float64 in JAX, in every thread; afterwards all is as before.

    JAX's own context manager holds for one thread only, and callbacks run in others.
    """
    import jax  # noqa: PLC0415 -- optional

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 -- as JAX spells it
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def _jax_function(planted: Planted, constants: Named) -> Any:  # noqa: ANN401 - of JAX's arrays
    """The function as JAX takes foreign code: by a callback, and another for its VJP."""
    import jax  # noqa: PLC0415 -- optional

    def value(*arrays: Any) -> Array:  # noqa: ANN401 - of JAX
        return np.asarray(planted.forward(**constants | named(planted, _from_jax(arrays))))

    def pulled_back(cotangent: Any, *arrays: Any) -> tuple[Any, ...]:  # noqa: ANN401 - of JAX
        _, vjp = planted.make_vjp(**constants | named(planted, _from_jax(arrays)))
        gradients = vjp(np.array(cotangent))
        return tuple(gradients[name] for name in planted.wrt)

    like_value = _described(value(*(constants[name] for name in planted.wrt)))
    like_arguments = tuple(_described(constants[name]) for name in planted.wrt)

    def call(*arrays: Any) -> Any:  # noqa: ANN401 - of JAX
        return jax.pure_callback(value, like_value, *arrays)

    function = jax.custom_vjp(call)
    function.defvjp(
        lambda *arrays: (call(*arrays), arrays),
        lambda arrays, cotangent: jax.pure_callback(
            pulled_back, like_arguments, cotangent, *arrays
        ),
    )
    return function


def _from_jax(arrays: tuple[Any, ...]) -> tuple[Array, ...]:
    return tuple(np.array(array) for array in arrays)


def _described(array: Any) -> Any:  # noqa: ANN401 - JAX's description of an array
    import jax  # noqa: PLC0415 -- optional

    return jax.ShapeDtypeStruct(np.shape(array), np.asarray(array).dtype)


def jax_missing() -> str | None:
    """Why JAX cannot be asked, or None."""
    return None if find_spec("jax") else "jax is not installed"
