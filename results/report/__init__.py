"""A directory of CSV made into something to read; every number in it comes from the CSV.

`summaries`, `argmin`, `layers`, `trust`, `findings`, `trainings`, `start` and `graphs` compute:
each makes sections, frames with a few words. `sections` collects those of a directory. `markdown`
and the templates write the frames down, in the notation of `text`, `drawing` draws the graphs, and
`render` puts it all into `report.md` and the files beside it.
"""

from results.report.render import write_report

__all__ = ["write_report"]
