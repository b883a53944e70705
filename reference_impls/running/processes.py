"""Processes that share work, and end when whoever asked for it does.

loky starts them. Unlike the standard library's, they do not import the script that asked for them,
which need not be written for that; nor do they look for modules where that script does not.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import Thread

from loky import ProcessPoolExecutor, cpu_count

from reference_impls.running.errors import ProcessDiedError

MOST = 4
"""So many are started unless more are asked for: of the catalogue's time, the longest case takes a
fifth."""

IN_THEM = {
    # They would look for modules first in the folder that they are started in, before they are told
    # where whoever asked for them looks: a logging.py of the user's would be taken for Python's.
    "PYTHONSAFEPATH": "1",
    # If psutil is installed, loky takes a process that has grown by 300 MB for leaking memory, and
    # starts another in its place. PyTorch alone takes more, and seconds to load.
    "LOKY_MAX_MEMORY_LEAK_SIZE": str(2**63),
}
"""What is set in their environment."""

LOOK = 1.0
"""So many seconds after its parent was killed, at most, a process ends."""


def shared_by(pieces: int, asked: int | None) -> int:
    """How many processes to share pieces of work among; 1 where no other can be had.

    Args:
        pieces: of work.
        asked: the processes that are asked for; None for one per core, up to `MOST`.
    """
    if multiprocessing.current_process().daemon:
        return 1  # such a process may have no children
    return max(1, min(pieces, asked or min(cpu_count(), MOST)))


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """So many processes; an exception in the block ends them in the midst of their work.

    Raises:
        ProcessDiedError: they could not be started, or one of them was killed.
    """
    pool = _made(count)
    try:
        _start(pool)
        yield pool
    except BaseException as error:
        with _ctrl_c_waiting():
            pool.shutdown(kill_workers=True)
        if isinstance(error, BrokenProcessPool):
            raise ProcessDiedError(
                "a process ended before its work was done, killed perhaps for want of memory; try "
                "--jobs 1"
            ) from None
        raise
    pool.shutdown()


def _made(count: int) -> ProcessPoolExecutor:
    with _starting():
        return ProcessPoolExecutor(count, initializer=_watch, initargs=(os.getpid(),))


def _start(pool: ProcessPoolExecutor) -> None:
    with _starting():
        resource_tracker.ensure_running()  # as it starts, it would unblock Ctrl-C
        # The first piece of work starts them all, and they keep what is blocked here. Ctrl-C
        # reaches every process, and would have each print a traceback: this one answers it.
        with _ctrl_c_waiting():
            pool.submit(os.getpid)


@contextmanager
def _starting() -> Iterator[None]:
    """What is started in the block inherits `IN_THEM`.

    Raises:
        ProcessDiedError: it cannot be started.
    """
    before = {name: os.environ.get(name) for name in IN_THEM}
    os.environ.update(IN_THEM)
    try:
        yield
    except OSError as error:
        raise ProcessDiedError(f"cannot start processes: {error}; try --jobs 1") from None
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _ctrl_c_waiting() -> Iterator[None]:
    """Ctrl-C is answered at the end of the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(parent: int) -> None:
    """If the parent is killed, nobody tells this process, which would wait for work for ever."""

    def end_with_it() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(1)

    Thread(target=end_with_it, daemon=True).start()
