"""The Markdown files of the project, read: their code, what it prints, their commands and links."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
READMES = tuple(
    ROOT / folder / "README.md" for folder in (".", "verify", "bench", "reference_impls", "results")
)
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCUMENTS = (*READMES, CONTRIBUTING, ROOT / "CHANGELOG.md")

ABOVE = "the Python above"
BLOCK = re.compile(
    r"(?:<!-- output of: (?P<source>.*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Example:
    """Python code of a document, and what it is said to print if that is shown below it."""

    code: str
    printed: str | None


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def examples(document: Path) -> Iterator[Example]:
    for block, below in pairwise([*BLOCK.finditer(read(document)), None]):
        if block and block["language"] == "python":
            shown = below["code"] if below and below["source"] == ABOVE else None
            yield Example(block["code"], shown)


def outputs(document: Path) -> Iterator[tuple[str, str]]:
    """Each command whose output is shown, and that output."""
    for block in BLOCK.finditer(read(document)):
        if block["source"] and block["source"] != ABOVE:
            yield block["source"], block["code"]


def commands(document: Path) -> Iterator[str]:
    """Every command of every shell block, without its comment."""
    for block in BLOCK.finditer(read(document)):
        if block["language"] == "sh":
            for line in block["code"].splitlines():
                yield from shlex.join(shlex.split(line, comments=True)).split(" '&&' ")


def links(document: Path) -> list[str]:
    """Where its links lead within the project."""
    prose = BLOCK.sub("", read(document))
    return [link for link in re.findall(r"\]\(([^)]+)\)", prose) if "://" not in link]


def anchors(document: Path) -> set[str]:
    """What a link may name after a #: the headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", read(document)), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tox_environments() -> ConfigParser:
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    return tox


def dependency_groups() -> set[str]:
    return set(tomllib.loads(read(ROOT / "pyproject.toml"))["dependency-groups"])
