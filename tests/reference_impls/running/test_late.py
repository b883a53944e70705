"""Work that takes too long is left, and nothing of it stays behind."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

import reference_impls.running.late
from reference_impls.running.late import LateError, each_within, within

needs_timer = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there is no timer that ends work on this system"
)


def nothing_is_left_behind() -> bool:
    return (
        signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    )


@needs_timer
def test_a_block_that_takes_too_long_is_left() -> None:
    with pytest.raises(LateError), within(0.05):
        time.sleep(10)
    assert nothing_is_left_behind()


@needs_timer
def test_what_catches_every_exception_does_not_catch_it() -> None:
    def deaf() -> None:
        for _ in range(3):
            with suppress(Exception):
                time.sleep(0.3)

    with pytest.raises(LateError), within(0.05):
        deaf()


@needs_timer
def test_what_swallows_it_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_impls.running.late, "AGAIN", 0.1)

    def swallowing() -> None:
        with suppress(BaseException):  # as Python does where a finalizer raises
            time.sleep(10)
        time.sleep(10)

    started = time.perf_counter()
    with pytest.raises(LateError), within(0.05):
        swallowing()
    assert time.perf_counter() - started < 5


@needs_timer
def test_what_is_done_in_time_is_left_alone() -> None:
    with within(0.05):
        done = True
    time.sleep(0.1)
    assert done
    assert nothing_is_left_behind()


def test_elsewhere_than_in_the_main_thread_it_may_take_any_time() -> None:
    done = []

    def work() -> None:
        with within(0.01):
            time.sleep(0.1)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def done_within(seconds: float, pieces: Iterator[int]) -> list[int]:
    """Those that were done when time was up."""
    done: list[int] = []

    def work() -> None:
        for piece in each_within(seconds, pieces):
            done.append(piece)  # noqa: PERF402 -- `extend` would be the iterator's own user

    with pytest.raises(LateError):
        work()
    return done


def slow_after(count: int) -> Iterator[int]:
    yield from range(count)
    time.sleep(10)
    yield count


@needs_timer
def test_of_pieces_those_that_are_done_in_time_are_had() -> None:
    done = done_within(0.2, slow_after(2))
    assert done == [0, 1]
    assert nothing_is_left_behind()


@needs_timer
def test_all_pieces_share_the_time() -> None:
    def slow() -> Iterator[int]:
        for piece in range(100):
            time.sleep(0.05)
            yield piece

    done = done_within(0.3, slow())
    assert 1 <= len(done) <= 6


@pytest.mark.parametrize("seconds", [None, 0.2])
def test_who_uses_the_pieces_may_take_any_time(seconds: float | None) -> None:
    done = []
    for piece in each_within(seconds, iter(range(3))):
        time.sleep(0.1)
        done.append(piece)
    assert done == [0, 1, 2]
