"""Command line: `python -m results report DIR` and `python -m results columns`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from results.commands import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    failure_line,
    replace_missing_signs,
)
from results.errors import ResultsError
from results.tables import column_dictionary


class _ListingGroup(click.Group):
    """A group that, asked for a command it does not have, names those it has."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"{error.message} The commands are: {known}.") from error


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Args:
        arguments: of the command line; the process's own if None.

    Returns:
        The exit status.
    """
    replace_missing_signs()
    try:
        main.main(arguments, prog_name="python -m results", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return BAD_INPUT
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        return _complain(error.format_message(), BAD_INPUT)
    except Exception as error:  # noqa: BLE001 -- nobody who reads a report reads our traceback
        return _complain(failure_line(error), FAILED)
    return 0


def _complain(message: str, status: int) -> int:
    click.echo(f"results: {message}", err=True)
    return status


@click.group(cls=_ListingGroup)
def main() -> None:
    """Read what was measured."""


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
def report(directory: Path) -> None:
    """Write report.md from the CSV files in DIRECTORY."""
    from results.report import write_report  # noqa: PLC0415 - imports pandas, which takes long

    try:
        path = write_report(directory)
    except ResultsError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {path}")


@main.command()
def columns() -> None:
    """Print every table's columns, in Markdown."""
    click.echo(column_dictionary())


if __name__ == "__main__":
    sys.exit(run())
