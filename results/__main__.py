"""Command line: `python -m results report DIR` and `python -m results columns`."""

from pathlib import Path

import click

from results.errors import ResultsError
from results.tables import column_dictionary


class _BadInput(click.ClickException):
    """A person's mistake: one line on stderr."""

    exit_code = 2


class _ListingGroup(click.Group):
    """A group that, asked for a command it does not have, names those it has."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"{error.message} The commands are: {known}.", ctx) from error


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
        raise _BadInput(str(error)) from error
    click.echo(f"wrote {path}")


@main.command()
def columns() -> None:
    """Print every table's columns, in Markdown."""
    click.echo(column_dictionary())


if __name__ == "__main__":
    main(prog_name="python -m results")
