"""Other people's gradient checkers, judging the same functions as ours.

Each peer compares the VJP with differences of values, and accepts or rejects: `torch`'s
`gradcheck` looks at every entry of the Jacobian, or, in fast mode, at one number per argument;
`check_grads` of HIPS `autograd` and of JAX at the one number ⟨Jᵀu, v⟩ for random u and v; SciPy's
`check_grad` at every entry of the gradient of ⟨u, f⟩; the Taylor test at the order in h of
|φ(x + h v) - φ(x) - h ⟨∇φ, v⟩| for φ = ⟨u, f⟩.

A peer is asked as its user would ask it. The function enters the library by the door it has for
foreign code; the primals keep their dtype (float32 is checked in float32, although `gradcheck`, for
one, warns that it is made for float64); steps and tolerances are the defaults. Where a peer returns
a number and leaves the judgement to its user, the rule is a constant below.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from inspect import signature
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from autograd.extend import defvjp_argnums, primitive
from autograd.test_util import check_grads as hips_check_grads
from scipy.optimize import check_grad
from torch.autograd import gradcheck, gradgradcheck

from reference_impls.computation import Array, Arrays, copies
from verify.adapters import Adapter, AutogradFunction, TorchFunction
from verify.compare import one_line
from verify.faults.planted import Planted

Named = dict[str, Any]
"""Primals by name: arrays, and whatever else the function takes."""

Outcome = Literal["accepts", "rejects", "skipped"]

UNLIMITED = sys.maxsize
"""For a peer whose work is a fixed number of evaluations, whatever the size."""

EVERY_ENTRY = 2_000
"""Entries, of all gradients or of the value, up to which a peer may look at one after the other."""

FAST_CALLS = 20
"""Calls of the function or its VJP that fast gradcheck gets, and as many for each argument: to
accept, it needs 6 and 2 for each. When it rejects, it runs slow mode too, for its message alone; on
a large function that would take hours, and nothing about the outcome depends on it."""

SCIPY_ACCEPTED = 100.0
"""`scipy.optimize.check_grad` returns the norm of an error, and no judgement. It is accepted up to
this many square roots of the machine epsilon of the primals, relative to the norm of the gradient
that is checked: 1.5e-6 in float64, 0.035 in float32. Its forward differences are good for one at
their best, on a function of scale one."""

TAYLOR_STEPS = tuple(0.01 / 2**i for i in range(4))
TAYLOR_RATE = 1.9
"""What dolfin-adjoint's `taylor_test` steps through, and what its users assert of the smallest rate
of convergence, which is 2 for a right gradient and 1 for a wrong one. Farrell, Ham, Funke, Rognes
(2013), "Automated derivation of the adjoint of high-level transient finite element programs"."""

TAYLOR_ROUNDING = 10.0
"""A remainder that is rounding alone, as for linear functions, has no rate. dolfin-adjoint warns of
it and leaves it at that: it is accepted, up to this many units of machine epsilon of the terms."""


class InapplicableError(Exception):
    """A peer cannot be asked about this function; the message says why."""


@dataclass(frozen=True)
class Peer:
    """A gradient checker.

    Attributes:
        name: of the library and its function.
        largest: entries, of all gradients or of the value, beyond which it is skipped because it
            takes as many evaluations.
        missing: why it cannot run here, or None if it can.
        accepts: ``accepts(planted, rng)``: does it find the gradient right? Whatever it raises
            counts as no, but an `InapplicableError`.
    """

    name: str
    largest: int
    missing: Callable[[], str | None]
    accepts: Callable[[Planted, np.random.Generator], bool]


@dataclass(frozen=True)
class Judgement:
    """What a peer made of a function.

    Attributes:
        outcome: accepts, rejects or skipped.
        seconds: that it took; 0 if it was skipped.
        detail: why it rejects, where it says so, or was skipped; one line.
    """

    outcome: Outcome
    seconds: float = 0.0
    detail: str = ""


def judge(peer: Peer, planted: Planted, rng: np.random.Generator) -> Judgement:
    """Ask one peer about one function.

    The arrays are copied first, so that a function which overwrites its inputs harms no one else.
    Warnings are silenced: they are about float32, or come from the function.

    Args:
        peer: whom to ask.
        planted: the function; its primals are a flat mapping, and its value is one array.
        rng: of the cotangents and directions, where the peer does not draw its own.
    """
    start = perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _check_applicable(peer, planted)
            outcome: Outcome = "accepts" if peer.accepts(planted, rng) else "rejects"
            detail = ""
        except InapplicableError as error:
            return Judgement("skipped", detail=str(error))
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is how a peer says no
            outcome, detail = "rejects", one_line(error)
    return Judgement(outcome, perf_counter() - start, detail)


def entries(planted: Planted) -> int:
    """How many numbers the function is differentiated with respect to."""
    return sum(np.size(planted.primals[name]) for name in planted.wrt)


def _check_applicable(peer: Peer, planted: Planted) -> None:
    reason = peer.missing()
    if reason:
        raise InapplicableError(reason)
    if peer.largest == UNLIMITED:
        return
    size = max(entries(planted), np.size(planted.forward(**copies(planted.primals))))
    if size > peer.largest:
        raise InapplicableError(
            f"takes O(n) evaluations: {size:,} entries, skipped beyond {peer.largest:,}"
        )


def _first_order_only(planted: Planted, why: str) -> None:
    if planted.order > 1:
        raise InapplicableError(f"second derivatives: {why}")


# torch


def _gradcheck_slow(planted: Planted, rng: np.random.Generator) -> bool:
    return _gradcheck(planted, rng, fast=False, calls=UNLIMITED)


def _gradcheck_fast(planted: Planted, rng: np.random.Generator) -> bool:
    return _gradcheck(planted, rng, fast=True, calls=FAST_CALLS * (1 + len(planted.wrt)))


def _gradcheck(planted: Planted, rng: np.random.Generator, *, fast: bool, calls: int) -> bool:
    """The first derivative and, where that is in question, the second."""
    leaves = tuple(_leaf(planted.primals[name]) for name in planted.wrt)
    if planted.order == 1:
        return bool(gradcheck(_torch_function(planted, calls), leaves, fast_mode=fast))
    native = _native_torch_function(planted, calls)
    with torch.random.fork_rng():  # gradgradcheck draws its cotangents from the global generator
        torch.manual_seed(int(rng.integers(2**31)))
        return bool(
            gradcheck(native, leaves, fast_mode=fast)
            and gradgradcheck(native, leaves, fast_mode=fast)
        )


def _leaf(primal: Any) -> torch.Tensor:  # noqa: ANN401 - an array or a NumPy scalar
    """A tensor as torch itself would lay it out: it refuses or copies what NumPy calls strides."""
    source = torch.from_numpy(np.array(primal, order="C"))
    return torch.empty(source.shape, dtype=source.dtype).copy_(source).requires_grad_()


def _torch_function(planted: Planted, calls: int) -> Callable[..., Any]:
    """The function as a node of torch's graph, of the tensors that are differentiated."""
    constants = copies(planted.primals)
    budget = _Budget(calls)

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's context
            budget.spend()
            arrays = tuple(tensor.detach().numpy() for tensor in tensors)
            value, ctx.vjp = planted.make_vjp(**constants | _named(planted, arrays))
            return torch.tensor(np.asarray(value))

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ANN401
            budget.spend()
            gradients = ctx.vjp(*(cotangent.numpy() for cotangent in cotangents))
            return tuple(torch.from_numpy(np.array(gradients[name])) for name in planted.wrt)

    apply: Callable[..., Any] = Wrapped.apply
    return apply


def _native_torch_function(planted: Planted, calls: int) -> Callable[..., Any]:
    """The torch function that an adapter was made from, of the differentiated tensors."""
    native = _native(planted, TorchFunction, "torch")
    constants = {name: _as_tensor(primal) for name, primal in copies(planted.primals).items()}
    budget = _Budget(calls)

    def function(*tensors: torch.Tensor) -> torch.Tensor:
        budget.spend()
        value: torch.Tensor = native(constants | _named(planted, tensors))
        return value

    return function


def _as_tensor(primal: Any) -> Any:  # noqa: ANN401 - a primal may be anything
    return (
        torch.from_numpy(np.array(primal, order="C")) if isinstance(primal, np.ndarray) else primal
    )


def _native(planted: Planted, kind: type[Adapter], library: str) -> Callable[[Named], Any]:
    """What an adapter was made from, of all primals by name.

    Raises:
        InapplicableError: the function is not made by that library's adapter.
    """
    adapter = planted.make_vjp
    if not isinstance(adapter, kind):
        raise InapplicableError(f"second derivatives: not a function of {library}'s own")
    # By position, because the `apply` of a torch.autograd.Function takes no names.
    names = [name for name in signature(adapter).parameters if name in planted.primals]
    return lambda primals: adapter.function(*(primals[name] for name in names))


@dataclass
class _Budget:
    """Calls that are left."""

    calls: int

    def spend(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("fast mode found a mismatch; its slow mode was cut short")


# HIPS autograd


def _hips(planted: Planted, rng: np.random.Generator) -> bool:
    function = _autograd_node(planted) if planted.order == 1 else _native_autograd(planted)
    arguments = [copies(planted.primals)[name] for name in planted.wrt]
    with _global_seed(rng):  # it draws u and v from NumPy's global generator
        check = hips_check_grads(
            function, tuple(range(len(arguments))), modes=["rev"], order=planted.order
        )
        check(*arguments)
    return True


def _native_autograd(planted: Planted) -> Callable[..., Any]:
    """The autograd function that an adapter was made from, of the differentiated arrays."""
    native = _native(planted, AutogradFunction, "autograd")
    constants = copies(planted.primals)
    return lambda *arrays: native(constants | _named(planted, arrays))


def _autograd_node(planted: Planted) -> Callable[..., Any]:
    """The function as a node of autograd's graph, of the arrays that are differentiated."""
    constants = copies(planted.primals)

    def value(*arrays: Array) -> Array:
        return np.asarray(planted.forward(**constants | _named(planted, arrays)))

    def pull_back(
        argnums: tuple[int, ...], _: Array, arrays: tuple[Array, ...], __: object
    ) -> Callable[[Array], list[Any]]:
        _, vjp = planted.make_vjp(**constants | _named(planted, arrays))
        return lambda cotangent: _chosen(vjp(cotangent), planted, argnums)

    node: Callable[..., Any] = primitive(value)
    defvjp_argnums(node, pull_back)
    return node


def _named(planted: Planted, arrays: tuple[Any, ...]) -> Named:
    return dict(zip(planted.wrt, arrays, strict=True))


def _chosen(gradients: Arrays, planted: Planted, argnums: tuple[int, ...]) -> list[Any]:
    return [gradients[planted.wrt[number]] for number in argnums]


@contextmanager
def _global_seed(rng: np.random.Generator) -> Iterator[None]:
    """NumPy's global generator seeded, and put back as it was."""
    before = np.random.get_state()  # noqa: NPY002 - the peer knows no other generator
    np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002 - the same
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002 - the same


# SciPy and the Taylor test: of φ(x) = ⟨u, f(x)⟩, x all differentiated primals in one vector


@dataclass(frozen=True)
class _Scalarised:
    """φ and its gradient.

    Attributes:
        planted: f.
        constants: its primals; the differentiated ones are replaced.
        start: those in one vector.
        cotangent: u, Gaussian.
    """

    planted: Planted
    constants: Named
    start: Array
    cotangent: Array = field(compare=False)

    def value(self, vector: Array) -> float:
        return float(self.terms(vector).sum())

    def terms(self, vector: Array) -> Array:
        value = np.asarray(self.planted.forward(**self._primals(vector)), dtype=np.float64)
        return value * self.cotangent.astype(np.float64)

    def gradient(self, vector: Array) -> Array:
        _, vjp = self.planted.make_vjp(**self._primals(vector))
        gradients = vjp(self.cotangent)
        return np.concatenate([np.ravel(gradients[name]) for name in self.planted.wrt])

    def _primals(self, vector: Array) -> Named:
        shapes = [np.shape(self.constants[name]) for name in self.planted.wrt]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        parts = np.split(vector, ends)
        arrays = [np.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
        return self.constants | dict(zip(self.planted.wrt, arrays, strict=True))


def _scalarised(planted: Planted, rng: np.random.Generator) -> _Scalarised:
    _first_order_only(planted, "looks at the first alone")
    constants = copies(planted.primals)
    value = np.asarray(planted.forward(**copies(planted.primals)))
    return _Scalarised(
        planted,
        constants,
        start=np.concatenate([np.ravel(constants[name]) for name in planted.wrt]),
        cotangent=rng.standard_normal(value.shape).astype(value.dtype),
    )


def _scipy(planted: Planted, rng: np.random.Generator) -> bool:
    phi = _scalarised(planted, rng)
    error = check_grad(phi.value, phi.gradient, phi.start)
    largest = SCIPY_ACCEPTED * np.sqrt(np.finfo(phi.start.dtype).eps)
    return bool(error <= largest * np.linalg.norm(phi.gradient(phi.start)))


def _taylor(planted: Planted, rng: np.random.Generator) -> bool:
    phi = _scalarised(planted, rng)
    direction = rng.standard_normal(phi.start.shape).astype(phi.start.dtype)
    terms = phi.terms(phi.start)
    slope = float(phi.gradient(phi.start).astype(np.float64) @ direction.astype(np.float64))
    steps = np.array(TAYLOR_STEPS)
    moved = [phi.value(phi.start + direction * phi.start.dtype.type(step)) for step in steps]
    remainders = np.abs(np.array(moved) - terms.sum() - steps * slope)
    epsilon = float(np.finfo(phi.start.dtype).eps)
    if (remainders <= TAYLOR_ROUNDING * epsilon * np.abs(terms).sum()).all():
        return True
    rates = np.log2(remainders[:-1] / remainders[1:])
    return bool(rates.min() > TAYLOR_RATE)


# JAX


def _jax(planted: Planted, _: np.random.Generator) -> bool:
    """Its u and v are of a seed of its own."""
    _first_order_only(planted, "not a function of JAX's own")
    import jax  # noqa: PLC0415 -- optional
    from jax.test_util import check_grads  # noqa: PLC0415 -- optional

    with _x64():
        constants = copies(planted.primals)
        arguments = tuple(jax.numpy.asarray(constants[name]) for name in planted.wrt)
        check_grads(_jax_function(planted, constants), arguments, order=1, modes=["rev"])
    return True


@contextmanager
def _x64() -> Iterator[None]:
    """JAX with float64 in every thread, and then as it was.

    Its own context manager is for one thread, and callbacks are made in others.
    """
    import jax  # noqa: PLC0415 -- optional

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 -- as JAX spells it
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def _jax_function(planted: Planted, constants: Named) -> Any:  # noqa: ANN401 - of JAX's arrays
    """The function as JAX takes foreign code: a callback, with a callback for its derivative."""
    import jax  # noqa: PLC0415 -- optional

    def value(*arrays: Any) -> Array:  # noqa: ANN401 - of JAX
        return np.asarray(planted.forward(**constants | _named(planted, _from_jax(arrays))))

    def pulled_back(cotangent: Any, *arrays: Any) -> tuple[Any, ...]:  # noqa: ANN401 - of JAX
        _, vjp = planted.make_vjp(**constants | _named(planted, _from_jax(arrays)))
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


def _never_missing() -> None:
    """For what this project depends on anyway."""


def _jax_missing() -> str | None:
    return None if find_spec("jax") else "jax is not installed"


PEERS: tuple[Peer, ...] = (
    Peer("torch gradcheck", EVERY_ENTRY, _never_missing, _gradcheck_slow),
    Peer("torch gradcheck, fast", UNLIMITED, _never_missing, _gradcheck_fast),
    Peer("autograd check_grads", UNLIMITED, _never_missing, _hips),
    Peer("jax check_grads", UNLIMITED, _jax_missing, _jax),
    Peer("scipy check_grad", EVERY_ENTRY, _never_missing, _scipy),
    Peer("Taylor test", UNLIMITED, _never_missing, _taylor),
)
"""All of them, in the order of a table's columns."""
