"""Processes that share work, and end when whoever asked for it does."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from threading import Thread


class ProcessDiedError(Exception):
    """A process ended before its work was done."""


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def processes(count: int, preloaded: Sequence[str] = ()) -> Iterator[Executor]:
    """So many processes; an exception in the block ends them in the midst of their work.

    Args:
        count: of the processes.
        preloaded: modules that take long to import. Where the system can fork, they are imported
            once for all processes.

    Raises:
        ProcessDiedError: one of them was killed.
    """
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(count, _context(preloaded), _prepare)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            if child not in others:
                child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise ProcessDiedError(
                "a process ended before its work was done, for want of memory perhaps; try --jobs 1"
            ) from None
        raise
    pool.shutdown()


def _context(preloaded: Sequence[str]) -> BaseContext:
    # Never forked from this process: a fork would inherit the locks of threads that BLAS and torch
    # have started here. The server that is forked from has imported, and computed nothing.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preloaded))
    return context


def _prepare() -> None:
    # Ctrl-C reaches all processes, and would have each of them print a traceback: the parent
    # answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """If the parent is killed, nobody tells this process, which would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
