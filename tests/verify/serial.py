"""An executor without processes, in which what a test has patched is seen."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Serial(Executor):
    """Takes what `ProcessPoolExecutor` takes, and does all work as it is submitted."""

    def __init__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(function(*args, **kwargs))
        return done
