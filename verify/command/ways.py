"""The ways to run: what asks for each, what it reads of the command line, and who does it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import click
from click.core import ParameterSource

from verify.command.options import Options

NAMES, FILE = "a NAME", "FILE.py:NAME"

OF_A_FILE = (NAMES, "--seed", "--wrt", "--order", "--csv", "--timeout", "--budget", "--strict")
"""What is read where functions of a file are checked."""

OF_THE_CATALOGUE = (
    *(NAMES, "--dtype", "--size", "--seed", "--timeout"),
    *("--csv", "--jobs", "--strict"),
)
"""What is read where computations are checked, once or seed after seed."""


@dataclass(frozen=True)
class Way:
    """One way to run.

    Attributes:
        name: what messages call it: the option that asks for it, where one does.
        is_asked: does the command line ask for it?
        reads: what it reads of the command line, beside its own option.
        module: in `verify.command`; its ``run`` takes the options and returns the exit status.
    """

    name: str
    is_asked: Callable[[Options], bool]
    reads: tuple[str, ...]
    module: str

    def run(self, options: Options) -> int:
        """Do it; its module is imported only now. Returns the exit status."""
        status: int = import_module(f"verify.command.{self.module}").run(options)
        return status


WAYS = (
    Way("--list", lambda asked: asked.only_list, (NAMES,), "listing"),
    Way(FILE, lambda asked: bool(asked.subjects.files), OF_A_FILE, "files"),
    Way(
        "--faults",
        lambda asked: asked.faults,
        ("--peers", "--entries", "--seed", "--csv"),
        "kills",
    ),
    Way(
        "--seeds",
        lambda asked: asked.seeds is not None,
        OF_THE_CATALOGUE,
        "alarms",
    ),
    Way(
        "--trainings",
        lambda asked: asked.trainings,
        (NAMES, "--dtype", "--seed", "--csv", "--jobs", "--strict"),
        "trainings",
    ),
    Way("--graphs", lambda asked: asked.graphs, (NAMES, "--seed", "--csv"), "graphs"),
    Way("--findings", lambda asked: asked.findings, ("--csv",), "findings"),
    Way(
        "--field",
        lambda asked: asked.field,
        (
            *(NAMES, "--dtype", "--seed", "--order", "--entries", "--peers", "--timeout"),
            *("--csv", "--jobs", "--strict"),
        ),
        "field",
    ),
    Way(
        "the checks of the catalogue",
        lambda _: True,
        OF_THE_CATALOGUE,
        "catalogue",
    ),
)
"""The first that the command line asks for is taken."""


def way_of(context: click.Context, options: Options) -> Way:
    """The way to run that the command line asks for.

    Raises:
        click.UsageError: an option is given that this way does not read, or a size is unknown.
    """
    way = next(each for each in WAYS if each.is_asked(options))
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        given = parameter.opts[0] if isinstance(parameter, click.Option) else NAMES
        if source is ParameterSource.COMMANDLINE and given not in (way.name, *way.reads):
            homes = [each.name for each in WAYS if given in each.reads] or ["nothing else"]
            raise click.UsageError(f"got {given} with {way.name}; it goes with {', '.join(homes)}")
    if options.subjects.files and way.name != FILE:
        raise click.UsageError(
            f"got {options.subjects.files[0]} with {way.name}; a function of a file goes without it"
        )
    if "--size" in way.reads:
        options.plan()  # here, because the way's own module takes longer to load than to refuse
    return way
