"""The evidence for the Jacobians of argmin and root layers, from `argmin.csv`."""

from typing import Any

import pandas as pd

from results.report.summaries import who
from results.report.text import digits, error, markdown, shown
from results.store import Contents
from results.tables import Argmin

ERRORS = {
    "residual": "residual",
    "Newton step": "optimality",
    "K J + R": "defining_equation",
    "implicit function": "implicit_function",
    "finite differences": "finite_differences",
    "unrolled": "unrolled",
    "manual": "manual",
    "c · f": "scaled",
    "other guess": "initial_guess",
    "guess gradient": "guess_gradient",
    "linearity": "linearity",
    "one side": "one_side",
}
"""The headings of the table, and the columns of the file."""

_CASE = ["computation", "size", "seed"]


def evidence_section(contents: Contents[Argmin]) -> dict[str, Any]:
    """Make the table of `argmin.csv`, and what finite differences say of each case."""
    rows = contents.frame.drop_duplicates([*_CASE, "implementation", "device"], keep="last")
    cases = rows.drop_duplicates(_CASE)
    return {
        "note": contents.note,
        "table": markdown(_cells(rows), words=2),
        "plateaus": cases[[*_CASE, "plateau"]].to_dict("records"),
    }


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    cells = rows[["computation"]].copy()
    cells["implementation"] = who(rows)
    cells["size"] = rows["size"]
    cells["n"] = rows["unknowns"]
    cells["cond K"] = [error(number) for number in rows["condition"]]
    cells["rank"] = rows["rank"]
    cells["active"] = [shown(number, digits) for number in rows["active"]]
    for heading, column in ERRORS.items():
        cells[heading] = [shown(number, error) for number in rows[column]]
    cells["verdict"] = rows["verdict"]
    return cells
