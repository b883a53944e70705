"""Rows on disk: appended one at a time, so that whatever was measured survives a crash.

A row is one `write` of one whole line, followed by `fsync`. A run killed at any moment leaves every
row whose `append` had returned, and after them at most one torn line. A reader drops a torn line
and says so; the next row to be appended cuts it off first.

Several processes may append to one file and read it meanwhile: each write and each read holds the
operating system's own lock on the file. It ends with its process, however that ends, and it leaves
no lock file beside the measurements.
"""

import csv
import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from filelock import lock_descriptor, unlock_descriptor
from pydantic import ValidationError

from results.errors import ResultsError, explained, make_directory
from results.tables import Column, Row, Table

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R", bound=Row)

_ROOM = b" " * 4096  # more than one row, tried on opening
_POLL = 1e-3  # seconds between two tries for the lock, which a write holds for less


class Appender(Generic[R]):
    """Appends rows to one CSV file, to which other processes may be appending too.

    Opening it does all that can fail before the long work starts: it creates the directories and
    the header, or finds the header of an existing file to be the table's own.

    Each process opens an appender of its own: a fork shares its parent's lock, which then excludes
    neither of them.

    Args:
        path: The file, whatever its name.
        table: What it holds.

    Raises:
        ResultsError: The file cannot be written or locked, or holds other columns.
    """

    def __init__(self, path: Path | str, table: Table[R]) -> None:
        self.path = Path(path)
        self._table = table
        with explained("write", self.path):
            self._descriptor = _open(self.path)
            try:
                self._begin()
            except BaseException:
                self.close()
                raise

    def append(self, row: R) -> None:
        """Write one row; once this returns, the row is on the disk.

        Raises:
            ResultsError: It could not be written; the rows before it stand, unless somebody removed
                the file.
        """
        self.append_all([row])

    def append_all(self, rows: Iterable[R]) -> None:
        """Write rows that came at one moment, which takes as long as to write one.

        Raises:
            ResultsError: They could not be written; the rows before them stand.
        """
        lines = b"".join(_encode([_to_cell(value) for _name, value in row]) for row in rows)
        with explained("write", self.path):
            with self._alone():
                self._refuse_if_removed()
                self._mend()
                self._write(lines)
            # The slow part, during which others may write.
            self._sync()

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        if not self._is_regular:
            self._write(self._header)
            return
        with self._alone():
            self._check_columns()
            self._mend()
            self._check_room()
        self._sync()

    def _check_columns(self) -> None:
        whole, torn = _split_torn(self._content())
        if whole:
            _check_header(self.path, next(_lines(self.path, whole))[1], self._table)
        elif not self._header.startswith(torn):
            raise ResultsError(f"{self.path}, line 1: not the columns of {self._table.file_name}")

    def _check_room(self) -> None:
        size = self._size()
        try:
            self._write(_ROOM)
        finally:
            os.ftruncate(self._descriptor, size)

    def _refuse_if_removed(self) -> None:
        """A file without a name takes rows as before, and nobody can read them."""
        if self._is_regular and os.fstat(self._descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "it was removed after it was opened")

    def _mend(self) -> None:
        """Cut off the line that a killed process left torn, and write the header if none is left.

        Any process may have been killed since this one opened the file, so each row looks first.
        """
        if not self._is_regular or self._ends_with_a_line():
            return
        whole, _torn = _split_torn(self._content())
        os.ftruncate(self._descriptor, len(whole))
        if not whole:
            self._write(self._header)

    def _ends_with_a_line(self) -> bool:
        size = self._size()
        if size == 0:
            return False
        os.lseek(self._descriptor, size - 1, os.SEEK_SET)
        return os.read(self._descriptor, 1) == b"\n"

    def _content(self) -> bytes:
        with os.fdopen(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)
            return file.read()

    def _write(self, line: bytes) -> None:
        """Write at the end of the file, wherever other processes have moved it."""
        written = os.write(self._descriptor, line)
        if written < len(line):
            self._cut(written)
            raise OSError(errno.ENOSPC, f"the disk took {written} of {len(line)} bytes")

    def _cut(self, count: int) -> None:
        if self._is_regular:
            os.ftruncate(self._descriptor, self._size() - count)

    def _sync(self) -> None:
        if self._is_regular:
            os.fsync(self._descriptor)

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep out every other process that appends to this file or reads it."""
        if not self._is_regular:  # a device is everybody's, and has no rows to lose
            yield
            return
        try:
            lock_descriptor(self._descriptor, poll_interval=_POLL)
        except OSError as error:
            raise OSError(error.errno, f"it cannot be locked: {error.strerror}") from error
        try:
            yield
        finally:
            unlock_descriptor(self._descriptor)

    @cached_property
    def _header(self) -> bytes:
        return _encode(self._table.header)

    @cached_property
    def _is_regular(self) -> bool:
        """Is it a file that can be read back and cut, not a device or a pipe?"""
        return stat.S_ISREG(os.fstat(self._descriptor).st_mode)


@dataclass(frozen=True)
class Contents(Generic[R]):
    """What a file holds.

    Attributes:
        table: What kind of file it is.
        rows: Its rows, exactly as they were appended.
        note: What the reader had to do to read it, one line; empty if nothing.
    """

    table: Table[R]
    rows: tuple[R, ...]
    note: str

    @property
    def frame(self) -> "pd.DataFrame":
        """The rows as a data frame; an empty number becomes NaN there, like a measured NaN."""
        import pandas as pd  # noqa: PLC0415 - takes long, and to append does without

        return pd.DataFrame(
            {
                column.name: pd.Series(
                    [getattr(row, column.name) for row in self.rows], dtype=column.pandas_dtype
                )
                for column in self.table.columns
            }
        )


def read(path: Path | str, table: Table[R]) -> Contents[R]:
    """Read a file back, checking every cell.

    A torn last line, left by a run that was killed, is dropped, and the note says so. A file that
    was begun, and has no whole header yet, has no rows. A file may be older than the table's last
    optional columns: their cells are then empty.

    Args:
        path: The file.
        table: What it should hold.

    Raises:
        ResultsError: It cannot be read, or holds something else: the message says at which line
            and column, what is there and what should be.
    """
    path = Path(path)
    with explained("read", path):
        whole, torn = _split_torn(_between_writes(path))
    if not whole and _encode(table.header).startswith(torn):
        # A process has created the file, and has not come to its header yet, or never did.
        return Contents(table, (), f"{path.name}: nothing is in it yet")
    lines = _lines(path, whole)
    _, header = next(lines, (1, []))
    columns = _columns_of(path, header, table)
    rows = tuple(
        _to_row(f"{path}, line {number}", cells, table, columns) for number, cells in lines
    )
    return Contents(table, rows, f"{path.name}: dropped a torn last line" if torn else "")


def _open(path: Path) -> int:
    make_directory(path.parent)
    as_it_is = getattr(os, "O_BINARY", 0)  # else Windows writes "\r\n" for "\n"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | as_it_is, 0o644)


def _between_writes(path: Path) -> bytes:
    """Read a whole file while no process is in the midst of a row."""
    with path.open("rb") as file:
        # Some file systems have no locks, or none for who may only read. There, a row that is
        # being written looks torn.
        with suppress(OSError):
            lock_descriptor(file.fileno(), poll_interval=_POLL)
        return file.read()  # closing the file releases the lock


def _split_torn(content: bytes) -> tuple[bytes, bytes]:
    """Part whole lines from what comes after the last of them."""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


def _lines(path: Path, whole: bytes) -> Iterator[tuple[int, list[str]]]:
    """Number the lines from 1, and part each into its cells."""
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            cells = next(csv.reader([line.decode()], strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise ResultsError(f"{path}, line {number}: not CSV in UTF-8: {error}") from error
        yield number, cells


def _columns_of(path: Path, header: list[str], table: Table[Any]) -> tuple[Column, ...]:
    """Find the columns that a file has: all, or all but some optional ones at the end."""
    count = len(header)
    missing = table.columns[count:]
    if header != table.header[:count] or any(not column.optional for column in missing):
        _check_header(path, header, table)
    return table.columns[:count]


def _check_header(path: Path, header: list[str], table: Table[Any]) -> None:
    if header == table.header:
        return
    problems = [
        _listed("missing", [name for name in table.header if name not in header]),
        _listed("unknown", [name for name in header if name not in table.header]),
    ]
    found = "; ".join(filter(None, problems)) or f"wanted the order {', '.join(table.header)}"
    raise ResultsError(f"{path}, line 1: not the columns of {table.file_name}: {found}")


def _listed(kind: str, names: list[str]) -> str:
    return f"{kind} {', '.join(map(repr, names))}" if names else ""


def _to_row(place: str, cells: list[str], table: Table[R], columns: tuple[Column, ...]) -> R:
    if len(cells) != len(columns):
        raise ResultsError(f"{place}: got {len(cells)} cells, wanted {len(columns)}")
    values = {
        column.name: None if column.optional and not cell else cell
        for column, cell in zip(columns, cells, strict=True)
    }
    try:
        return table.row.model_validate(values)
    except ValidationError as error:
        raise ResultsError(f"{place}, {_first_problem(error, table)}") from error


def _first_problem(error: ValidationError, table: Table[Any]) -> str:
    problem = error.errors(include_url=False)[0]
    name = problem["loc"][0]
    wanted = next(column.dtype for column in table.columns if column.name == name)
    return f"column {name}: got {problem['input']!r}, wanted {wanted}"


def _to_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def _encode(cells: Sequence[str]) -> bytes:
    """Write cells as one line of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
