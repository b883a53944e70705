"""`python -m verify --faults`: the kill matrix."""

from results.tables import KILLS
from verify.command.appending import appender_for
from verify.command.options import Options


def run(options: Options) -> int:
    """Run the kill matrix and print it; the exit status."""
    with appender_for(options.path, KILLS) as kills:
        # It loads the engines, which takes seconds: all that can be refused has been by now.
        from verify.command.faults import plant_faults  # noqa: PLC0415

        return plant_faults(options, kills)
