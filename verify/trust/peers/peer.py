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
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from time import perf_counter
from typing import Any, Literal

import numpy as np

from reference_impls.computation import copies
from reference_impls.engines.adapter import Adapter
from verify.checks.check import one_line
from verify.trust.planted import Planted

Named = dict[str, Any]
"""Primals by name: arrays, and whatever else the function takes."""


Ruling = Literal["accepts", "rejects", "skipped"]


UNLIMITED = sys.maxsize
"""For a peer whose work is a fixed number of evaluations, whatever the size."""


EVERY_ENTRY = 2_000
"""Entries, of all gradients or of the value, up to which a peer may look at one after the other."""


Ask = Callable[[Planted, np.random.Generator], bool]
"""``ask(planted, rng)``: does the peer find the gradient right? An `InapplicableError` says that it
cannot be asked about this function; anything else that is raised counts as no."""


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
        load: imports its library, and returns what asks it.
    """

    name: str
    largest: int
    missing: Callable[[], str | None]
    load: Callable[[], Ask]


@dataclass(frozen=True)
class Judgement:
    """What a peer made of a function.

    Attributes:
        ruling: accepts, rejects or skipped.
        seconds: that it took; 0 if it was skipped.
        detail: why it rejects, where it says so, or was skipped; one line.
    """

    ruling: Ruling
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
    reason = peer.missing()
    if reason:
        return Judgement("skipped", detail=reason)
    ask = peer.load()
    start = perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _check_size(peer, planted)
            ruling: Ruling = "accepts" if ask(planted, rng) else "rejects"
            detail = ""
        except InapplicableError as error:
            return Judgement("skipped", detail=str(error))
        except Exception as error:  # noqa: BLE001 - of whatever kind, it is how a peer says no
            ruling, detail = "rejects", one_line(error)
    return Judgement(ruling, perf_counter() - start, detail)


def entries(planted: Planted) -> int:
    """How many numbers the function is differentiated with respect to."""
    return sum(np.size(planted.primals[name]) for name in planted.wrt)


def _check_size(peer: Peer, planted: Planted) -> None:
    if peer.largest == UNLIMITED:
        return
    size = max(entries(planted), np.size(planted.forward(**copies(planted.primals))))
    if size > peer.largest:
        raise InapplicableError(
            f"takes O(n) evaluations: {size:,} entries, skipped beyond {peer.largest:,}"
        )


def first_order_only(planted: Planted, why: str) -> None:
    """InapplicableError for faults of second derivatives."""
    if planted.order > 1:
        raise InapplicableError(f"second derivatives: {why}")


def native_of(planted: Planted, kind: type[Adapter], library: str) -> Callable[[Named], Any]:
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


def named(planted: Planted, arrays: tuple[Any, ...]) -> Named:
    """Arrays by the names of the primals that are differentiated."""
    return dict(zip(planted.wrt, arrays, strict=True))
