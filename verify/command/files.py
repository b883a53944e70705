"""`python -m verify FILE.py:NAME`: a user's own function."""

from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_impls.running.errors import ProcessDiedError
from verify.checks import check
from verify.checks.outcome import CLOCK, CaseId
from verify.checks.report import Report
from verify.command.console import make_console
from verify.command.options import Options
from verify.command.outcome import interrupted, status_of
from verify.user.user_file import UserFileError, check_user_file

if TYPE_CHECKING:
    from results.store import Appender
    from results.tables import Verdict


UNKNOWN = "unknown"
"""The dtype, in its row, of a function that was ended before it was known."""


@dataclass(frozen=True)
class _Said:
    """What came of one function, as it can be handed from process to process.

    Attributes:
        text: what is printed.
        verdict: the function's.
        rows: every check of it.
    """

    text: str
    verdict: check.Verdict
    rows: "tuple[Verdict, ...]" = ()


def run(options: Options) -> int:
    """Check every function FILE.py:NAME; the exit status."""
    console = make_console()
    verdicts: list[check.Verdict] = []
    with _appender(options) as rows:
        try:
            for file in options.subjects.files:
                said = _said(file, options) if options.timeout is None else _within(file, options)
                verdicts.append(said.verdict)
                if rows:
                    rows.append_all(said.rows)
                console.print(said.text, markup=False, soft_wrap=True)
        except KeyboardInterrupt:
            return interrupted(f"{len(verdicts)} functions", options.path)
    undecided = not set(verdicts) <= {"agree", "disagree"}
    return status_of(disagree="disagree" in verdicts, undecided=undecided, strict=True)


def _appender(options: Options) -> "AbstractContextManager[Appender[Verdict] | None]":
    """What rows go to; what writes them loads slowly, and is not loaded if none are asked for."""
    if options.path is None:
        return nullcontext()
    from results.tables import VERDICTS  # noqa: PLC0415
    from verify.command.appending import appender_for, record_environment  # noqa: PLC0415

    appender = appender_for(options.path, VERDICTS)
    record_environment(options.path)
    return appender


def _within(file: str, options: Options) -> _Said:
    """In a process of its own, which is ended when the time is over."""
    try:
        with suppress(TimeoutError):
            return _in_a_process(file, options)
    except ProcessDiedError:
        died = f"{file}: its process ended before its work was done, killed perhaps"
        raise ProcessDiedError(died) from None
    late = f"inconclusive: {file} did not return within {options.timeout:g} seconds"
    return _Said(late, "inconclusive", _late_rows(file, options))


def _in_a_process(file: str, options: Options) -> _Said:
    from reference_impls.running.processes import processes  # noqa: PLC0415 -- it loads slowly

    with processes(1) as pool:
        return pool.submit(_said, file, options).result(options.timeout)


def _said(file: str, options: Options) -> _Said:
    try:
        report = check_user_file(file, options.seed, options.wrt, options.order, options.budget)
    except (TypeError, ValueError) as error:
        raise UserFileError(str(error)) from error
    if report is None:
        return _Said(f"{file}: no verdict was against it", "agree")
    rows = _rows(file, report) if options.path else []
    return _Said(str(report), report.verdict, tuple(rows))


def _rows(file: str, report: Report) -> "list[Verdict]":
    from verify.command.rows import verdict_row  # noqa: PLC0415 -- as in `_appender`

    case = CaseId(file, report.entries, report.seed, report.dtype, tutorial_size=False)
    return [verdict_row(case, each) for each in report.checks]


def _late_rows(file: str, options: Options) -> "tuple[Verdict, ...]":
    """The one row of a function that was ended; what its primals are, nobody got to know."""
    if options.path is None:
        return ()
    from verify.command.rows import verdict_row  # noqa: PLC0415 -- as in `_appender`

    name = file.rpartition(":")[2]
    detail = f"not done within {options.timeout:g} seconds"
    late = check.Check(name, "contract", CLOCK, "inconclusive", detail)
    return (verdict_row(CaseId(file, 0, options.seed, UNKNOWN, tutorial_size=False), late),)
