"""`python -m verify --field`: other people's functions, checked, and what came of it."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import as_completed
from contextlib import closing
from importlib.metadata import version

import click

from reference_impls.running.processes import processes, shared_by
from reference_impls.running.threads import one_thread
from reference_impls.validation import check_choice
from results.commands import AGREED, DISAGREED, FAILED, UNDECIDED
from results.store import read
from results.tables import FIELD, FieldRow
from verify.command.appending import appender_for, record_environment
from verify.command.console import make_console, progress
from verify.command.options import Options
from verify.command.outcome import interrupted
from verify.trust.field.known import known_of
from verify.trust.field.libraries import LIBRARIES, Library
from verify.trust.field.subject import is_too_many, seconds_in_vain

ENTRIES, TIMEOUT = 200, 60.0
"""Unless the command line says otherwise: numbers to differentiate with respect to, and seconds."""

HAVE_GRADCHECK = ("torch",)
"""The libraries whose functions torch's gradcheck takes."""

Piece = tuple[Library, str, str]
"""A library, one of its functions, and a dtype."""


def run(options: Options) -> int:
    """Check all that is asked for, and write and print what comes of it; the exit status."""
    console = make_console()
    rows: list[FieldRow] = []
    with appender_for(options.path, FIELD) as appender, one_thread():
        try:
            record_environment(options.path)
            pieces = _pieces(options, console.print)
            rows += _earlier(options, pieces)
            with closing(_found(pieces, rows, options)) as found:
                for row in found:
                    rows.append(row)
                    if appender:
                        appender.append(row)
                    if row.verdict == "disagree" and row.known is None:
                        console.print(line_of(row), markup=False)
        except KeyboardInterrupt:
            return interrupted(f"{len(rows)} checks", options.path)
    # At few entries, some are not asked where they are wrong.
    lost = known_but_missed(rows) if options.most_entries is None else []
    for line in (*summary(rows), *lost):
        console.print(line, markup=False)
    return status_of(rows, is_lost=bool(lost), strict=options.strict)


def _pieces(options: Options, tell: Callable[[str], None]) -> list[Piece]:
    wanted = options.subjects.others
    libraries = {library.name: library for library in LIBRARIES}
    known: dict[str, list[Library]] = {}
    only_libraries = libraries.keys() >= set(wanted)
    for library in LIBRARIES:
        if wanted and only_libraries and library.name not in wanted:
            continue  # some take seconds to load
        try:
            names = library.functions()
        except ImportError as error:
            tell(f"{library.name}: left out, as {error.name or error} is not installed")
            names = []
        for name in names:
            known.setdefault(name, []).append(library)
    for name in wanted:
        try:
            check_choice("library or function", name, [*libraries, *known])
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    chosen = [
        (library, name)
        for name, homes in known.items()
        for library in homes
        if not wanted or library.name in wanted or name in wanted
    ]
    return [(library, name, dtype) for library, name in chosen for dtype in options.dtypes]


def _earlier(options: Options, pieces: list[Piece]) -> list[FieldRow]:
    """The rows of a run that was interrupted, which are not computed again.

    Those of another version of the library say nothing of this one. What is known is looked up now.
    """
    if options.path is None or not options.path.is_file():
        return []
    wanted = {(library.name, version(library.name), name, dtype) for library, name, dtype in pieces}
    latest = {
        (row.library, row.function, row.dtype, row.sample): row
        for row in read(options.path, FIELD).rows
        if (row.library, row.version, row.function, row.dtype) in wanted
        and (row.seed, row.order) == (options.seed, options.order)
    }
    return [_as_known_now(row) for row in latest.values() if not _is_asked_again(row, options)]


def _as_known_now(row: FieldRow) -> FieldRow:
    known = known_of(row.library, row.version, row.function, row.dtype, row.order)
    return row.model_copy(update={"known": known.evidence if known else None})


def _is_asked_again(row: FieldRow, options: Options) -> bool:
    """Would this run say more: of more entries, in more time, or with gradcheck's answer?"""
    if row.verdict == "left out":
        return is_too_many(row.detail) and row.entries <= (options.most_entries or ENTRIES)
    seconds = seconds_in_vain(row.detail)
    if seconds is not None:
        return (options.timeout or TIMEOUT) > seconds
    return options.peers and row.library in HAVE_GRADCHECK and row.gradcheck is None


def _found(pieces: list[Piece], earlier: list[FieldRow], options: Options) -> Generator[FieldRow]:
    done: dict[tuple[str, str, str], set[int]] = {}
    for row in earlier:
        done.setdefault((row.library, row.function, row.dtype), set()).add(row.sample)
    asked = [
        (*piece, frozenset(done.get((piece[0].name, *piece[1:]), set())), options)
        for piece in pieces
    ]
    count = shared_by(len(asked), options.jobs)
    with progress() as bar:
        task = bar.add_task("", total=len(asked))
        if count == 1:
            for each in asked:
                bar.update(task, description=each[1], advance=1)
                yield from _rows_of(*each)
            return
        with processes(count) as pool:
            futures = {pool.submit(_rows_of, *each): each[1] for each in asked}
            for future in as_completed(futures):
                bar.update(task, description=futures[future], advance=1)
                yield from future.result()


def _rows_of(
    library: Library, name: str, dtype: str, done: frozenset[int], options: Options
) -> list[FieldRow]:
    """All the rows of one function in one dtype, in whichever process."""
    from verify.trust.field.trial import by_gradcheck, tried  # noqa: PLC0415 -- it loads the engines

    gradcheck = by_gradcheck if options.peers and library.name in HAVE_GRADCHECK else None
    most = options.most_entries or ENTRIES
    with one_thread():
        return [
            tried(subject, options.order, options.timeout or TIMEOUT, gradcheck)
            for subject in library.subjects(name, options.seed, dtype, most)
            if subject.sample not in done
        ]


def line_of(row: FieldRow) -> str:
    """A row in words."""
    where = f"{row.library} {row.function}, sample {row.sample}, seed {row.seed}, {row.dtype}"
    return f"{where}: {row.detail}"


def summary(rows: list[FieldRow]) -> list[str]:
    """How many there were of each verdict, by library and dtype; why some were left out."""
    lines = []
    for library, dtype in sorted({(row.library, row.dtype) for row in rows}):
        mine = [row for row in rows if (row.library, row.dtype) == (library, dtype)]
        checked = [row for row in mine if row.verdict != "left out"]
        counts = Counter(row.verdict for row in checked)
        known = sum(row.verdict == "disagree" and row.known is not None for row in checked)
        functions = len({row.function for row in checked})
        told = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
        line = f"{library}, {dtype}, functions {functions:,}, checks {len(checked):,}: {told}"
        lines.append(f"{line}, known {known:,}" if counts["disagree"] else line.removesuffix(": "))
        left = Counter(row.detail for row in mine if row.verdict == "left out")
        lines += [f"  left out: {count:,}: {reason}" for reason, count in left.most_common()]
    return lines


def known_but_missed(rows: Sequence[FieldRow]) -> list[str]:
    """The functions that are known to be wrong and were convicted at none of their points."""
    by_function: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        if row.known is not None and row.verdict != "left out":
            key = (row.library, row.function, row.dtype)
            by_function.setdefault(key, set()).add(row.verdict)
    return [
        f"no longer convicted: {library} {function}, {dtype}"
        for (library, function, dtype), verdicts in sorted(by_function.items())
        if "disagree" not in verdicts
    ]


def status_of(rows: list[FieldRow], *, is_lost: bool, strict: bool) -> int:
    """The exit status."""
    if any(row.verdict == "disagree" and row.known is None for row in rows):
        return DISAGREED
    if is_lost:
        return FAILED
    undecided = any(row.verdict in ("inconclusive", "unsupported") for row in rows)
    return UNDECIDED if strict and undecided else AGREED
