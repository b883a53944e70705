"""A function written in `autograd.numpy`, traced with every floating array as a root of its own.

A root's gradient is the sum of what the VJPs of the nodes that use it returned. Autograd would add
up in place, and so broadcast and cast; here a new array is made of each sum, so that a gradient of
one term keeps its shape and dtype. For second derivatives, the computation of the first is traced:
backwards for ∂/∂x ⟨Jᵀ(x) u, v⟩, or forwards for the tangent of Jᵀ(x) u.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import autograd.numpy as anp
import numpy as np
from autograd.core import JVPNode, VJPNode, add_outgrads
from autograd.tracer import isbox, new_box, toposort, trace_stack

from reference_impls.computation import Array
from reference_impls.engines.adapter import (
    Adapter,
    Mode,
    TreeVjp,
    call,
    check_callable,
    signature_of,
)
from reference_impls.engines.leaves import Primals, itself, nothing
from reference_impls.nested import Tree, is_container, map_located


def from_autograd(function: Callable[..., Tree]) -> "AutogradFunction":
    """A function written in `autograd.numpy` as `verify.check` takes it.

    The function gets the user's own arrays, in plain containers. Every floating array is a root of
    the trace, so its gradient has the shape and the dtype that the last VJP returned. Gradients are
    copies: autograd treats arrays as immutable, and so returns one array as both gradients of
    x + y.

    Args:
        function: of arrays, by position or by name, or of nested dicts, lists and tuples of
            them. It returns an array or a NumPy number, or several in a dict, list or tuple,
            which then come as one vector; one that depends on no primal has gradients of zero.

    Raises:
        TypeError: it is a class, or cannot be called.
    """
    check_callable(function, "from_autograd")
    return AutogradFunction(function, signature_of(function))


class AutogradFunction(Adapter):
    """Made by `from_autograd`."""

    def jvp(self, primals: Primals, tangents: Primals) -> Array:
        """See `TwiceDifferentiable.jvp`."""
        directions = self.differentiated.directions(self.name, primals, tangents)
        leaves = self.differentiated.arrays(primals)
        with _prefixed(self.name):
            (tangent,) = _trace_jvp(lambda boxes: [self._at(primals, boxes)], leaves, directions)
            return np.array(np.zeros_like(self._value(primals)) if tangent is None else tangent)

    def hvp(self, primals: Primals, cotangent: Array, tangents: Primals, mode: Mode) -> Tree:
        """See `TwiceDifferentiable.hvp`."""
        self._check_mode(mode)
        directions = self.differentiated.directions(self.name, primals, tangents)
        leaves = self.differentiated.arrays(primals)
        checked = self.checked(cotangent, self._value(primals))

        def gradients(boxes: Sequence[Tree]) -> list[Tree]:
            _, pull = _trace_vjp(partial(self._at, primals), boxes)
            return pull(checked)

        with _prefixed(self.name):
            if mode == "forward over reverse":
                products = _trace_jvp(gradients, leaves, directions)
            else:
                pairing, pull = _trace_vjp(lambda xs: _pairing(gradients(xs), directions), leaves)
                products = pull(np.ones_like(pairing))
        return self.differentiated.planted(primals, _filled(products, leaves), nothing)

    def _make_vjp(self, primals: Primals) -> tuple[Array, TreeVjp]:
        leaves = self.differentiated.arrays(primals)
        native, pull = _trace_vjp(partial(self._at, primals), leaves)
        value = self._array_from(native)

        def vjp(cotangent: Array) -> Tree:
            gradients = pull(self.checked(cotangent, value))
            return self.differentiated.planted(primals, _filled(gradients, leaves), nothing)

        return np.array(value), vjp

    def _value(self, primals: Primals) -> Array:
        return np.array(self._array_from(self._joined(call(self.function, primals))))

    def _at(self, primals: Primals, leaves: Sequence[Tree]) -> Tree:
        planted = self.differentiated.planted(primals, leaves, itself)
        value = self._joined(call(self.function, planted))
        if not isbox(value):
            self._array_from(value)
        return value

    def _joined(self, value: Tree) -> Tree:
        """Several outputs as one vector, which is traced as they are."""
        opened = _opened(value)
        if not is_container(opened):
            return value
        outputs = self._outputs_of(opened, _is_differentiated)
        return anp.concatenate([anp.ravel(output) for output in outputs])


def _opened(value: Tree) -> Tree:
    """The boxes in a container, and in a box of one, as `anp.linalg.eigh` returns it."""
    if is_container(value):
        return map_located(lambda _, leaf: _opened(leaf), value)
    inside = _unboxed(value)[1]
    if not (isbox(value) and is_container(inside)):
        return value
    keys = inside if isinstance(inside, dict) else range(len(inside))
    parts = {key: _opened(value[key]) for key in keys}
    return parts if isinstance(inside, dict) else list(parts.values())


def _is_differentiated(leaf: Tree) -> bool:
    plain = leaf
    while isbox(plain):
        plain = _unboxed(plain)[1]
    return isinstance(plain, np.ndarray | np.generic) and np.issubdtype(plain.dtype, np.inexact)


def _trace_vjp(
    function: Callable[[Sequence[Tree]], Tree], leaves: Sequence[Tree]
) -> tuple[Tree, Callable[[Tree], list[Tree]]]:
    """As `autograd.core.make_vjp`, with many roots; None for one that the value does not depend on.

    A tuple of arrays as the only root would not do: autograd adds up its gradients in place, which
    casts and broadcasts them.
    """
    with trace_stack.new_trace() as level:
        roots = [VJPNode.new_root() for _ in leaves]
        end = function([new_box(*each) for each in _at_level(leaves, level, roots)])
    node, value = _unboxed(end)

    def vjp(cotangent: Tree) -> list[Tree]:
        totals = {} if node is None else {node: (cotangent, False)}
        for each in toposort(node) if node is not None else ():
            total = totals[each] if each in roots else totals.pop(each)
            for parent, share in zip(each.parents, each.vjp(total[0]), strict=False):
                totals[parent] = add_outgrads(totals.get(parent), share)
        return [totals[root][0] if root in totals else None for root in roots]

    return value, vjp


def _trace_jvp(
    function: Callable[[Sequence[Tree]], Sequence[Tree]],
    leaves: Sequence[Array],
    directions: Sequence[Array | None],
) -> list[Tree]:
    """As `autograd.core.make_jvp`, with many roots and values; None for a tangent of zero."""
    with trace_stack.new_trace() as level:
        ends = function(
            [
                leaf if direction is None else new_box(leaf, level, JVPNode.new_root(direction))
                for leaf, direction in zip(leaves, directions, strict=True)
            ]
        )
    nodes = [_unboxed(end)[0] for end in ends]
    return [None if node is None else node.g for node in nodes]


def _at_level(
    leaves: Sequence[Tree], level: int, roots: Sequence[Tree]
) -> Iterator[tuple[Tree, int, Tree]]:
    for leaf, root in zip(leaves, roots, strict=True):
        yield leaf, level, root


def _unboxed(end: Tree) -> tuple[Tree, Tree]:
    """The node that made a value, or None if it depends on no root; and the value."""
    if isbox(end):
        return end._node, end._value  # noqa: SLF001 -- nothing public reads a box
    return None, end


def _pairing(gradients: Sequence[Tree], directions: Sequence[Array | None]) -> Tree:
    pairs = zip(gradients, directions, strict=True)
    terms = [anp.sum(g * v) for g, v in pairs if g is not None and v is not None]
    return sum(terms[1:], terms[0]) if terms else np.float64(0)


def _filled(gradients: Sequence[Tree], leaves: Sequence[Array]) -> list[Array]:
    return [
        np.zeros(leaf.shape, leaf.dtype) if gradient is None else np.array(gradient)
        for gradient, leaf in zip(gradients, leaves, strict=True)
    ]


@contextmanager
def _prefixed(name: str) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise NotImplementedError(f"{name}: {str(error).splitlines()[0]}") from error
