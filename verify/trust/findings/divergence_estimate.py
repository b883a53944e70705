"""The findings of the tutorial *training the neural network* about the divergence it estimates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import log

import numpy as np

from reference_impls import draw
from reference_impls.computation import Array, Arrays, Vjp
from reference_impls.computations.donsker_varadhan import COMPUTATION, by_hand
from reference_impls.datasets import Floats, correlated_gaussians, tutorial_gaussians
from reference_impls.engines.manual.training import ManualTrainer
from reference_impls.training import Course, Indices, train
from reference_impls.trainings import divergence
from verify.trust.findings.finding import Demonstration, Finding, Observation, convicted

TUTORIAL = "training_the_neural_network"

POINTS, BATCHES = 1_000, 10

FRESH_POINTS = 50_000

MORE_EPOCHS = 200
"""Beyond the hundred of the tutorial's record."""

Sample = tuple[Floats, Floats, float]

Batches = Sequence[Mapping[str, Indices]]


def _shared_normals(draw: Callable[[int], Sample]) -> Observation:
    """How far the two samples are from being the same normals, shifted by one."""
    joint, reference, rho = draw(0)
    (x, y), scale = joint.T, np.sqrt([2 * (1 + rho), 2 * (1 - rho)])
    normals = (np.stack([x + y, x - y], axis=1) / scale).ravel()
    apart = float(np.abs(normals[:-1] + reference.ravel()[1:]).max())
    return Observation(apart < 1e-9, f"{normals.size - 1:,} pairs of normals differ by {apart:.2g}")


def _independent(seed: int) -> Sample:
    return correlated_gaussians(np.random.default_rng(seed), POINTS)


def _minibatch(counted: int) -> Callable[..., tuple[Array, Vjp]]:
    """The estimate with log B' subtracted so many times beside the mean in the logarithm."""

    def make_vjp(**primals: Array) -> tuple[Array, Vjp]:
        value, vjp = by_hand(**primals)
        return value - (counted - 1) * log(len(primals["Z_ref"])), vjp

    return make_vjp


def _batch() -> Arrays:
    """With the catalogue's weights: of the tutorial's, the value is nearly nothing but rounding."""
    return draw(COMPUTATION, 100, "float64", 0)


def _value(**primals: Array) -> Array:
    return by_hand(**primals)[0]


TUTORIAL_STEPS = divergence.TRAINING.steps


@cache
def _long_course() -> Course:
    """Of 300 epochs: the tutorial's hundred, and two hundred in our own order."""
    record = divergence.record(0)
    rng = np.random.default_rng(0)
    batches = [*record.batches]
    for _ in range(MORE_EPOCHS):
        order, order_ref = rng.permutation(POINTS), rng.permutation(POINTS)
        batches += _dealt(order, order_ref, range(BATCHES))
    return train(
        replace(divergence.TRAINING, steps=len(batches), kept=(TUTORIAL_STEPS,)),
        replace(record, batches=batches),
        ManualTrainer(),
    )


def _dealt(order: Indices, order_ref: Indices, starts: range) -> list[dict[str, Indices]]:
    return [{"Z": order[j::BATCHES], "Z_ref": order_ref[j::BATCHES]} for j in starts]


def _bound_on(draw: Callable[[], Sample]) -> Observation:
    """The estimate of the overtrained network on some points, beside the divergence."""
    Z, Z_ref, rho = draw()
    estimate = float(by_hand(Z=Z, Z_ref=Z_ref, **_long_course().parameters)[0])
    truth = divergence.truth(rho)
    return Observation(estimate > truth, f"{estimate:.4f} of {truth:.4f} on {len(Z):,} points")


def _training_points() -> Sample:
    return tutorial_gaussians(0)


def _fresh_points() -> Sample:
    """Of the same correlation as those that the network is trained with."""
    *_, rho = tutorial_gaussians(0)
    rng = np.random.default_rng(1)
    joint = rng.multivariate_normal(np.zeros(2), np.array([[1, rho], [rho, 1]]), FRESH_POINTS)
    return joint, rng.standard_normal((FRESH_POINTS, 2)), rho


def _rows_seen(run: Callable[[], tuple[Batches, Arrays]]) -> Observation:
    """By an epoch, and the estimate after a hundred of them."""
    batches, parameters = run()
    seen = len({int(row) for batch in batches[:BATCHES] for row in batch["Z"]})
    estimate = float(by_hand(**divergence.record(0).data, **parameters)[0])
    truth = divergence.truth(tutorial_gaussians(0)[2])
    return Observation(
        seen < POINTS and abs(estimate - truth) > 0.05 * truth,
        f"an epoch sees {seen:,} of {POINTS:,} points, and after 100 the estimate is "
        f"{estimate:.6f} of {truth:.6f}",
    )


def _indexed_by_epoch() -> tuple[Batches, Arrays]:
    """With the index of the epoch, among the ten of a call, where that of the batch belongs."""
    record = divergence.record(0)
    batches = [
        record.batches[BATCHES * epoch + epoch % BATCHES]
        for epoch in range(divergence.EPOCHS)
        for _ in range(BATCHES)
    ]
    course = train(divergence.TRAINING, replace(record, batches=batches), ManualTrainer())
    return batches, course.parameters


def _indexed_by_batch() -> tuple[Batches, Arrays]:
    return divergence.record(0).batches, _long_course().iterates[TUTORIAL_STEPS]


def _on_other_data(estimate: Callable[[Arrays, Arrays], Arrays]) -> Observation:
    """Two trainers with other data and the same network: do they report other estimates?"""
    record = divergence.record(0)
    reported = [
        float(by_hand(**estimate(own, record.data), **_long_course().parameters)[0])
        for own in (record.data, {name: 0.5 * a for name, a in record.data.items()})
    ]
    said = "the same" if reported[0] == reported[1] else "another"
    return Observation(
        reported[0] == reported[1], f"with other data {said} estimate, {reported[1]:.4f}"
    )


def _is_the_divergence(formula: Callable[[float], float]) -> Observation:
    """The mean of the logarithm of the ratio of densities, which is a quadratic, by quadrature."""
    *_, rho = tutorial_gaussians(0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    u, v = np.meshgrid(nodes, nodes)
    x, y = u, rho * u + np.sqrt(1 - rho**2) * v
    ratio = (x * x + y * y) / 2 - (x * x - 2 * rho * x * y + y * y) / (2 * (1 - rho**2))
    mean = float((ratio * np.outer(weights, weights)).sum() / (2 * np.pi))
    integral = mean - 0.5 * log(1 - rho**2)
    stated = formula(rho)
    return Observation(
        abs(stated - integral) > 1e-9, f"{stated:.7f}, where the integral is {integral:.7f}"
    )


DIVERGENCE_FINDINGS = (
    Finding(
        key="S10",
        tutorial=TUTORIAL,
        place="Encapsulation, DVTrainer.step",
        kind="value",
        says="Every inner step takes another batch of the permutation.",
        right="The slice must start at the counter of batches; it starts at that of epochs.",
        matters="Ten steps in a row see the same tenth of the data, and the estimate stays low.",
        proof=Demonstration(
            published=_indexed_by_epoch, corrected=_indexed_by_batch, observe=_rows_seen
        ),
    ),
    Finding(
        key="S11",
        tutorial=TUTORIAL,
        place="Encapsulation, DVTrainer.step",
        kind="behaviour",
        says="A trainer holds its own data, so that several do not interfere.",
        right="It trains on its own data, and evaluates on global variables.",
        matters="With other data it reports an estimate of data it was not given.",
        proof=Demonstration(
            published=lambda _, everybody: everybody,
            corrected=lambda own, _: own,
            observe=_on_other_data,
        ),
    ),
    Finding(
        key="S12",
        tutorial=TUTORIAL,
        place="A practical implementation, ground truth",
        kind="value",
        says="The divergence is ½ log(1 - ρ²).",
        right="It is minus that; the solution's code has the minus.",
        matters="A divergence is never negative: no estimate can come close.",
        proof=Demonstration(
            published=lambda rho: 0.5 * log(1 - rho**2),
            corrected=divergence.truth,
            observe=_is_the_divergence,
        ),
    ),
    Finding(
        key="D1",
        tutorial=TUTORIAL,
        place="Set-up, the samples",
        kind="text",
        says="A sample, and a reference sample of a generator of its own.",
        right="Both generators have one seed: the same normals, shifted by one.",
        matters="A divergence is estimated between samples that are not independent.",
        proof=Demonstration(
            published=tutorial_gaussians, corrected=_independent, observe=_shared_normals
        ),
    ),
    Finding(
        key="D3",
        tutorial=TUTORIAL,
        place="A practical implementation, minibatch loss",
        kind="value",
        says="The loss of a batch has the mean of eᵗ, and log B' once more.",
        right="The mean divides by B' already; the code has it once.",
        matters="Every loss is off by log 100 = 4.605, and is no estimate of anything.",
        proof=Demonstration(
            published=_minibatch(2),
            corrected=_minibatch(1),
            observe=convicted("value", at=_batch, forward=_value, wrt=COMPUTATION.wrt),
        ),
    ),
    Finding(
        key="D5",
        tutorial=TUTORIAL,
        place="A practical implementation, exercise",
        kind="text",
        says="Train again and again until the estimate is close to the truth.",
        right="On the training points the estimate is no lower bound: it passes the truth.",
        matters="After 300 epochs it lies above, while on new points it is worthless.",
        proof=Demonstration(published=_training_points, corrected=_fresh_points, observe=_bound_on),
    ),
)
