"""`python -m verify [COMPUTATION]...`: the checks of the catalogue."""

from results.tables import VERDICTS
from verify.command.appending import ArgminFile, appender_for
from verify.command.options import Options


def run(options: Options) -> int:
    """Check every computation and size of the plan; the exit status."""
    plan = options.plan()
    has_argmins = any(entry.is_argmin for entry, _ in plan)
    with (
        appender_for(options.path, VERDICTS) as verdicts,
        ArgminFile(options.path, is_needed=has_argmins) as argmins,
    ):
        # It loads the engines, which takes seconds: all that can be refused has been by now.
        from verify.command.checking import check_plan  # noqa: PLC0415

        return check_plan(plan, options, verdicts, argmins)
