"""`check` on somebody else's function, within a time, and what became of it as a row."""

import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from types import FrameType
from typing import Literal, Protocol

from results.environment import utc_now
from results.tables import FieldRow
from verify.checks.report import Report
from verify.trust.field.known import known_of
from verify.trust.field.subject import LATE, LeftOut, Subject
from verify.user.checker import check

Verdict = Literal["agree", "disagree", "inconclusive", "unsupported", "left out"]


class Gradcheck(Protocol):
    """Another checker's answer about a subject."""

    def __call__(self, subject: Subject) -> Literal["passes", "fails"]:
        """The answer."""
        ...


class LateError(BaseException):
    """A check took too long. Not an Exception: what a function raises is caught and judged."""


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
    answer = None
    with suppress(LateError), within(timeout):
        answer = gradcheck(subject) if gradcheck else None
    return _row(subject, order, report.verdict, _told(report)).model_copy(
        update={
            "fault": report.diagnosis.fault if report.diagnosis else None,
            "gradcheck": answer,
            "time_s": took,
        }
    )


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A block that is left with `LateError` after so long; only of a process's main thread.

    A signal is heard between two instructions of Python: a call that hangs in compiled code, as of
    BLAS, is left when it returns, and not before.
    """

    def late(_: int, __: FrameType | None) -> None:
        raise LateError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _told(report: Report) -> str:
    """What a row says of a report: where all agrees, nothing."""
    lines = str(report).splitlines()
    return "" if report.verdict == "agree" else " ".join(line.strip() for line in lines[:3])


def _row(subject: Subject | LeftOut, order: int, verdict: Verdict, detail: str) -> FieldRow:
    of_library = version(subject.library)
    known = known_of(subject.library, of_library, subject.function, subject.dtype)
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


def by_gradcheck(subject: Subject) -> Literal["passes", "fails"]:
    """What torch's slow gradcheck says of a torch function; what it raises is a failure."""
    import torch  # noqa: PLC0415 -- of others' functions, only torch's need it

    tensors = tuple(
        torch.from_numpy(each.copy()).double().requires_grad_() for each in subject.primals
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.autograd.gradcheck(subject.checkable.function, tensors)
        except Exception:  # noqa: BLE001 -- GradcheckError, and whatever the operator raises
            return "fails"
    return "passes"
