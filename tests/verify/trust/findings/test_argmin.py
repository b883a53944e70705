import sys

import numpy as np
import pytest

from verify.trust.findings import argmin_forward
from verify.trust.findings.argmin_backward import layer, printed_penalties
from verify.trust.findings.argmin_forward import FORWARD_FINDINGS
from verify.trust.findings.elastic_net import regression
from verify.trust.findings.examination import examine


def test_the_printed_point_has_the_printed_mean_and_the_gradients_that_should_be_there() -> None:
    w, vjp = layer()(**printed_penalties())
    assert w.mean() == pytest.approx(24.17075, abs=5e-5)
    cotangents = vjp(np.full(20, 1 / 20))
    assert cotangents["l1"] == pytest.approx(-0.0123002, abs=1e-6)
    assert cotangents["l2"] == pytest.approx(-1.1956398, abs=1e-6)


def test_without_scikit_learn_its_regression_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argmin_forward, "regression", regression.__wrapped__)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    (units,) = (finding for finding in FORWARD_FINDINGS if finding.key == "D12")
    row = examine(units)
    assert row.outcome == "skipped"
    assert row.evidence == "scikit-learn, which draws the regression, is not installed"
