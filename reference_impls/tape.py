"""Back-propagation as the optimization tutorial writes it: a tape, and one walk back along it.

A tape holds variables v¹ … vᴺ in the order in which they were computed, parents before children.
L is the last of them, and δv stands for ∂L/∂v. So δvᴺ = 1, and

    δvⁱ = Σ over the children vʲ of vⁱ of  δvʲ ∂vʲ/∂vⁱ        for i = N-1, …, 1

Each term is a vector-Jacobian product (VJP): no Jacobian is made, and an operation need only know
its own. The tutorial's loop begins at N, which has no children: it overwrites δvᴺ = 1 by 0.

    tape = Tape()
    w, x = Variable(tape, 2.0), Variable(tape, 3.0)
    loss = w * x + x
    cotangents = tape.backward()        # cotangents[w] is 3, cotangents[x] is 2 + 1
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from reference_impls.computation import Array


class Tape:
    """The variables of one computation, in the order in which they were computed."""

    def __init__(self) -> None:
        self.variables: list[Variable] = []

    def backward(self, seed: npt.ArrayLike = 1.0) -> dict["Variable", Array]:
        """δv of every variable; the seed is δvᴺ, of the shape of the last variable."""
        *others, last = self.variables
        cotangents = {last: np.asarray(seed)}
        for variable in reversed(others):
            cotangents[variable] = sum_over_children(variable, cotangents)
        return cotangents


class Variable:
    """A value, at the end of its tape, and one VJP for each time that a child uses it."""

    def __init__(self, tape: Tape, value: npt.ArrayLike) -> None:
        self.tape, self.value = tape, np.asarray(value)
        self.children: list[tuple[Variable, Callable[[Array], Array]]] = []
        tape.variables.append(self)

    def __add__(self, other: "Variable") -> "Variable":
        return computed(self.value + other.value, (self, lambda d: d), (other, lambda d: d))

    def __sub__(self, other: "Variable") -> "Variable":
        return computed(self.value - other.value, (self, lambda d: d), (other, lambda d: -d))

    def __mul__(self, other: "Variable") -> "Variable":
        x, y = self.value, other.value
        return computed(x * y, (self, lambda d: d * y), (other, lambda d: d * x))

    def __matmul__(self, other: "Variable") -> "Variable":
        """A vector times a matrix."""
        x, W = self.value, other.value
        return computed(x @ W, (self, lambda d: W @ d), (other, lambda d: np.outer(x, d)))


def computed(value: Array, *parents: tuple[Variable, Callable[[Array], Array]]) -> Variable:
    """A new variable, and the VJP by which each parent hears of it."""
    child = Variable(parents[0][0].tape, value)
    for parent, vjp in parents:
        parent.children.append((child, vjp))
    return child


def sum_over_children(variable: Variable, cotangents: dict[Variable, Array]) -> Array:
    """Σ δvʲ ∂vʲ/∂vⁱ, which is zero for a variable that nothing was computed from."""
    zero = np.zeros(variable.value.shape)
    terms = (vjp(cotangents[child]) for child, vjp in variable.children)
    # NumPy may have repeated the variable along new first axes: every copy has its share.
    shares = (d.sum(axis=tuple(range(d.ndim - zero.ndim))).reshape(zero.shape) for d in terms)
    return sum(shares, zero)


def total(x: Variable) -> Variable:
    """Σ x, over all entries."""
    return computed(x.value.sum(), (x, lambda d: np.broadcast_to(d, x.value.shape)))


def expm1(x: Variable) -> Variable:
    """eˣ - 1, with all its digits near 0."""
    return computed(np.expm1(x.value), (x, lambda d: d * np.exp(x.value)))


def softplus(x: Variable) -> Variable:
    """log(1 + eˣ); its slope is the sigmoid, eˣ / (1 + eˣ)."""
    value = np.logaddexp(0, x.value)
    return computed(value, (x, lambda d: d * np.exp(x.value - value)))


def where(condition: Array, x: Variable, y: Variable) -> Variable:
    """An entry of x where the condition holds, of y elsewhere; δ goes where the entry came from."""
    xs, ys = (x, lambda d: np.where(condition, d, 0)), (y, lambda d: np.where(condition, 0, d))
    return computed(np.where(condition, x.value, y.value), xs, ys)
