"""The command line: its options, and its mistakes answered in one line."""

from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from reference_impls.datasets import DatasetError
from reference_impls.running.errors import ProcessDiedError
from reference_impls.validation import nearest
from results.commands import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    failure_line,
    replace_missing_signs,
)
from results.errors import ResultsError
from verify.checks.argmin.optimality import OptimalityError
from verify.command.options import SIZE_WORDS, Options, known_dtypes, known_subjects
from verify.command.ways import way_of
from verify.user.user_file import UserFileError

KNOWN_ERRORS = (ResultsError, DatasetError, OptimalityError, UserFileError)
"""Those whose message is the one line that is wanted."""


def run(arguments: Sequence[str] | None = None, program: str = "python -m verify") -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Args:
        arguments: of the command line; the process's own if None.
        program: what the help calls the command.

    Returns:
        The exit status.
    """
    replace_missing_signs()
    try:
        return _answering_mistakes(arguments, program)
    except ProcessDiedError as error:
        return _complain(str(error), FAILED)
    except SystemExit:
        return FAILED  # click's answer where nobody reads the output any more
    except Exception as error:  # noqa: BLE001 -- nobody who checks a gradient reads our traceback
        return _complain(failure_line(error), FAILED)


def _answering_mistakes(arguments: Sequence[str] | None, program: str) -> int:
    try:
        status: int = main.main(arguments, prog_name=program, standalone_mode=False)
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
    except KNOWN_ERRORS as error:
        return _complain(str(error))
    return status


def _complain(message: str, status: int = BAD_INPUT) -> int:
    click.echo(f"verify: {message}", err=True)
    return status


@click.command
@click.argument("subjects", nargs=-1, metavar="[NAME]...", callback=known_subjects)
@click.option(
    "--dtype", "dtypes", multiple=True, callback=known_dtypes, help="float64, float32; or both."
)
@click.option(
    "--size",
    default="tutorial",
    show_default=True,
    help=f"{', '.join(SIZE_WORDS)}, or a number that --list shows. The tutorial's, where that is a "
    "single row, comes with the next size.",
)
@click.option(
    "--seed",
    default=0,
    type=click.IntRange(min=0, max=2**63 - 1),  # the largest number that a column of a CSV holds
    help="Of everything random.",
)
@click.option(
    "--csv",
    "path",
    type=click.Path(path_type=Path),
    help="Append every check here, and the evidence for argmins to argmin.csv beside it; "
    "`python -m results report` reads verdicts.csv and argmin.csv, kills.csv for --faults, "
    "alarms.csv for --seeds, graphs.csv for --graphs, trainings.csv for --trainings, "
    "findings.csv for --findings and field.csv for --field.",
)
@click.option("--faults", is_flag=True, help="Check the checker: on planted faults, a kill matrix.")
@click.option(
    "--peers", is_flag=True, help="With --faults or --field: ask other people's checkers, too."
)
@click.option(
    "--entries",
    "most_entries",
    type=click.IntRange(min=1),
    help="With --faults or --field: leave out sizes beyond this, which take most of the time.",
)
@click.option(
    "--seeds",
    default=None,
    type=click.IntRange(min=1),
    help="Count false alarms over so many seeds, from --seed on.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Processes that share the work; by default one for each core, up to four.",
)
@click.option("--graphs", is_flag=True, help="Show the graphs that the engines record.")
@click.option(
    "--trainings",
    is_flag=True,
    is_eager=True,  # a NAME is then that of a training
    help="Run the tutorials' trainings with every implementation, and hold each against the run by "
    "hand, step by step. A NAME is a training's; --seed is of its data, by default those that the "
    "tutorial's numbers are for.",
)
@click.option(
    "--field",
    is_flag=True,
    is_eager=True,  # a NAME is then that of a library, or of a function of one
    help="Check other people's functions: torch's database of operators, and HIPS autograd's "
    "primitives. A NAME is a library's (torch, autograd), or a function's.",
)
@click.option("--findings", is_flag=True, help="Show what the tutorials publish that is not so.")
@click.option(
    "--strict",
    is_flag=True,
    help="Exit status 3 where nothing disagrees and something could not be decided.",
)
@click.option(
    "--wrt",
    multiple=True,
    help="With FILE.py:NAME: an argument to differentiate with respect to; may be repeated. By "
    "default all that hold floating-point numbers.",
)
@click.option(
    "--order",
    type=click.IntRange(min=1, max=2),
    default=1,
    show_default=True,
    help="With FILE.py:NAME or --field: 2 for second derivatives, too.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds that each function of a FILE.py:NAME may take, with all that it imports; or of "
    "--field; or each computation at a size, with --seeds at each seed.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    help="With FILE.py:NAME: calls of each function that its check may take; what they do not "
    "suffice for is left out.",
)
@click.option("--list", "only_list", is_flag=True, help="List the computations and stop.")
@click.pass_context
def main(context: click.Context, /, **_: object) -> int:
    """Hold every implementation of every computation NAMEd against the others and an oracle.

    A NAME may also be FILE.py:NAME, a function of your own, with its primals in NAME_primals.

    Exit status: 0 if all agree, 1 if something disagrees, 2 for a mistake in the command or the
    input, 3 if nothing disagrees and something could not be decided (of a FILE.py:NAME, or with
    --strict), 4 for a failure of gradjury's own, 130 if interrupted.

    GRADJURY_DIGITS may name a folder of MNIST IDX files to use, GRADJURY_PRICES the DJIA 30 CSV.
    """

    def is_given(option: str) -> bool:
        return context.get_parameter_source(option) is ParameterSource.COMMANDLINE

    options = Options(
        **context.params, seed_given=is_given("seed"), dtypes_given=is_given("dtypes")
    )
    return way_of(context, options).run(options)
