"""Every planted fault against every checker: who catches it, and who accuses the innocent.

A checker that accepts everything raises no false alarm, and one that rejects everything misses no
fault. So the matrix has both wrong gradients, which are caught or missed, and right ones of awkward
functions, which are passed or flagged. Where a checker cannot be asked, it is skipped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Literal
from zlib import crc32

import numpy as np

from reference_impls import DTYPES
from reference_impls.computation import cast
from reference_impls.engines.manual.backend import Manual
from reference_impls.function import implementations
from results.environment import utc_now
from results.tables import OURS, Kill
from verify.checks.argmin.hearing import argmin_evidence
from verify.checks.case import catalogue_case_at
from verify.checks.check import Check, Verdict, Violation, one_line, overall
from verify.checks.noises import Noises
from verify.checks.report import Report
from verify.trust.peers.peer import Peer, entries, judge
from verify.trust.planted import Awkward, Fault, Planted

Score = Literal["caught", "missed", "passed", "flagged", "skipped"]


CheckFunction = Callable[..., Report]
"""`verify.check`, or a stand-in with its signature."""


@dataclass(frozen=True)
class _Answer:
    """What one checker made of one planting; `rejects` is None where it was not asked."""

    rejects: bool | None
    seconds: float
    detail: str = ""
    verdict: str | None = None
    diagnosis: str | None = None


def run_matrix(
    faults: Sequence[Fault],
    awkward: Sequence[Awkward],
    peers: Sequence[Peer],
    seed: int,
    check: CheckFunction,
    largest: int | None = None,
) -> Iterator[Kill]:
    """Asks every checker about every fault and every awkward function, at each size and dtype.

    For each checker the same is planted anew, so that nothing a checker does to it, or makes it
    remember, is there for the next.

    Args:
        faults: wrong gradients.
        awkward: right ones.
        peers: who is asked beside `check`.
        seed: of the planting, and of the checkers.
        check: `verify.check`.
        largest: the largest size to plant; None for all.

    Yields:
        A row as soon as it is known: for each planting gradjury's, then the peers'.
    """
    subjects: list[Fault | Awkward] = [*faults, *awkward]
    for subject in subjects:
        for size in (each for each in subject.sizes if largest is None or each <= largest):
            for dtype in subject.dtypes if isinstance(subject, Fault) else DTYPES:
                case = _Planting(subject, size, dtype, seed)
                yield case.row(OURS, case.asked(check))
                for peer in peers:
                    yield case.row(peer.name, case.judged(peer))


@dataclass(frozen=True)
class _Planting:
    """A fault or an awkward function at one size and dtype."""

    subject: Fault | Awkward
    size: int
    dtype: str
    seed: int

    @property
    def is_correct(self) -> bool:
        return isinstance(self.subject, Awkward)

    @cached_property
    def entries(self) -> int:
        return entries(self.planted())

    def planted(self) -> Planted:
        return self.subject.plant(self.size, self.dtype, self._generator())

    def asked(self, check: CheckFunction) -> _Answer:
        """Gradjury's answer. If it raises, that counts as the wrong answer."""
        planted = self.planted()
        start = perf_counter()
        try:
            verdict, diagnosis = self._verdict(check, planted)
        except Exception as error:  # noqa: BLE001 - one failure must not end the run
            return _Answer(self.is_correct, perf_counter() - start, one_line(error))
        return _Answer(
            rejects=verdict == "disagree",
            seconds=perf_counter() - start,
            detail=diagnosis.sentence if diagnosis else "",
            verdict=verdict,
            diagnosis=diagnosis.fault if diagnosis else None,
        )

    def judged(self, peer: Peer) -> _Answer:
        judgement = judge(peer, self.planted(), self._generator(crc32(peer.name.encode())))
        rejects = None if judgement.ruling == "skipped" else judgement.ruling == "rejects"
        return _Answer(rejects, judgement.seconds, judgement.detail)

    def row(self, checker: str, answer: _Answer) -> Kill:
        return Kill(
            measured_at=utc_now(),
            fault=self.subject.name,
            correct=self.is_correct,
            size=self.size,
            entries=self.entries,
            dtype=self.dtype,
            seed=self.seed,
            checker=checker,
            outcome=self._score(answer),
            verdict=answer.verdict,
            wanted=self.subject.diagnosis if isinstance(self.subject, Fault) else None,
            diagnosis=answer.diagnosis,
            time_s=answer.seconds,
            detail=answer.detail,
        )

    def _verdict(self, check: CheckFunction, planted: Planted) -> tuple[Verdict, Violation | None]:
        report = check(
            planted.make_vjp,
            planted.primals,
            forward=planted.forward,
            wrt=planted.wrt,
            seed=self.seed,
            order=planted.order,
        )
        # The whole report counts as one check, beside those of the evidence.
        whole = Check("manual", "report", "", report.verdict)
        return overall([whole, *self._evidence(planted)]), report.diagnosis

    def _evidence(self, planted: Planted) -> list[Check]:
        """Of an argmin: always in float64, for it is about the function and not about rounding."""
        if planted.computation is None:
            return []
        backends = [Manual()]
        functions = implementations(planted.computation, backends)
        primals = cast(planted.primals, np.float64)
        case = catalogue_case_at(planted.computation, primals, (self.size, self.seed), functions)
        noise = Noises.of(case, functions).allowed
        evidence = argmin_evidence(case, noise, backends)
        return [check for each in evidence for check in each.checks]

    def _score(self, answer: _Answer) -> Score:
        if answer.rejects is None:
            return "skipped"
        if self.is_correct:
            return "flagged" if answer.rejects else "passed"
        return "caught" if answer.rejects else "missed"

    def _generator(self, *more: int) -> np.random.Generator:
        return np.random.default_rng(
            [crc32(self.subject.name.encode()), self.size, self.seed, *more]
        )
