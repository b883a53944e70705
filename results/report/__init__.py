"""A directory of CSV made into something to read; every number in it comes from the CSV.

`summaries` computes the numbers, `render` writes them down; `layers` does both for argmin layers,
`trust` for the checks themselves.
"""

from results.report.render import write_report

__all__ = ["write_report"]
