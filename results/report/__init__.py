"""A directory of CSV made into something to read; every number in it comes from the CSV.

`summaries`, `argmin`, `layers` and `trust` compute: each makes sections, frames with a few words.
`sections` collects those of a directory; a plot would start there. `markdown` and the templates
write the frames down, in the notation of `text`, and `render` puts it all into `report.md`.
"""

from results.report.render import write_report

__all__ = ["write_report"]
