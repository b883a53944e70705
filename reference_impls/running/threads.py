"""One thread for NumPy and torch while many small cases are checked."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, and give back as many as there were.

    A second thread brings little at the tutorials' sizes. On a machine that is busy with something
    else, threads that spin until the other one gets a core make a run ten times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)
