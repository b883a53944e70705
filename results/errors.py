"""The one error of this package, and how an operating system's refusal becomes one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ResultsError(Exception):
    """Results that cannot be written or read; the message is one line, for the person who asked."""


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `ResultsError` that names the path and the cause.

    Args:
        action: What was being done, as in "cannot {action} {path}".
        path: The file it was being done to.
    """
    try:
        yield
    except OSError as error:
        raise ResultsError(f"cannot {action} {path}: {error.strerror}") from error


def make_directory(directory: Path) -> None:
    """Create a directory and its parents, unless it is there already.

    Raises:
        OSError: It cannot be created.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # A file stands where a directory is needed, and "File exists" would not say so.
        raise NotADirectoryError(error.errno, "Not a directory", str(directory)) from error
