"""`python -m verify --findings`: what the tutorials publish that is not so, shown anew."""

from collections import Counter
from collections.abc import Iterator
from textwrap import wrap

from reference_impls.running.threads import one_thread
from results.commands import AGREED, FAILED
from results.tables import FINDINGS, FindingRow
from verify.command.appending import appender_for, record_environment
from verify.command.console import make_console
from verify.command.options import Options
from verify.command.outcome import interrupted

WIDTH, INDENT = 80, 5


def run(options: Options) -> int:
    """Try every finding, and write and print what comes of it; the exit status."""
    console = make_console()
    tried: list[FindingRow] = []
    with appender_for(options.path, FINDINGS) as findings:
        try:
            # They load the engines, which takes seconds: all that can be refused has been by now.
            from verify.trust.findings import FINDINGS as ALL  # noqa: PLC0415
            from verify.trust.findings.examination import examine  # noqa: PLC0415

            with one_thread():
                record_environment(options.path)
                for finding in ALL:
                    row = examine(finding)
                    if findings:
                        findings.append(row)
                    if not tried or tried[-1].tutorial != row.tutorial:
                        console.print(row.tutorial, markup=False)
                    tried.append(row)
                    console.print("\n".join(finding_lines(row)), markup=False)
        except KeyboardInterrupt:
            return interrupted(f"{len(tried)} findings", options.path)
    console.print(count_line(tried), markup=False)
    return FAILED if any(row.outcome == "not shown" for row in tried) else AGREED


def finding_lines(row: FindingRow) -> list[str]:
    """What is published and what came of it, and beneath it the evidence."""
    return [f"{row.key:{INDENT}}{row.outcome}: {row.says}", *_indented(row.evidence)]


def count_line(rows: list[FindingRow]) -> str:
    """How many findings there were, and what came of them."""
    counts = Counter(row.outcome for row in rows)
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"{len(rows)} findings: {said}"


def _indented(text: str) -> Iterator[str]:
    margin = " " * INDENT
    yield from wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin)
