"""The other checkers that are asked, each with its library imported when it is."""

from collections.abc import Callable
from importlib import import_module

from verify.trust.peers.jax_check_grads import jax_missing
from verify.trust.peers.peer import EVERY_ENTRY, UNLIMITED, Ask, Peer


def _never_missing() -> None:
    """For what this project depends on anyway."""


def _from(module: str, function: str) -> Callable[[], Ask]:
    """Loads a function of this package, and with it the library it asks."""

    def load() -> Ask:
        ask: Ask = getattr(import_module(f"verify.trust.peers.{module}"), function)
        return ask

    return load


SLOW_GRADCHECK = _from("torch_gradcheck", "ask_slow_gradcheck")
FAST_GRADCHECK = _from("torch_gradcheck", "ask_fast_gradcheck")
AUTOGRAD = _from("autograd_check_grads", "ask_autograd")
JAX = _from("jax_check_grads", "ask_jax")
SCIPY = _from("scipy_check_grad", "ask_scipy")
TAYLOR = _from("taylor", "ask_taylor")

PEERS: tuple[Peer, ...] = (
    Peer("torch gradcheck", EVERY_ENTRY, _never_missing, SLOW_GRADCHECK),
    Peer("torch gradcheck, fast", UNLIMITED, _never_missing, FAST_GRADCHECK),
    Peer("autograd check_grads", UNLIMITED, _never_missing, AUTOGRAD),
    Peer("jax check_grads", UNLIMITED, jax_missing, JAX),
    Peer("scipy check_grad", EVERY_ENTRY, _never_missing, SCIPY),
    Peer("Taylor test", UNLIMITED, _never_missing, TAYLOR),
)
"""All of them, in the order of a table's columns."""
