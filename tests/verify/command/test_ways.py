from importlib import import_module

import click

from verify.command.main import main
from verify.command.ways import NAMES, WAYS


def test_every_way_reads_options_that_there_are() -> None:
    options = {
        parameter.opts[0] for parameter in main.params if isinstance(parameter, click.Option)
    }
    for way in WAYS:
        assert set(way.reads) <= {*options, NAMES}


def test_every_option_is_read_by_a_way_or_asks_for_one() -> None:
    read = {name for way in WAYS for name in (way.name, *way.reads)}
    for parameter in main.params:
        name = parameter.opts[0] if isinstance(parameter, click.Option) else NAMES
        assert name in read


def test_every_way_has_a_module_that_runs_it() -> None:
    for way in WAYS:
        assert callable(import_module(f"verify.command.{way.module}").run)
