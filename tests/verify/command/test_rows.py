from dataclasses import replace

import numpy as np
import pytest

from results.tables import Argmin
from verify.checks.argmin.evidence import Evidence
from verify.checks.argmin.kinds import EvidenceKind
from verify.checks.check import Check
from verify.checks.compare import make_worst
from verify.checks.outcome import CaseId
from verify.command.rows import argmin_row
from verify.command.summary import EVIDENCE

COLUMNS = [kind for kind in EvidenceKind if kind is not EvidenceKind.K]


CASE = CaseId("root_argmin", 2, 0, "float64", tutorial_size=False)


def evidence_of(kind: EvidenceKind, error: float) -> Evidence:
    worst = replace(make_worst("x", "", 0.0, 0.0, (1.0, 1.0, 0.0)), error=error, scale=2.0)
    check = Check("torch", "argmin", kind, "agree", worst=worst)
    return Evidence("torch", 2, None, 1.0, 2, None, None, (check,))


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_kind_of_evidence_has_a_column_of_its_own(kind: EvidenceKind) -> None:
    row = argmin_row(CASE, evidence_of(kind, error=3.0)).model_dump()
    assert row.pop(kind.name.lower()) == 1.5
    others = {other.name.lower() for other in COLUMNS} & row.keys()
    assert len(others) == len(COLUMNS) - 1
    assert {row[name] for name in others} == {None}
    assert kind.name.lower() in Argmin.model_fields


def test_every_kind_of_evidence_is_in_one_column_of_the_summary() -> None:
    shown = [kind for kinds in EVIDENCE.values() for kind in kinds]
    assert sorted(shown) == sorted(COLUMNS)


def test_an_error_that_is_not_finite_is_no_number() -> None:
    row = argmin_row(CASE, evidence_of(EvidenceKind.UNROLLED, error=np.inf))
    assert row.unrolled is None
