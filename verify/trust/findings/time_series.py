"""The findings of the tutorial *optimization*, example: stock prices through an argmin layer.

They are shown on the packaged prices, or on those of `GRADJURY_PRICES`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np

from reference_impls import draw
from reference_impls.computation import Array, Arrays
from reference_impls.computations import ridge_argmin
from reference_impls.computations.conv_encoder import BASE_DAYS, LAYERS, Layer, stack_by_hand
from reference_impls.computations.timeseries_net import COMPUTATION, LEARNING_DAYS, TARGET_DAYS
from reference_impls.datasets import closes, stock_segments
from reference_impls.descent import Adam, Schedule, rate_at
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.training import Record, Training, train
from verify.trust.findings.finding import Demonstration, Finding, Observation

TUTORIAL = "optimization"

DAYS, BATCH, TRAINED = 40, 8, 0.7

Predictor = Callable[[Arrays, Array], Array]
"""From the network's primals and the days that are known (N, 1, 30) to those that follow."""


def _predicted(primals: Arrays, x: Array) -> Array:
    """With one W for the batch, as the tutorial's layer finds it."""
    E, _ = stack_by_hand(x, _layers(primals, "enc"))
    W, _ = ridge_argmin.by_hand(E[..., :LEARNING_DAYS], E[..., LEARNING_DAYS:], primals["lam"])
    decoded, _ = stack_by_hand(E[..., TARGET_DAYS:] @ W.T, _layers(primals, "dec"), elu_last=False)
    return decoded


def _layers(primals: Arrays, part: str) -> list[Layer]:
    return [(primals[f"{part}_W{n}"], primals[f"{part}_b{n}"]) for n in LAYERS]


def _predicted_one_by_one(primals: Arrays, x: Array) -> Array:
    """With a W for each sample, as the tutorial's text has it."""
    return np.concatenate([_predicted(primals, x[k : k + 1]) for k in range(len(x))])


def _depends_on_its_batch(predict: Predictor) -> Observation:
    primals = draw(COMPUTATION, BATCH, "float64", 0)
    together, alone = (predict(primals, primals["x"][:n])[0] for n in (BATCH, 1))
    apart = float(np.abs(together - alone).max())
    price = float(primals["y"][0].mean())
    return Observation(
        apart > 1e-6 * price,
        f"beside seven others, predictions change by {apart:.3g} of {price:.0f} $",
    )


def _published_stop(batch: int, most: int) -> bool:
    """Asked after a batch, which are counted from 0."""
    return batch >= most


def _right_stop(batch: int, most: int) -> bool:
    return batch + 1 >= most


def _batches_run(is_over: Callable[[int, int], bool]) -> Observation:
    run = next(batch for batch in range(100) if is_over(batch, 5)) + 1
    return Observation(run != 5, f"{run} batches, where at most 5 are asked for")


@cache
def _split() -> tuple[Array, Array]:
    segments = np.random.default_rng(0).permutation(stock_segments().prices)[:, None]
    learnt = int(len(segments) * TRAINED)
    return segments[:learnt], segments[learnt:]


def _after_an_epoch(x: Array) -> Array:
    """The network's predictions, of batches of eight."""
    learnt, _ = _split()
    primals = draw(COMPUTATION, BATCH, "float64", 0)
    names = COMPUTATION.wrt[1:]
    order = np.arange(len(learnt))
    batches = [{"x": rows, "y": rows} for rows in np.split(order, range(BATCH, order.size, BATCH))]
    data = {"x": learnt[..., :BASE_DAYS], "y": learnt[..., BASE_DAYS:]}
    record = Record({name: primals[name] for name in names}, data, batches)
    training = Training(
        name="time series",
        origin=COMPUTATION.origin,
        loss=replace(COMPUTATION, wrt=names),
        rule=Adam(rate=0.01, decay=0.01, epsilon=1e-6),
        steps=len(batches),
        record=lambda _: record,
    )
    parameters = train(training, record, ManualTrainer()).parameters
    starts = range(0, len(x), BATCH)
    return np.concatenate([_predicted(parameters, x[k : k + BATCH]) for k in starts])


def _last_price(x: Array) -> Array:
    return np.repeat(x[..., -1:], DAYS - BASE_DAYS, axis=-1)


def _beaten_by_the_last_price(predict: Callable[[Array], Array]) -> Observation:
    _, test = _split()
    x, y = test[..., :BASE_DAYS], test[..., BASE_DAYS:]
    error, baseline = (float(((f(x) - y) ** 2).mean()) for f in (predict, _last_price))
    return Observation(
        error > baseline, f"a mean square of {error:,.1f} $² on {len(test)} new segments"
    )


def _joined(owners: list[Array]) -> Array:
    """All stocks end to end, and then cut."""
    line = np.concatenate(owners)
    return line[: line.size // DAYS * DAYS].reshape(-1, DAYS)


def _each_cut_by_itself(owners: list[Array]) -> Array:
    return np.concatenate([_joined([own]) for own in owners])


def _straddling(cut: Callable[[list[Array]], Array]) -> Observation:
    names = closes().names
    owners = [np.full(closes(names=[name]).prices.size, k) for k, name in enumerate(names)]
    segments = cut(owners)
    count = int((segments.min(axis=1) != segments.max(axis=1)).sum())
    return Observation(count > 0, f"{count} of {len(segments)} segments have prices of two stocks")


def _rates(epochs: int) -> Observation:
    every = 27
    rule = Adam(rate=0.01, schedule=Schedule(every=every, factor=0.9))
    rates = list(dict.fromkeys(_rates_of(rule, epochs * every)))
    return Observation(len(rates) == 1, f"epochs: {epochs}, different rates: {len(rates)}")


def _rates_of(rule: Adam, steps: int) -> Iterator[float]:
    return (rate_at(rule, step) for step in range(steps))


def _minimises_the_sums(penalty: Callable[[int, int], float]) -> Observation:
    """Is the layer's W the minimum of Σ errors² + λ' Σ W², for a given λ'?

    Args:
        penalty: λ' of the rows of the regression and of its features.
    """
    left, weights = [], []
    for batch in (8, 3, 2):
        primals = draw(ridge_argmin.COMPUTATION, 8, "float64", 0)
        x, y = primals["x"][:batch], primals["y"][:batch]
        W, _ = ridge_argmin.by_hand(x, y, np.asarray(1.0))
        S, Y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        weights.append(penalty(*S.shape))
        gradient = (S @ W.T - Y).T @ S + weights[-1] * W
        left.append(float(np.linalg.norm(gradient) / np.linalg.norm(W)))
    said = ", ".join(f"{weight:g}" for weight in weights)
    return Observation(
        max(left) > 1e-9, f"λ = {said} in batches of 8, 3, 2 leaves gradients of {max(left):.1e}"
    )


TIME_SERIES_FINDINGS = (
    Finding(
        key="D18",
        tutorial=TUTORIAL,
        place="Example: PredictorArgMinLayer",
        kind="text",
        says="A regression is fitted to the embedding of each sample.",
        right="One is fitted to the whole batch.",
        matters="What is predicted of a stock depends on which others are beside it.",
        proof=Demonstration(
            published=_predicted, corrected=_predicted_one_by_one, observe=_depends_on_its_batch
        ),
    ),
    Finding(
        key="D18b",
        tutorial=TUTORIAL,
        place="Example: PredictorArgMinLayer",
        kind="text",
        says="It minimises a sum of squares plus λ times another.",
        right="The code has means: λ counts M/p times, for M rows and p features.",
        matters="The last batch of an epoch, which is smaller, is penalised less.",
        proof=Demonstration[Callable[[int, int], float]](
            published=lambda _, __: 1.0,
            corrected=lambda rows, features: rows / features,
            observe=_minimises_the_sums,
        ),
    ),
    Finding(
        key="D19",
        tutorial=TUTORIAL,
        place="Example: run_epoch",
        kind="value",
        says="At most max_batches batches are run.",
        right="One more is: the counter starts at 0, and is compared afterwards.",
        matters="A limit of 5 runs 6.",
        proof=Demonstration(published=_published_stop, corrected=_right_stop, observe=_batches_run),
    ),
    Finding(
        key="D20",
        tutorial=TUTORIAL,
        place="Example: training",
        kind="text",
        says="The network predicts prices after an epoch.",
        right="To repeat the last price is far better.",
        matters="Without a baseline, a loss in squared dollars says nothing.",
        proof=Demonstration(
            published=_after_an_epoch, corrected=_last_price, observe=_beaten_by_the_last_price
        ),
    ),
    Finding(
        key="D21",
        tutorial=TUTORIAL,
        place="Example: minimal processing",
        kind="behaviour",
        says="A segment is 40 days of one stock.",
        right="Stocks are joined before they are cut, and some segments have two.",
        matters="There the network is to predict one stock from another.",
        proof=Demonstration(published=_joined, corrected=_each_cut_by_itself, observe=_straddling),
    ),
    Finding(
        key="D21b",
        tutorial=TUTORIAL,
        place="Example: training",
        kind="text",
        says="A decaying learning rate is demonstrated, in a single epoch.",
        right="It decays after each epoch: there is but one rate.",
        matters="What is shown is a constant rate.",
        proof=Demonstration(published=1, corrected=10, observe=_rates),
    ),
)
