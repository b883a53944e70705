"""One thread for every library while many small cases are checked."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from threadpoolctl import threadpool_limits


@dataclass(frozen=True)
class _Pool:
    count: Callable[[], int]
    limit: Callable[[int], None]

    def narrow(self, until: ExitStack) -> None:
        until.callback(self.limit, self.count())
        self.limit(1)


_pools: list[_Pool] = []
_blocks: list[ExitStack] = []


def add_pool(count: Callable[[], int], limit: Callable[[int], None]) -> None:
    """Tells `one_thread` of a library whose threads threadpoolctl alone does not rule.

    An engine calls this as it loads its library, which may well be inside the block.

    Args:
        count: returns how many threads the library may use.
        limit: sets it.
    """
    pool = _Pool(count, limit)
    _pools.append(pool)
    if _blocks:
        pool.narrow(until=_blocks[0])


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, and give back as many as there were.

    A second thread brings little at the tutorials' sizes. On a machine that is busy with something
    else, threads that spin until the other one gets a core make a run ten times slower.
    """
    with ExitStack() as stack:
        for pool in _pools:
            pool.narrow(until=stack)
        _blocks.append(stack)
        stack.callback(_blocks.remove, stack)
        with threadpool_limits(limits=1):
            yield
