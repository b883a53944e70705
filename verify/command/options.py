"""What the command line says, once it is known to make sense."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from reference_impls import CATALOGUE, DTYPES, Entry
from reference_impls.trainings import TRAINING_NAMES
from reference_impls.validation import check_choice
from verify.user.user_file import is_user_file

SIZE_WORDS = ("tutorial", "smallest", "largest", "all")


@dataclass(frozen=True)
class Subjects:
    """What is to be checked.

    Attributes:
        entries: of the catalogue; all of them where none is named.
        files: functions of the user's, as ``FILE.py:NAME``.
        trainings: names of trainings; all of them where none is named.
        others: names of other people's libraries and functions; all of them where none is named.
    """

    entries: tuple[Entry, ...]
    files: tuple[str, ...] = ()
    trainings: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """The command line, option by option; `verify.command.main` says what each means."""

    subjects: Subjects
    dtypes: tuple[str, ...]
    size: str
    seed: int
    path: Path | None
    faults: bool
    peers: bool
    most_entries: int | None
    seeds: int | None
    jobs: int | None
    graphs: bool
    trainings: bool
    findings: bool
    field: bool
    only_list: bool
    strict: bool
    wrt: tuple[str, ...]
    order: int
    timeout: float | None
    budget: int | None
    dtypes_given: bool
    seed_given: bool

    def plan(self) -> list[tuple[Entry, int]]:
        """Every computation at every size that is asked for.

        Raises:
            click.UsageError: a computation has no such size.
        """
        entries = self.subjects.entries
        return [(entry, size) for entry in entries for size in sizes_of(entry, self.size)]


def known_subjects(
    context: click.Context, _: click.Parameter, arguments: tuple[str, ...]
) -> Subjects:
    """Names are told from files, and looked up: those of trainings, where trainings are asked for.

    Raises:
        click.UsageError: a name is unknown, or names and files are mixed.
    """
    if context.params.get("field"):
        return Subjects((), others=tuple(dict.fromkeys(arguments)))
    if context.params.get("trainings"):
        for name in arguments:
            check_known("training", name, TRAINING_NAMES)
        return Subjects((), trainings=tuple(dict.fromkeys(arguments)) or TRAINING_NAMES)
    by_name = {entry.name: entry for entry in CATALOGUE}
    files = tuple(argument for argument in dict.fromkeys(arguments) if is_user_file(argument))
    names = [argument for argument in dict.fromkeys(arguments) if not is_user_file(argument)]
    for name in names:
        check_known("computation", name, by_name)
    if names and files:
        raise click.UsageError(f"got {names[0]} and {files[0]}, wanted computations or files alone")
    return Subjects(tuple(by_name[name] for name in names) or CATALOGUE, files)


def known_dtypes(_: click.Context, __: click.Parameter, dtypes: tuple[str, ...]) -> tuple[str, ...]:
    """Each dtype once; both where none is given.

    Raises:
        click.UsageError: a dtype is unknown.
    """
    for dtype in dtypes:
        check_known("dtype", dtype, DTYPES)
    return tuple(dict.fromkeys(dtypes)) or DTYPES


def sizes_of(entry: Entry, wanted: str) -> list[int]:
    """The sizes that a word, or a number, stands for.

    Raises:
        click.UsageError: the computation has no such size.
    """
    ascending = sorted(entry.sizes)
    # A single row shows no fault in a sum over rows, so the next size is checked as well.
    single = ascending[:2] if entry.tutorial_size == 1 else []
    words = {
        "tutorial": single or [entry.tutorial_size],
        "smallest": ascending[:1],
        "largest": ascending[-1:],
        "all": ascending,
    }
    numbers = {str(size): [size] for size in ascending}
    check_known(f"size for {entry.name}:", wanted, words | numbers)
    return (words | numbers)[wanted]


def check_known(kind: str, given: str, accepted: Iterable[str]) -> None:
    """Refuses a word that is not accepted, and names a near one that is.

    Raises:
        click.UsageError: it is not accepted.
    """
    try:
        check_choice(kind, given, accepted)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
