"""Every planted training is convicted by teacher forcing, and named."""

import pytest

from verify.trust.planted_trainings import PLANTED_TRAININGS, planted_training_rows


@pytest.mark.parametrize("seed", [0, 1])
def test_every_fault_is_caught_and_named(seed: int) -> None:
    rows = list(planted_training_rows(PLANTED_TRAININGS, seed))
    assert [row.fault for row in rows] == [e.name for e in PLANTED_TRAININGS for _ in range(2)]
    for row in rows:
        assert row.outcome == "caught"
        assert row.diagnosis == row.wanted


def test_large_ones_are_left_out_on_request() -> None:
    assert {row.fault for row in planted_training_rows(PLANTED_TRAININGS, 0, 100)} == {
        "training: momentum's convention"
    }
