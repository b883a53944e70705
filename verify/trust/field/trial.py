"""`check` on somebody else's function, within a time, and what became of it as a row."""

import time
import warnings
from contextlib import suppress
from importlib.metadata import version
from typing import Literal, Protocol

from reference_impls.running.late import LateError, within
from results.environment import utc_now
from results.tables import FieldRow
from verify.checks.report import Report
from verify.trust.field.known import known_of
from verify.trust.field.subject import LATE, LeftOut, Subject
from verify.user.checker import check
from verify.user.second_order import MODES

Verdict = Literal["agree", "disagree", "inconclusive", "unsupported", "left out"]


class Gradcheck(Protocol):
    """Another checker's answer about a subject."""

    def __call__(self, subject: Subject) -> Literal["passes", "fails"] | None:
        """The answer, if there is one."""
        ...


def tried(
    subject: Subject | LeftOut, order: int, timeout: float, gradcheck: Gradcheck | None = None
) -> FieldRow:
    """What came of one.

    Args:
        subject: what to check, or what is left out.
        order: 2 for second derivatives, too.
        timeout: seconds that it may take.
        gradcheck: another checker to ask, which may take as long.
    """
    if isinstance(subject, LeftOut):
        return _row(subject, order, "left out", subject.reason)
    started = time.perf_counter()
    try:
        with within(timeout):
            report = check(subject.checkable, subject.primals, seed=subject.seed, order=order)
    except LateError:
        return _row(subject, order, "inconclusive", LATE.format(timeout))
    took = time.perf_counter() - started
    if report.verdict == "unsupported" and (reason := _no_second_derivative(report)):
        return _row(subject, order, "left out", f"no second derivative: {reason}")
    answer = None
    with suppress(LateError), within(timeout):
        answer = gradcheck(subject) if gradcheck else None
    return _row(subject, order, report.verdict, _told(report)).model_copy(
        update={
            "fault": report.diagnosis.fault if report.diagnosis else None,
            "gradcheck": answer,
            "time_s": took,
            "evaluations": report.evaluations,
        }
    )


def _no_second_derivative(report: Report) -> str:
    """Why the engine differentiates a function once and no more, if it says so."""
    said = (check for check in report.checks if check.against in MODES)
    return next((check.detail for check in said if check.verdict == "unsupported"), "")


def _told(report: Report) -> str:
    """What a row says of a report: where all agrees, nothing."""
    lines = str(report).splitlines()
    return "" if report.verdict == "agree" else " ".join(line.strip() for line in lines[:3])


def _row(subject: Subject | LeftOut, order: int, verdict: Verdict, detail: str) -> FieldRow:
    of_library = version(subject.library)
    known = known_of(subject.library, of_library, subject.function, subject.dtype, order)
    return FieldRow(
        measured_at=utc_now(),
        library=subject.library,
        version=of_library,
        function=subject.function,
        sample=subject.sample,
        seed=subject.seed,
        dtype="float32" if subject.dtype == "float32" else "float64",
        order=order,
        entries=subject.entries,
        verdict=verdict,
        fault=None,
        known=known.evidence if known else None,
        detail=detail,
        time_s=0.0,
    )


def by_gradcheck(subject: Subject) -> Literal["passes", "fails"] | None:
    """What torch's slow gradcheck says of a torch function; None where it refuses to say."""
    import torch  # noqa: PLC0415 -- of others' functions, only torch's need it
    from torch.autograd.gradcheck import GradcheckError  # noqa: PLC0415

    # Tensors that share an empty array's memory have its strides, which are 0, and are refused.
    tensors = tuple(
        torch.empty(each.shape, dtype=torch.float64).copy_(torch.from_numpy(each)).requires_grad_()
        for each in subject.primals
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.autograd.gradcheck(subject.checkable.function, tensors)
        except GradcheckError:
            return "fails"
        except Exception:  # noqa: BLE001 -- whatever it, or the operator, raises
            return None
    return "passes"
