from dataclasses import replace

import numpy as np
import pytest

from reference_impls.descent import Adam, Momentum, Objective, Rule, Schedule, Trainer, rate_at
from reference_impls.engines.hips.training import AutogradTrainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.training import DivergedError, Record, train
from reference_impls.trainings import line

TRAINERS: tuple[Trainer, ...] = (AutogradTrainer(), TorchTrainer(), ManualTrainer())
each_trainer = pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)

SCHEDULE = Schedule(every=4, factor=0.5)
RULES: tuple[Rule, ...] = (
    Momentum(rate=0.01),
    Momentum(rate=0.01, mass=0.9, decay=0.1),
    Momentum(rate=0.01, mass=0.5, decay=0.1, schedule=SCHEDULE),
    Adam(rate=0.1),
    Adam(rate=0.1, decay=0.1, epsilon=1e-2, schedule=SCHEDULE),
)


@pytest.mark.parametrize("rule", RULES)
def test_one_rule_is_the_same_whoever_follows_it(rule: Rule) -> None:
    training = replace(line.TRAINING, rule=rule, steps=20)
    given = training.record(1)
    first, *others = (train(training, given, trainer).parameters for trainer in TRAINERS)
    for other in others:
        for name, array in first.items():
            np.testing.assert_allclose(other[name], array, rtol=1e-12)


@pytest.mark.parametrize("rule", RULES[1:])
def test_each_part_of_a_rule_has_an_effect(rule: Rule) -> None:
    by_hand, given = ManualTrainer(), line.TRAINING.record(1)
    plain = replace(line.TRAINING, rule=Momentum(rate=rule.rate), steps=20)
    found = train(replace(plain, rule=rule), given, by_hand).losses
    assert abs(found[-1] / train(plain, given, by_hand).losses[-1] - 1) > 1e-3


def test_the_rate_changes_every_so_many_steps() -> None:
    rule = Momentum(rate=0.8, schedule=SCHEDULE)
    assert [rate_at(rule, step) for step in (0, 3, 4, 7, 8)] == [0.8, 0.8, 0.4, 0.4, 0.2]


@each_trainer
def test_a_batch_is_the_rows_that_the_step_looks_at(trainer: Trainer) -> None:
    whole = line.TRAINING.record(0)
    rows = [np.arange(3), np.asarray([7, 5])]
    batches = [{"x": some, "t": some} for some in rows]
    found = train(replace(line.TRAINING, steps=2), replace(whole, batches=batches), trainer).losses
    few = {name: array[rows[0]] for name, array in whole.data.items()}
    wanted, _ = line.TRAINING.loss.by_hand(**few, **whole.parameters)
    assert found[0] == pytest.approx(float(wanted), rel=1e-12)
    assert len(found) == 2


@each_trainer
def test_a_run_leaves_its_record_as_it_was(trainer: Trainer) -> None:
    given, again = line.TRAINING.record(0), line.TRAINING.record(0)
    train(replace(line.TRAINING, steps=3), given, trainer)
    for name, array in {**again.parameters, **again.data}.items():
        np.testing.assert_array_equal({**given.parameters, **given.data}[name], array)


@each_trainer
def test_float32_stays_float32(trainer: Trainer) -> None:
    training = replace(line.TRAINING, steps=3)
    found = train(training, training.record(0), trainer, np.float32).parameters
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


@each_trainer
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_run_that_diverges_ends_with_one_line(trainer: Trainer) -> None:
    training = replace(line.TRAINING, rule=Momentum(rate=1.0))
    with pytest.raises(DivergedError, match=r"line with .* at step \d+; the rate 1 is too large"):
        train(training, training.record(0), trainer)


def test_a_maximum_is_climbed() -> None:
    climbing = replace(line.TRAINING, maximizes=True, steps=5)
    losses = train(climbing, Record(*vars(line.record(0)).values()), ManualTrainer()).losses
    assert losses == sorted(losses)


@each_trainer
def test_the_parameters_at_the_start_are_left_as_they_are(trainer: Trainer) -> None:
    start = {"w": trainer.native(np.ones(2))}
    found = trainer.descend(
        Momentum(rate=0.1), start, Objective(lambda theta, _: {"w": 1 * theta["w"]}), 3
    )
    np.testing.assert_array_equal(trainer.to_numpy(start["w"]), np.ones(2))
    np.testing.assert_allclose(trainer.to_numpy(found["w"]), 0.9**3 * np.ones(2))
