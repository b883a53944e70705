"""Work that is left when it has taken too long, in the process that does it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

AGAIN = 5.0
"""Seconds until it is raised once more, where nobody heard: Python ignores what a finalizer raises.
They are enough for all that has to be put back on the way out."""


class LateError(BaseException):
    """Something took too long. Not an Exception: what a function raises is caught and judged."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A block that is left with `LateError` after so long; only of a process's main thread.

    Elsewhere, and where there are no such signals, it may take any time. A call of compiled code
    that does not look for signals is left when it returns.
    """

    def late(_: int, __: FrameType | None) -> None:
        raise LateError

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer"):  # Windows has none
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # even where time is up just then
        signal.signal(signal.SIGALRM, before)


def each_within(seconds: float | None, pieces: Iterator[T]) -> Iterator[T]:
    """Pieces of work that may take so long together; whoever uses them may take any time.

    Args:
        seconds: None for any number.
        pieces: each is done when it is asked for.

    Raises:
        LateError: time is up, and not all are done.
    """
    left = seconds
    while True:
        if left is None:
            yield from pieces
            return
        started = time.perf_counter()
        with within(max(left, 1e-6)):  # of 0 seconds a timer takes notice of nothing
            piece = next(pieces, None)
        left -= time.perf_counter() - started
        if piece is None:
            return
        yield piece
