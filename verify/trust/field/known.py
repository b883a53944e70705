"""What is known to be wrong in other people's functions, as data: `known.toml` beside this file."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from reference_impls import DTYPES

PATH = Path(__file__).with_name("known.toml")


@dataclass(frozen=True)
class Known:
    """Functions that have a wrong gradient at some of their points.

    Attributes:
        library: whose function it is.
        functions: their names there.
        versions: of the library, in the words of PEP 440.
        evidence: how it is known, without this harness.
        dtypes: in which they are wrong.
        order: of the derivative that is; one of first order is wrong in checks of both.
    """

    library: str
    functions: tuple[str, ...]
    versions: str
    evidence: str
    dtypes: tuple[str, ...] = DTYPES
    order: int = 1

    def is_of(self, version: str) -> bool:
        """Is it wrong in this version of the library?"""
        return Version(version) in SpecifierSet(self.versions, prereleases=True)


@cache
def known_ones() -> tuple[Known, ...]:
    """All of them."""
    entries = tomllib.loads(PATH.read_text(encoding="utf-8"))["known"]
    return tuple(_known(**entry) for entry in entries)


def _known(
    functions: list[str], dtypes: Iterable[str] = DTYPES, order: int = 1, **others: str
) -> Known:
    return Known(functions=tuple(functions), dtypes=tuple(dtypes), order=order, **others)


def known_of(library: str, version: str, function: str, dtype: str, order: int = 1) -> Known | None:
    """What is known of a function, if anything is, that a check of this order would find."""
    return next(
        (
            each
            for each in known_ones()
            if each.library == library
            and function in each.functions
            and dtype in each.dtypes
            and each.order <= order
            and each.is_of(version)
        ),
        None,
    )
