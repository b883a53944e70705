"""The other checkers that are asked."""

from verify.trust.peers.autograd_check_grads import ask_autograd
from verify.trust.peers.jax_check_grads import ask_jax, jax_missing
from verify.trust.peers.peer import EVERY_ENTRY, UNLIMITED, Peer
from verify.trust.peers.scipy_check_grad import ask_scipy
from verify.trust.peers.taylor import ask_taylor
from verify.trust.peers.torch_gradcheck import ask_fast_gradcheck, ask_slow_gradcheck


def _never_missing() -> None:
    """For what this project depends on anyway."""


PEERS: tuple[Peer, ...] = (
    Peer("torch gradcheck", EVERY_ENTRY, _never_missing, ask_slow_gradcheck),
    Peer("torch gradcheck, fast", UNLIMITED, _never_missing, ask_fast_gradcheck),
    Peer("autograd check_grads", UNLIMITED, _never_missing, ask_autograd),
    Peer("jax check_grads", UNLIMITED, jax_missing, ask_jax),
    Peer("scipy check_grad", EVERY_ENTRY, _never_missing, ask_scipy),
    Peer("Taylor test", UNLIMITED, _never_missing, ask_taylor),
)
"""All of them, in the order of a table's columns."""
