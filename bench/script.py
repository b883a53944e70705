"""What the benchmarks that are started without pytest have in common: `python -m bench.NAME`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from results.commands import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    failure_line,
    replace_missing_signs,
)
from results.errors import ResultsError
from results.tables import Table

F = TypeVar("F", bound=Callable[..., Any])


def csv_option(table: Table[Any]) -> Callable[[F], F]:
    """The option that says where the rows of a table are appended."""
    return click.option(
        "--csv",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Append the rows here; by default, to "
        f"{table.file_name} in a new folder in results/local.",
    )


def repeats_option(what: str) -> Callable[[F], F]:
    """The option that says how many rounds there are.

    Args:
        what: is timed in each.
    """
    return click.option(
        "--repeats",
        default=5,
        show_default=True,
        type=click.IntRange(min=1),
        help=f"How often {what} is timed.",
    )


def run(
    main: click.Command, arguments: Sequence[str] | None, *, name: str, interrupted: str
) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Args:
        main: the command.
        arguments: of the command line; the process's own if None.
        name: of the module.
        interrupted: what becomes of the rows at Ctrl-C.

    Returns:
        The exit status.
    """
    replace_missing_signs()
    try:
        main.main(arguments, prog_name=f"python -m {name}", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return _complain(name, f"interrupted; {interrupted}", INTERRUPTED)
    except click.ClickException as error:
        return _complain(name, error.format_message(), BAD_INPUT)
    except ResultsError as error:
        return _complain(name, str(error), BAD_INPUT)
    except Exception as error:  # noqa: BLE001 -- a run of hours ends in one line, too
        return _complain(name, failure_line(error), FAILED)
    return 0


def _complain(name: str, message: str, status: int) -> int:
    click.echo(f"{name}: {message}", err=True)
    return status
