"""A finding tried: what comes of it, as a row of `findings.csv`."""

from time import perf_counter

from reference_impls.datasets import DatasetError
from results.environment import utc_now
from results.tables import FindingRow
from verify.checks.check import one_line
from verify.trust.findings.finding import Finding, Outcome, SkippedError


def examine(finding: Finding) -> FindingRow:
    """Try a finding; what raises is not shown, and the others are tried all the same."""
    start = perf_counter()
    outcome, evidence = _tried(finding)
    return FindingRow(
        measured_at=utc_now(),
        key=finding.key,
        tutorial=finding.tutorial,
        place=finding.place,
        kind=finding.kind,
        says=finding.says,
        right=finding.right,
        matters=finding.matters,
        evidence=evidence,
        outcome=outcome,
        time_s=perf_counter() - start,
    )


def _tried(finding: Finding) -> tuple[Outcome, str]:
    try:
        return finding.proof.carried_out()
    except (SkippedError, DatasetError) as reason:
        return "skipped", str(reason)
    except Exception as error:  # noqa: BLE001 -- one failure must not end the run
        return "skipped" if finding.kind == "timing" else "not shown", one_line(error)
