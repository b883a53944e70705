"""Where each item of the five tutorials lives: `python -m reference_impls.tutorials`.

It prints the tables of the README from `tutorials.toml`, in Markdown.
"""

import tomllib
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

DATA = Path(__file__).with_name("tutorials.toml")


@dataclass(frozen=True)
class Item:
    """What a tutorial computes, runs, draws, prints or claims.

    Attributes:
        tutorial: its name.
        number: its own, a letter for the tutorial and a number.
        what: in a few words.
        where: files, from the root of the project, or ``file::name`` of what is defined in one.
        reason: why something of it is not here; empty if all is.
    """

    tutorial: str
    number: str
    what: str
    where: tuple[str, ...]
    reason: str


def items() -> tuple[Item, ...]:
    """All of them, by tutorial, in the order of the data."""
    tutorials = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return tuple(
        Item(tutorial, number, row["item"], tuple(row.get("where", ())), row.get("reason", ""))
        for tutorial, rows in tutorials.items()
        for number, row in rows.items()
    )


def tables() -> str:
    """A table for each tutorial, folded until somebody looks."""
    return "\n\n".join(
        _table(tutorial, list(rows))
        for tutorial, rows in groupby(items(), lambda item: item.tutorial)
    )


def _table(tutorial: str, rows: list[Item]) -> str:
    return "\n".join(
        [
            f"<details><summary>{tutorial}: {len(rows)} items</summary>",
            "",
            "| | item | where it is |",
            "|---|---|---|",
            *(f"| {row.number} | {row.what} | {_place(row)} |" for row in rows),
            "",
            "</details>",
        ]
    )


def _place(item: Item) -> str:
    where = ", ".join(f"`{each}`" for each in item.where)
    return f"{where}. {item.reason}" if item.reason and where else where or item.reason


if __name__ == "__main__":
    print(tables())  # noqa: T201 -- its output is what it is for
