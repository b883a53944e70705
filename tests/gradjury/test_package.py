import tomllib
from importlib import import_module
from typing import assert_type

import numpy as np
import pytest

import gradjury
import verify
from tests.gradjury.fresh import ROOT, python


def test_hands_on_what_verify_has() -> None:
    assert gradjury.__all__ == verify.__all__
    for name in gradjury.__all__:
        assert getattr(gradjury, name) is getattr(verify, name)


def test_a_type_checker_sees_what_check_returns() -> None:
    """It is mypy that fails here, and on the unused comment below if it took any name for one."""
    report = gradjury.check(lambda x: (x @ x, lambda u: 2 * u * x), np.ones(2))
    assert_type(report, verify.Report)
    assert report.verdict == "agree"


def test_a_star_import_has_every_public_name() -> None:
    names: dict[str, object] = {}
    exec("from gradjury import *", names)  # noqa: S102 -- a star is refused in a function
    assert set(gradjury.__all__) <= set(names)


def test_importing_it_loads_nothing_of_ours_nor_numpy_and_lists_every_name() -> None:
    code = (
        "import sys, gradjury; assert {*gradjury.__all__} <= {*dir(gradjury)}; "
        "print(*{'numpy', 'torch', 'verify', 'reference_impls', 'click'} & {*sys.modules})"
    )
    assert python("-c", code).stdout == "\n"


def test_an_unknown_name_is_refused_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'gradjury' has no attribute 'chekc'"):
        _ = gradjury.chekc  # type: ignore[attr-defined]


def test_its_version_is_the_distributions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "gradjury.__version__"}
    assert python("-m", "gradjury", "--version").stdout == f"gradjury {gradjury.__version__}\n"


def test_the_console_command_is_a_function_that_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"][project["name"]].partition(":")
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("package", ["bench", "gradjury", "reference_impls", "results", "verify"])
def test_every_package_says_that_it_has_types_and_is_distributed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert f"{package}*" in tools["setuptools"]["packages"]["find"]["include"]
    assert "py.typed" in tools["setuptools"]["package-data"]["*"]
    assert package in tools["mypy"]["files"]
