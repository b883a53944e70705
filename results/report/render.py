"""The report as a file in Markdown: the sections' data, put into a template; and its drawings."""

from pathlib import Path

import jinja2

from results.errors import explained
from results.report.drawing import drawn
from results.report.graphs import GraphSection
from results.report.markdown import FILTERS
from results.report.sections import Sections, read_sections

FILE_NAME = "report.md"
TEMPLATE = Path(__file__).with_name("report.md.jinja")


def write_report(directory: Path | str) -> Path:
    """Write `report.md` beside the measurements it is made from, and the drawings it shows.

    Args:
        directory: Holds at least one of the files in `TABLES`, and mostly `environment.json`.

    Returns:
        The report's path.

    Raises:
        ResultsError: The measurements cannot be read, or the report not written.
    """
    path = Path(directory) / FILE_NAME
    sections = read_sections(Path(directory))
    text = _text(sections)
    with explained("write", path):
        path.write_text(text, encoding="utf-8")
    if sections.graphs:
        _draw(sections.graphs, path.parent)
    return path


def render(directory: Path) -> str:
    """Make the report's text from a directory of measurements.

    Raises:
        ResultsError: The measurements cannot be read, or there are none.
    """
    return _text(read_sections(directory))


def _text(sections: Sections) -> str:
    return _template().render(vars(sections))


def _draw(section: GraphSection, directory: Path) -> None:
    for each in section.graphs:
        path = directory / each.file_name
        with explained("write", path):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(drawn(each.graph))


def _template() -> jinja2.Template:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=jinja2.select_autoescape(),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= FILTERS
    return templates.get_template(TEMPLATE.name)
