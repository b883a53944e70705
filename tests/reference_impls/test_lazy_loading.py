import subprocess
import sys
from pathlib import Path

import pytest

import reference_impls

ROOT = Path(__file__).parents[2]

HEAVY = [
    "autograd",
    "bokeh_sampledata",
    "mlxtend",
    "mpmath",
    "pandas",
    "pydantic",
    "scipy",
    "torch",
]
"""What takes its time to import."""

LIGHT = [
    "",
    ".catalogue",
    ".computation",
    ".datasets",
    ".derivatives",
    ".engines",
    ".engines.backend",
    ".engines.manual",
    ".engines.manual.backend",
    ".equations",
    ".implicit",
    ".nested",
    ".running.threads",
    ".validation",
]

OF_ONE_LIBRARY = [
    ("hips.argmin", "autograd", "torch"),
    ("hips.backend", "autograd", "torch"),
    ("pytorch.argmin", "torch", "autograd"),
    ("pytorch.backend", "torch", "autograd"),
]


def loaded_by(code: str) -> set[str]:
    """Which modules a fresh process has loaded after this code."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    done = subprocess.run(  # noqa: S603 -- the code is this file's
        command, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LIGHT)
def test_importing_what_only_describes_loads_nothing_heavy(module: str) -> None:
    loaded = loaded_by(f"import reference_impls{module}")
    assert "reference_impls" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(("module", "own", "other"), OF_ONE_LIBRARY)
def test_the_folder_of_one_library_loads_no_other(module: str, own: str, other: str) -> None:
    loaded = loaded_by(f"import reference_impls.engines.{module}")
    assert own in loaded
    assert other not in loaded


def test_loading_one_computation_loads_no_other_and_no_scipy() -> None:
    find = "next(each for each in CATALOGUE if each.name == 'conv_encoder')"
    loaded = loaded_by(f"from reference_impls import CATALOGUE; {find}.load()")
    prefix = "reference_impls.computations."
    computations = {name.removeprefix(prefix) for name in loaded if name.startswith(prefix)}
    assert computations == {"conv_encoder", "elu"}
    assert "scipy" not in loaded


def test_every_public_name_is_there_when_asked_for_and_listed_before() -> None:
    for name in reference_impls.__all__:
        assert getattr(reference_impls, name) is getattr(reference_impls, name)
    code = "import reference_impls; assert {*reference_impls.__all__} <= {*dir(reference_impls)}"
    assert "torch" not in loaded_by(code)


def test_a_star_import_has_every_public_name() -> None:
    names: dict[str, object] = {}
    exec("from reference_impls import *", names)  # noqa: S102 -- a star is refused in a function
    assert set(reference_impls.__all__) <= set(names)


def test_an_unknown_name_is_refused_as_by_any_module() -> None:
    message = "module 'reference_impls' has no attribute 'COMPUTATION'"
    with pytest.raises(AttributeError, match=message):
        _ = reference_impls.COMPUTATION  # type: ignore[attr-defined]
