"""The command line: which way to run is asked for, and what it reads."""

from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from reference_impls import COMPUTATIONS, DTYPES, Computation
from reference_impls.datasets import DatasetError
from reference_impls.validation import nearest
from results.errors import ResultsError
from results.tables import ARGMIN, VERDICTS
from verify.checks.argmin.optimality import OptimalityError
from verify.command.alarms import show_alarms
from verify.command.catalogue import check_catalogue, sizes_of
from verify.command.console import make_console
from verify.command.files import check_files
from verify.command.kills import show_kills
from verify.command.outcome import AGREED, BAD_INPUT, INTERRUPTED, check_known
from verify.command.summary import catalogue
from verify.trust.alarms import count_alarms
from verify.trust.peers.all_peers import PEERS
from verify.user.user_file import UserFileError, is_user_file

Subjects = tuple[list[Computation], list[str]]
"""Computations of the catalogue, and functions in files as ``FILE.py:NAME``."""


NAMES, FILE, CATALOGUE = "a NAME", "FILE.py:NAME", "the checks of the catalogue"


USED = {
    "--list": (NAMES,),
    FILE: (NAMES, "--seed"),
    "--faults": ("--peers", "--entries", "--seed", "--csv"),
    "--seeds": (NAMES, "--dtype", "--size", "--seed", "--csv", "--jobs"),
    CATALOGUE: (NAMES, "--dtype", "--size", "--seed", "--csv"),
}
"""What each way to run reads of the command line; the first that is asked for is taken."""


SIZE_WORDS = ("tutorial", "smallest", "largest", "all")


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Returns:
        The exit status.
    """
    try:
        status: int = main.main(arguments, prog_name="python -m verify", standalone_mode=False)
    except click.NoSuchOption as error:
        options = [name for parameter in main.params for name in parameter.opts if "-" in name]
        return _complain(
            f"unknown option {error.option_name!r}: accepted are {', '.join(options)}, --help"
            f"{nearest(error.option_name, options)}"
        )
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        return _complain(error.format_message())
    except (ResultsError, DatasetError, OptimalityError, UserFileError) as error:
        return _complain(str(error))
    return status


def _complain(message: str) -> int:
    click.echo(f"verify: {message}", err=True)
    return BAD_INPUT


def _known_subjects(_: click.Context, __: click.Parameter, arguments: tuple[str, ...]) -> Subjects:
    by_name = {computation.name: computation for computation in COMPUTATIONS}
    files = [argument for argument in dict.fromkeys(arguments) if is_user_file(argument)]
    names = [argument for argument in dict.fromkeys(arguments) if not is_user_file(argument)]
    for name in names:
        check_known("computation", name, by_name)
    if names and files:
        raise click.UsageError(f"got {names[0]} and {files[0]}, wanted computations or files alone")
    return [by_name[name] for name in names] or list(COMPUTATIONS), files


def _known_dtypes(
    _: click.Context, __: click.Parameter, dtypes: tuple[str, ...]
) -> tuple[str, ...]:
    for dtype in dtypes:
        check_known("dtype", dtype, DTYPES)
    return tuple(dict.fromkeys(dtypes)) or DTYPES


def _not_the_argmins_file(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path and path.name == ARGMIN.file_name:
        raise click.UsageError(
            f"--csv: got {path}, wanted another name: the evidence for argmins goes there, beside "
            f"the checks, which go to {VERDICTS.file_name}, say"
        )
    return path


def _refuse_unused(context: click.Context, mode: str) -> None:
    """An option that would be read and forgotten."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        name = parameter.opts[0] if isinstance(parameter, click.Option) else NAMES
        if source is ParameterSource.COMMANDLINE and name not in (mode, *USED[mode]):
            homes = [each for each, used in USED.items() if name in used] or ["nothing else"]
            raise click.UsageError(f"got {name} with {mode}; it goes with {', '.join(homes)}")


@click.command
@click.argument("subjects", nargs=-1, metavar="[NAME]...", callback=_known_subjects)
@click.option(
    "--dtype", "dtypes", multiple=True, callback=_known_dtypes, help="float64, float32; or both."
)
@click.option(
    "--size",
    default="tutorial",
    show_default=True,
    help=f"{', '.join(SIZE_WORDS)}, or a number that --list shows. The tutorial's, where that is a "
    "single row, comes with the next size.",
)
@click.option("--seed", default=0, type=click.IntRange(min=0), help="Of everything random.")
@click.option(
    "--csv",
    "path",
    type=click.Path(path_type=Path),
    callback=_not_the_argmins_file,
    help="Append every check here, and the evidence for argmins to argmin.csv beside it; "
    "`python -m results report` reads verdicts.csv and argmin.csv, kills.csv for --faults and "
    "alarms.csv for --seeds.",
)
@click.option("--faults", is_flag=True, help="Check the checker: on planted faults, a kill matrix.")
@click.option("--peers", is_flag=True, help="With --faults: ask other people's checkers, too.")
@click.option(
    "--entries",
    type=click.IntRange(min=1),
    help="With --faults: leave out sizes beyond this, which take most of the time.",
)
@click.option(
    "--seeds",
    default=None,
    type=click.IntRange(min=1),
    help="Count false alarms over so many seeds, from --seed on.",
)
@click.option("--jobs", default=1, type=click.IntRange(min=1), help="With --seeds: processes.")
@click.option("--list", "only_list", is_flag=True, help="List the computations and stop.")
def main(
    subjects: Subjects,
    dtypes: tuple[str, ...],
    size: str,
    seed: int,
    path: Path | None,
    seeds: int | None,
    jobs: int,
    entries: int | None,
    *,
    faults: bool,
    peers: bool,
    only_list: bool,
) -> int:
    """Hold every implementation of every computation NAMEd against the others and an oracle.

    A NAME may also be FILE.py:NAME, a function of your own, with its primals in NAME_primals.

    Exit status: 0 if nothing disagrees, 1 if something does, 2 for a mistake in the command.

    GRADJURY_DIGITS may name a folder of MNIST IDX files to use, GRADJURY_PRICES the DJIA 30 CSV.
    """
    console = make_console()
    computations, files = subjects
    asked = {"--list": only_list, FILE: files, "--faults": faults, "--seeds": seeds}
    mode = next((name for name, given in asked.items() if given), CATALOGUE)
    _refuse_unused(click.get_current_context(), mode)
    if only_list:
        console.print(catalogue(computations))
        return AGREED
    if files:
        return check_files(console, files, seed)
    if faults:
        return show_kills(console, path, seed, PEERS if peers else (), entries)
    plan = [(each, chosen) for each in computations for chosen in sizes_of(each, size)]
    if seeds:
        numbers = range(seed, seed + seeds)
        return show_alarms(console, path, count_alarms(plan, dtypes, numbers, jobs))
    return check_catalogue(console, path, plan, seed, dtypes)
