"""The command `gradjury`: one subcommand per thing it does, each loaded when it is asked for."""

from collections.abc import Sequence

import click

from gradjury import __version__
from gradjury.neighbours import check_not_hidden

BAD_INPUT, FAILED, INTERRUPTED = 2, 4, 130
"""As in `results.commands`, which a file of the user's may hide."""


class _NearMatchGroup(click.Group):
    """A group that answers an unknown command in one line, with those it has and a near match."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        _check_not_hidden("reference_impls")
        from reference_impls.validation import check_choice  # noqa: PLC0415 -- may be hidden

        try:
            check_choice("command", args[0], self.list_commands(ctx))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        return super().resolve_command(ctx, args)


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; a mistake in it is answered in one line.

    Args:
        arguments: of the command line; the process's own if None.

    Returns:
        The exit status.
    """
    try:
        status: int | None = main.main(arguments, prog_name="gradjury", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return BAD_INPUT
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        return _complain(error.format_message())
    return status or 0


def _complain(message: str, status: int = BAD_INPUT) -> int:
    click.echo(f"gradjury: {message}", err=True)
    return status


def _check_not_hidden(*packages: str) -> None:
    try:
        check_not_hidden(*packages)
    except ImportError as error:
        raise click.UsageError(str(error)) from None


@click.group(cls=_NearMatchGroup)
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Is this gradient right, and what does it cost?"""


handed_on = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""Whatever follows the subcommand is for it to read, its --help, too."""


@main.command(context_settings=handed_on, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify(arguments: tuple[str, ...]) -> int:
    """Check gradients: the catalogue's, or your own as FILE.py:NAME."""
    _check_not_hidden("reference_impls", "results", "verify")
    from verify.command.main import run as run_verify  # noqa: PLC0415 -- may be hidden

    return run_verify(arguments, "gradjury verify")


@main.command(context_settings=handed_on, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def report(arguments: tuple[str, ...]) -> object:
    """Write report.md from the CSV files in a directory."""
    _check_not_hidden("results")
    from results.__main__ import report as report_of  # noqa: PLC0415 -- may be hidden
    from results.commands import failure_line, replace_missing_signs  # noqa: PLC0415 -- likewise

    replace_missing_signs()
    try:
        # Not standalone: `run` answers its mistakes, too, in one line.
        return report_of.main(arguments, prog_name="gradjury report", standalone_mode=False)
    except (click.ClickException, click.Abort):
        raise
    except Exception as error:  # noqa: BLE001 -- nobody who reads a report reads our traceback
        return _complain(failure_line(error), FAILED)
