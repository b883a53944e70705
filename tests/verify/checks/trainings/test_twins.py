"""How far twins part."""

from dataclasses import replace

import numpy as np

from reference_impls.descent import Momentum
from reference_impls.training import Training
from reference_impls.trainings import load_training, network
from tests.verify.checks.trainings.shared import SHORT
from verify.checks.trainings.by_hand import RunByHand
from verify.checks.trainings.twins import envelope


def test_twins_of_a_calm_run_stay_together_and_of_a_chaotic_one_part() -> None:
    def widest(training: Training) -> float:
        record = training.record(0)
        by_hand = RunByHand.of(training, record, "float64")
        return float(envelope(training, record, "float64", 0, by_hand).max())

    assert 0 < widest(SHORT) < 1e-13
    assert widest(replace(network.TRAINING, steps=900)) > 1e-9


def test_twins_of_a_rule_that_searches_go_another_way() -> None:
    training = load_training("rosenbrock_bfgs")
    record = training.record(0)
    by_hand = RunByHand.of(training, record, "float64")
    assert envelope(training, record, "float64", 0, by_hand).max() > 1e-12


def test_the_envelope_is_infinite_from_where_a_twin_diverges() -> None:
    calm = replace(SHORT, steps=5)
    record = calm.record(0)
    by_hand = RunByHand.of(calm, record, "float64")
    wild = replace(calm, rule=Momentum(rate=1e200))
    with np.errstate(all="ignore"):
        found = envelope(wild, record, "float64", 0, by_hand)
    assert np.isfinite(found[0])
    assert np.isinf(found[-1])
