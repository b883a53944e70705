from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import isnan

import numpy as np
import pytest

from reference_impls.computation import Native, Vjp
from reference_impls.computations import linear_regression, logistic_argmin, logistic_regression
from reference_impls.descent import (
    BFGS,
    LBFGS,
    Adam,
    Armijo,
    Exact,
    Momentum,
    Natives,
    Newton,
    Objective,
    Rated,
    Rule,
    Schedule,
    Searching,
    SteepestDescent,
    Trainer,
    rate_at,
)
from reference_impls.engines.hips.training import AutogradTrainer
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.engines.pytorch.training import TorchTrainer
from reference_impls.training import DivergedError, Record, train
from reference_impls.trainings import line

TRAINERS: tuple[Trainer, ...] = (AutogradTrainer(), TorchTrainer(), ManualTrainer())
each_trainer = pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)

SCHEDULE = Schedule(every=4, factor=0.5)
RULES: tuple[Rated, ...] = (
    Momentum(rate=0.01),
    Momentum(rate=0.01, mass=0.9, decay=0.1),
    Momentum(rate=0.01, mass=0.5, decay=0.1, schedule=SCHEDULE),
    Adam(rate=0.1),
    Adam(rate=0.1, decay=0.1, epsilon=1e-2, schedule=SCHEDULE),
)

SEARCHING: tuple[Searching, ...] = (
    SteepestDescent(search=Exact(), tolerance=1e-8),
    SteepestDescent(search=Exact(), norm=1, tolerance=1e-8),
    SteepestDescent(search=Armijo(), tolerance=1e-8),
    Newton(tolerance=1e-8),
    BFGS(tolerance=1e-8),
    LBFGS(tolerance=1e-8),
)
each_searching = pytest.mark.parametrize("rule", SEARCHING, ids=str)

CURVATURE = np.diag([1.0, 4.0])


def bowl(trainer: Trainer, asked: list[tuple[int, list[float]]]) -> Objective:
    """½ (x² + 4 y²), and where and when its gradient was asked."""

    def x_of(theta: Natives) -> np.ndarray:
        return np.asarray(trainer.to_numpy(theta["x"]))

    def gradient(theta: Natives, step: int) -> Natives:
        asked.append((step, x_of(theta).tolist()))
        return {"x": trainer.native(CURVATURE @ x_of(theta))}

    def loss(theta: Natives) -> float:
        return float(x_of(theta) @ CURVATURE @ x_of(theta)) / 2

    return Objective(
        lambda theta, step: gradient(dict(theta), step),
        lambda theta: loss(dict(theta)),
        lambda theta: (loss(dict(theta)), {"x": trainer.native(CURVATURE @ x_of(dict(theta)))}),
        lambda _: trainer.native(CURVATURE),
    )


def start_of(trainer: Trainer) -> dict[str, Native]:
    return {"x": trainer.native(np.asarray([3.0, 1.0]))}


@each_searching
@each_trainer
def test_a_rule_that_searches_asks_once_for_each_iterate_until_it_may_stop(
    rule: Searching, trainer: Trainer
) -> None:
    asked: list[tuple[int, list[float]]] = []
    end = trainer.descend(rule, start_of(trainer), bowl(trainer, asked), 1_000)
    steps, iterates = zip(*asked, strict=True)
    assert list(steps) == list(range(len(asked)))
    assert len(asked) < 1_000
    assert iterates[0] == [3.0, 1.0]
    assert iterates[-1] == trainer.to_numpy(end["x"]).tolist()
    largest = [np.abs(CURVATURE @ x).max() for x in iterates]
    assert largest[-1] <= 1e-8 < min(largest[:-1])


@each_searching
@each_trainer
def test_a_rule_that_searches_takes_no_more_steps_than_it_may(
    rule: Searching, trainer: Trainer
) -> None:
    asked: list[tuple[int, list[float]]] = []
    end = trainer.descend(rule, start_of(trainer), bowl(trainer, asked), 1)
    assert [step for step, _ in asked] == [0]
    assert trainer.to_numpy(end["x"]).tolist() != [3.0, 1.0]


@each_trainer
def test_in_the_1_norm_one_coordinate_changes_in_a_step(trainer: Trainer) -> None:
    rule = SteepestDescent(search=Exact(), norm=1)
    end = trainer.descend(rule, start_of(trainer), bowl(trainer, []), 1)
    np.testing.assert_array_equal(trainer.to_numpy(end["x"]), [3.0, 0.0])


@each_trainer
def test_armijos_search_halves_a_step_that_overshoots(trainer: Trainer) -> None:
    rule = SteepestDescent(search=Armijo())
    end = trainer.descend(rule, start_of(trainer), bowl(trainer, []), 1)
    # Steps of 1 and of ½ would end on the other side, no lower than a straight line promises.
    np.testing.assert_array_equal(trainer.to_numpy(end["x"]), [1.5, -1.0])
    strict = SteepestDescent(search=Armijo(slope=0.5))
    end = trainer.descend(strict, start_of(trainer), bowl(trainer, []), 1)
    np.testing.assert_array_equal(trainer.to_numpy(end["x"]), [2.25, 0.0])
    along_one = SteepestDescent(search=Armijo(), norm=1)
    end = trainer.descend(along_one, start_of(trainer), bowl(trainer, []), 1)
    np.testing.assert_array_equal(trainer.to_numpy(end["x"]), [3.0, 0.0])


@each_trainer
def test_armijos_search_does_not_ask_again_for_the_loss_where_it_ended(trainer: Trainer) -> None:
    asked: list[list[float]] = []
    bowl_shaped = bowl(trainer, [])

    def loss(theta: Mapping[str, Native]) -> float:
        asked.append(trainer.to_numpy(theta["x"]).tolist())
        return bowl_shaped.loss(theta)

    rule = SteepestDescent(search=Armijo())
    trainer.descend(rule, start_of(trainer), replace(bowl_shaped, loss=loss), 5)
    assert len(asked) > 5
    assert all(one != other for one, other in pairwise(asked))


@each_trainer
def test_a_search_that_finds_nothing_lower_ends_the_run(trainer: Trainer) -> None:
    asked: list[tuple[int, list[float]]] = []
    start = start_of(trainer)

    def rising(theta: Mapping[str, Native]) -> float:
        return float((trainer.to_numpy(theta["x"]) != trainer.to_numpy(start["x"])).any())

    wrong = replace(bowl(trainer, asked), loss=rising)
    end = trainer.descend(SteepestDescent(search=Armijo()), start, wrong, 10)
    assert len(asked) == 1
    np.testing.assert_array_equal(trainer.to_numpy(end["x"]), [3.0, 1.0])


@pytest.mark.parametrize("rule", SEARCHING[:4], ids=str)
def test_rules_without_a_library_take_the_same_steps_whoever_differentiates(
    rule: Searching,
) -> None:
    training = replace(line.TRAINING, rule=rule, steps=20)
    given = training.record(1)
    first, *others = (train(training, given, trainer) for trainer in TRAINERS)
    for other in others:
        np.testing.assert_allclose(other.losses, first.losses, rtol=1e-9)


@each_trainer
def test_newtons_first_step_ends_at_least_squares_in_whatever_order_parameters_are(
    trainer: Trainer,
) -> None:
    training = replace(line.TRAINING, rule=Newton(), steps=1)
    given = training.record(0)
    backward = replace(given, parameters=dict(reversed(given.parameters.items())))
    assert training.measures
    for each in (given, backward):
        found = train(training, each, trainer)
        measured = training.measures(each, found)
        for name in ("w", "b"):
            assert measured[name] == pytest.approx(measured[f"{name} of least squares"], rel=1e-12)


@each_trainer
def test_a_hessian_has_rows_and_columns_in_the_order_of_the_parameters(trainer: Trainer) -> None:
    given = line.TRAINING.record(0)
    primals = {name: trainer.native(a) for name, a in {**given.data, **given.parameters}.items()}
    found = trainer.to_numpy(trainer.hessian(linear_regression.COMPUTATION, primals))
    features = np.stack([given.data["x"], np.ones(100)], axis=1)
    np.testing.assert_allclose(found, features.T @ features / 100, rtol=1e-12)


@each_trainer
def test_a_hessian_is_the_change_of_the_gradient(trainer: Trainer) -> None:
    loss = logistic_regression.COMPUTATION
    arrays = loss.sample(np.random.default_rng(0), 50)

    def gradient(w: np.ndarray) -> np.ndarray:
        primals = {name: trainer.native(a) for name, a in {**arrays, "w": w}.items()}
        return np.asarray(trainer.to_numpy(trainer.loss_and_gradient(loss, primals)[1]["w"]))

    w, step = arrays["w"], 1e-5
    rows = [(gradient(w + step * e) - gradient(w - step * e)) / (2 * step) for e in np.eye(w.size)]
    found = trainer.hessian(loss, {name: trainer.native(a) for name, a in arrays.items()})
    np.testing.assert_allclose(trainer.to_numpy(found), rows, rtol=0, atol=1e-9)


@each_trainer
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_hessian_is_there_at_a_minimum_where_the_gradient_is_rounding(
    trainer: Trainer, dtype: str
) -> None:
    data = logistic_argmin.sample(np.random.default_rng(0), 50)
    w, _ = logistic_argmin.by_hand(**data)
    primals = {name: trainer.native(np.asarray(a, dtype)) for name, a in {**data, "w": w}.items()}
    found = trainer.to_numpy(trainer.hessian(logistic_regression.COMPUTATION, primals))
    probability = 1 / (1 + np.exp(-data["X"] @ w))
    weighted = data["X"].T * (probability * (1 - probability))
    wanted = weighted @ data["X"] / 50 + data["lam"] * np.eye(w.size)
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, wanted, rtol=0, atol={"float64": 1e-13, "float32": 1e-6}[dtype]
    )


@each_trainer
def test_the_loss_alone_is_the_loss_with_its_gradient(trainer: Trainer) -> None:
    loss = linear_regression.COMPUTATION
    given = line.TRAINING.record(0)
    primals = {name: trainer.native(a) for name, a in {**given.data, **given.parameters}.items()}
    value, _ = trainer.loss_and_gradient(loss, primals)
    assert float(trainer.loss(loss, primals)) == float(value)


@each_searching
def test_a_maximum_is_searched_for_with_the_other_sign(rule: Searching) -> None:
    cup = replace(
        linear_regression.COMPUTATION,
        by_hand=lambda **primals: _negative(*linear_regression.by_hand(**primals)),
    )
    training = replace(line.TRAINING, rule=rule, steps=50)
    climbing = replace(training, loss=cup, maximizes=True)
    given, trainer = training.record(0), ManualTrainer()
    down, up = (train(each, given, trainer).losses for each in (training, climbing))
    np.testing.assert_allclose(up, np.negative(down), rtol=1e-9)


def _negative(value: np.ndarray, vjp: Vjp) -> tuple[np.ndarray, Vjp]:
    return -value, lambda g: vjp(-g)


@each_searching
def test_an_objective_that_knows_its_gradient_alone_says_so(rule: Searching) -> None:
    alone = Objective(lambda theta, _: {"x": CURVATURE @ theta["x"]})
    with pytest.raises(NotImplementedError, match="the objective tells its gradient alone"):
        ManualTrainer().descend(rule, start_of(ManualTrainer()), alone, 3)


@each_searching
def test_a_rule_that_searches_has_no_rate_and_takes_no_batches(rule: Searching) -> None:
    assert isnan(rate_at(rule, 0))
    training = replace(line.TRAINING, rule=rule)
    given = replace(training.record(0), batches=[{"x": np.arange(3), "t": np.arange(3)}])
    with pytest.raises(ValueError, match="line: a rule that searches has no use for batches"):
        train(training, given, ManualTrainer())


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_run_without_a_rate_that_diverges_names_its_rule() -> None:
    training = replace(line.TRAINING, rule=Newton())
    given = training.record(0)
    broken = replace(given, data=given.data | {"t": np.full(100, np.inf)})
    with pytest.raises(DivergedError, match="is inf at step 0; Newton leads there from this start"):
        train(training, broken, ManualTrainer())


@pytest.mark.parametrize("rule", RULES)
def test_one_rule_is_the_same_whoever_follows_it(rule: Rated) -> None:
    training = replace(line.TRAINING, rule=rule, steps=20)
    given = training.record(1)
    first, *others = (train(training, given, trainer).parameters for trainer in TRAINERS)
    for other in others:
        for name, array in first.items():
            np.testing.assert_allclose(other[name], array, rtol=1e-12)


@pytest.mark.parametrize("rule", RULES[1:])
def test_each_part_of_a_rule_has_an_effect(rule: Rated) -> None:
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


@each_trainer
def test_numbers_are_put_into_an_array_where_it_is(trainer: Trainer) -> None:
    native = trainer.native(np.zeros(2))
    assert trainer.overwrite(native, np.ones(2)) is native
    np.testing.assert_array_equal(trainer.to_numpy(native), np.ones(2))


def test_a_number_of_numpys_is_replaced() -> None:
    assert ManualTrainer().overwrite(np.float64(1), np.asarray(2.0)) == 2.0


class Overwriting(TorchTrainer):
    """It begins by scaling what it was given."""

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        found = super().descend(rule, parameters, objective, steps)
        for array in parameters.values():
            array.mul_(2.0)
        return found


class Reshaping(TorchTrainer):
    """It returns rows in place of vectors."""

    def descend(
        self, rule: Rule, parameters: Mapping[str, Native], objective: Objective, steps: int
    ) -> Natives:
        found = super().descend(rule, parameters, objective, steps)
        return {name: array[None] for name, array in found.items()}


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (Overwriting(), "torch wrote into the parameters that it began with: w"),
        (Reshaping(), "torch returned parameters of shapes"),
    ],
    ids=["start", "end"],
)
def test_a_start_that_is_written_to_and_an_end_of_another_shape_are_refused(
    trainer: Trainer, said: str
) -> None:
    training = replace(line.TRAINING, steps=3)
    with pytest.raises(ValueError, match=said):
        train(training, training.record(0), trainer)


def test_a_training_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="line: got 0 steps, wanted at least 1"):
        replace(line.TRAINING, steps=0)
