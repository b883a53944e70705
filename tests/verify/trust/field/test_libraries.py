"""Other libraries' functions: right ones agree, and what is known to be wrong is convicted."""

from importlib.metadata import version

import pytest

from reference_impls import DTYPES
from results.tables import FieldRow
from verify.command.field import known_but_missed
from verify.trust.field.known import known_ones
from verify.trust.field.libraries import LIBRARIES, Library
from verify.trust.field.trial import tried

OTHERS = [
    library for library in LIBRARIES if library.module.startswith(("others.", "torch_points"))
]
"""But for torch's database and HIPS autograd's primitives: they are hundreds."""

EACH = [
    pytest.param(library, dtype, id=f"{library.module}-{dtype}")
    for library in OTHERS
    for dtype in DTYPES
]


def names_of(library: Library) -> list[str]:
    try:
        return library.functions()
    except ImportError as error:
        pytest.skip(f"{error.name} is not installed")


def rows_of(library: Library, dtype: str) -> list[FieldRow]:
    return [
        tried(subject, 1, 60)
        for name in names_of(library)
        for subject in library.subjects(name, 0, dtype, 200)
    ]


@pytest.mark.parametrize(("library", "dtype"), EACH)
def test_only_what_is_known_disagrees_and_all_else_agrees(library: Library, dtype: str) -> None:
    rows = rows_of(library, dtype)
    assert rows
    assert not known_but_missed(rows)
    others = [row for row in rows if row.known is None and row.verdict != "left out"]
    wanted = {"agree"} if dtype == "float64" else {"agree", "inconclusive"}
    assert not [(row.function, row.detail) for row in others if row.verdict not in wanted]


@pytest.mark.parametrize("library", OTHERS, ids=lambda library: library.module)
def test_a_library_has_right_ones_beside_those_that_are_known(library: Library) -> None:
    known = {
        name for each in known_ones() if each.library == library.name for name in each.functions
    }
    assert set(names_of(library)) - known


@pytest.mark.parametrize("library", OTHERS, ids=lambda library: library.module)
def test_what_is_known_of_a_library_is_among_its_functions(library: Library) -> None:
    names = {name for each in LIBRARIES if each.name == library.name for name in names_of(each)}
    assert {
        name for known in known_ones() if known.library == library.name for name in known.functions
    } <= names


@pytest.mark.parametrize("library", OTHERS, ids=lambda library: library.module)
def test_what_is_known_is_known_of_the_version_that_is_installed(library: Library) -> None:
    names_of(library)
    for known in known_ones():
        if known.library == library.name:
            assert known.is_of(version(library.name))


def test_no_two_libraries_of_a_distribution_have_a_function_in_common() -> None:
    of_torch = [set(names_of(library)) for library in LIBRARIES if library.name == "torch"]
    assert not of_torch[0] & of_torch[1]
