"""HIPS autograd's `check_grads`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from autograd.extend import defvjp_argnums, primitive
from autograd.test_util import check_grads as hips_check_grads

from reference_impls.computation import Array, Arrays, copies
from reference_impls.engines.hips.function import AutogradFunction
from verify.trust.peers.peer import named, native_of
from verify.trust.planted import Planted


def ask_autograd(planted: Planted, rng: np.random.Generator) -> bool:
    """Does HIPS `check_grads` accept the planted function?"""
    function = _autograd_node(planted) if planted.order == 1 else _native_autograd(planted)
    arguments = [copies(planted.primals)[name] for name in planted.wrt]
    with _global_seed(rng):  # it draws u and v from NumPy's global generator
        check = hips_check_grads(
            function, tuple(range(len(arguments))), modes=["rev"], order=planted.order
        )
        check(*arguments)
    return True


def _native_autograd(planted: Planted) -> Callable[..., Any]:
    """The autograd function that an adapter was made from, as one of the differentiated arrays."""
    native = native_of(planted, AutogradFunction, "autograd")
    constants = copies(planted.primals)
    return lambda *arrays: native(constants | named(planted, arrays))


def _autograd_node(planted: Planted) -> Callable[..., Any]:
    """The function of the differentiated arrays, as one node of autograd's graph."""
    constants = copies(planted.primals)

    def value(*arrays: Array) -> Array:
        return np.asarray(planted.forward(**constants | named(planted, arrays)))

    def pull_back(
        argnums: tuple[int, ...], _: Array, arrays: tuple[Array, ...], __: object
    ) -> Callable[[Array], list[Any]]:
        _, vjp = planted.make_vjp(**constants | named(planted, arrays))
        return lambda cotangent: _chosen(vjp(cotangent), planted, argnums)

    node: Callable[..., Any] = primitive(value)
    defvjp_argnums(node, pull_back)
    return node


def _chosen(gradients: Arrays, planted: Planted, argnums: tuple[int, ...]) -> list[Any]:
    return [gradients[planted.wrt[number]] for number in argnums]


@contextmanager
def _global_seed(rng: np.random.Generator) -> Iterator[None]:
    """Seeds NumPy's global generator, and afterwards puts it back as it was."""
    before = np.random.get_state()  # noqa: NPY002 - the peer knows no other generator
    np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002 - the same
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002 - the same
