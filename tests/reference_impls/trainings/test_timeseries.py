"""The time series on the packaged prices; the file's own numbers are `Training.expected`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reference_impls.datasets import PRICE_COLUMNS, PRICES_VARIABLE, TUTORIAL_STOCKS, stock_segments
from reference_impls.engines.hips.training import AutogradTrainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.training import Course, Training, train
from reference_impls.trainings.timeseries import (
    BATCH,
    EPOCH,
    EPOCHS,
    TRAININGS,
    record,
    record_of_returns,
    returns,
    split,
)

RAW, RETURNS = TRAININGS


@pytest.fixture(autouse=True)
def _packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PRICES_VARIABLE, raising=False)


def made_up(path: Path) -> Path:
    """A file like the tutorial's, of prices that are nowhere else."""
    rows = [
        f"2006-01-03,1,1,1,{1000 * number + day / 8},1,{name}"
        for number, name in enumerate(TUTORIAL_STOCKS, start=1)
        for day in range(800)
    ]
    path.write_text("\n".join([",".join(PRICE_COLUMNS), *rows]), "utf-8")
    return path


def measured(training: Training) -> dict[str, float]:
    given = training.record(0)
    assert training.measures
    return dict(training.measures(given, train(training, given, ManualTrainer())))


def test_the_network_loses_to_the_last_price() -> None:
    found = measured(RAW)
    assert found["test loss after epoch 10"] > 1.2 * found["test loss of the last price"]


def test_on_returns_it_does_about_as_well_as_the_last_price() -> None:
    found = measured(RETURNS)
    assert found["test loss in dollars"] < 1.05 * found["test loss of the last price"]


def test_returns_are_counted_from_the_last_price_that_is_known() -> None:
    prices = np.concatenate([np.full(29, 90.0), [100.0], np.full(10, 105.0)])
    np.testing.assert_allclose(
        returns(prices[None])[0], [-2.0] * 29 + [0.0] + [1.0] * 10, atol=1e-12
    )


@pytest.mark.parametrize("training", TRAININGS, ids=lambda each: each.name)
@pytest.mark.parametrize("trainer", [AutogradTrainer(), TorchTrainer()], ids=lambda each: each.name)
def test_all_take_the_same_first_steps(
    training: Training, trainer: AutogradTrainer | TorchTrainer
) -> None:
    few = replace(training, steps=4, measures=None)
    given = few.record(0)
    found, wanted = (train(few, given, each) for each in (trainer, ManualTrainer()))
    np.testing.assert_allclose(found.losses, wanted.losses, rtol=1e-9)


def test_every_segment_is_trained_with_once_in_an_epoch_or_kept_apart() -> None:
    segments = stock_segments().prices
    trained, kept = split(segments)
    assert {row.tobytes() for row in np.concatenate([trained, kept])} == {
        row.tobytes() for row in segments
    }
    batches = record(0).batches
    assert len(batches) == EPOCHS * EPOCH
    for epoch in range(EPOCHS):
        rows = [batch["x"] for batch in batches[epoch * EPOCH : (epoch + 1) * EPOCH]]
        assert sorted(np.concatenate(rows)) == list(range(len(trained)))
        assert {row.size for row in rows[:-1]} == {BATCH}


@pytest.mark.parametrize("draw", [record, record_of_returns])
def test_another_seed_changes_the_network_and_the_order_but_not_the_split(draw: object) -> None:
    assert callable(draw)
    one, again, other = draw(0), draw(0), draw(1)
    np.testing.assert_array_equal(one.data["x"], other.data["x"])
    np.testing.assert_array_equal(one.parameters["enc_W1"], again.parameters["enc_W1"])
    assert (one.parameters["enc_W1"] != other.parameters["enc_W1"]).any()
    assert (one.batches[0]["x"] != other.batches[0]["x"]).any()


def test_without_the_file_its_numbers_are_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "GRADJURY_PRICES is not set" in RAW.skipped()
    monkeypatch.setenv(PRICES_VARIABLE, str(made_up(tmp_path / "prices.csv")))
    assert not RAW.skipped()


@pytest.mark.parametrize("training", TRAININGS, ids=lambda each: each.name)
def test_figures_show_packaged_prices_whatever_file_there_is(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert training.curves
    given = training.record(0)
    course = Course(parameters=given.parameters)
    wanted = training.curves(given, course)
    monkeypatch.setenv(PRICES_VARIABLE, str(made_up(tmp_path / "prices.csv")))
    assert training.record(0).data["y"].shape != given.data["y"].shape
    for found, packaged in zip(training.curves(given, course), wanted, strict=True):
        assert found.series == packaged.series
        np.testing.assert_array_equal(found.x, packaged.x)
        np.testing.assert_array_equal(found.y, packaged.y)
