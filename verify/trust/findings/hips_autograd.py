"""The findings of the tutorial *HIPS autograd*."""

import importlib.util
from collections.abc import Callable, Sequence

import autograd
import numpy as np
from scipy.special import logsumexp

from reference_impls.computation import Array, Arrays, Vjp
from reference_impls.computations import sigmoid, tanh
from reference_impls.descent import rate_at
from reference_impls.training import Record, Training
from reference_impls.trainings import line, polynomial
from verify.trust.findings.finding import Demonstration, Finding, Observation, convicted

TUTORIAL = "hips_autograd"

DRAWS = 100_000


def _tanh_as_published(x: Array) -> tuple[Array, Vjp]:
    """(1 - e⁻ˣ)/(1 + e⁻ˣ)."""
    e = np.exp(-x)
    return (1 - e) / (1 + e), lambda u: {"x": u * 2 * e / (1 + e) ** 2}


def _tanh(x: Array) -> Array:
    return np.tanh(x)


def _moderate() -> Arrays:
    return {"x": np.array([-1.0, 1.0, 2.0])}


def _variances(pairs: Sequence[tuple[float, float]]) -> Observation:
    """Of noise drawn with a second argument, beside the variance that is stated."""
    rng = np.random.default_rng(0)
    found = [(stated, float(rng.normal(0, scale, DRAWS).var())) for stated, scale in pairs]
    wrong = any(abs(variance - stated) > 0.05 * stated for stated, variance in found)
    said = ", ".join(f"{variance:.2f} for {stated:g}" for stated, variance in found)
    return Observation(wrong, f"variances {said}")


def _cost(degree: int) -> Observation:
    """The least that a polynomial of this degree can reach on the tutorial's points."""
    given = polynomial.record(0)
    features, t = given.data["features"][:, : degree + 1], given.data["t"]
    w, *_ = np.linalg.lstsq(features, t)
    cost = float(np.mean((features @ w - t) ** 2) / 2)
    return Observation(cost > 2 * 8, f"degree {degree}: the best cost is {cost:.2f}")


def _is_there(function: str) -> Observation:
    helper = importlib.util.find_spec("funcsigs")
    beside = "" if helper else "; multigrad_dict needs the package funcsigs, which is not there"
    missing = not hasattr(autograd, function)
    said = "no" if missing else "a"
    return Observation(missing, f"autograd has {said} {function}{beside if missing else ''}")


def _staged_sigmoid(x: Array) -> tuple[Array, Vjp]:
    """σ = 1/c, c = 1 + b, b = e⁻ˣ, and back: -1/c² times b times -1."""
    b = np.exp(-x)
    c = 1 + b
    return 1 / c, lambda u: {"x": u * (-1 / c**2) * b * -1}


def _far_left() -> Arrays:
    return {"x": np.array([-720.0, -1.0, 2.0])}


def _farther_than_half() -> Arrays:
    return {"x": np.array([-360.0])}


def _slowest_share(training: Training, given: Record, times: float) -> float:
    features = given.data.get("features")
    X = np.vander(given.data["x"], 2) if features is None else features
    slowest = np.linalg.eigvalsh(X.T @ X / len(X))[0]
    rate = rate_at(training.rule, 0)
    return float((1 - rate * slowest) ** (times * training.steps))


def _convergence(times: int) -> Observation:
    """What is left of the initial error along the slowest direction, after so many such runs."""
    shares = {
        training.name: _slowest_share(training, given, times)
        for training, given in (
            (line.TRAINING, line.record(0)),
            (polynomial.TRAINING, polynomial.record(0)),
        )
    }
    b = float(line.closed_form(line.record(0), times * line.TRAINING.steps)["b"])
    said = ", ".join(f"{share:.1%} ({name})" for name, share in shares.items())
    return Observation(
        max(shares.values()) > 0.01, f"{said} of the initial error is left; b = {b:.4f}"
    )


def _of_nothing(function: Callable[[Array], Array]) -> Observation:
    with np.errstate(invalid="ignore"):
        value = float(function(np.array([-np.inf, -np.inf])))
    return Observation(bool(np.isnan(value)), f"of two terms of 0 it is {value}")


def _shifted_logsumexp(x: Array) -> Array:
    largest = x.max()
    return np.asarray(largest + np.log(np.exp(x - largest).sum()))


def _scipy_logsumexp(x: Array) -> Array:
    return np.asarray(logsumexp(x))


HIPS_FINDINGS = (
    Finding(
        key="S8",
        tutorial=TUTORIAL,
        place="Autograd basic usage",
        kind="value",
        says="A function called tanh is (1 - e⁻ˣ)/(1 + e⁻ˣ).",
        right="That is tanh(x/2): the exponents lack a 2.",
        matters="Its gradient at 1 is 0.393; that of tanh is 0.420.",
        proof=Demonstration(
            published=_tanh_as_published,
            corrected=tanh.by_hand,
            observe=convicted("value", at=_moderate, forward=_tanh),
        ),
    ),
    Finding(
        key="S9",
        tutorial=TUTORIAL,
        place="Linear regression; Linear regression with a feature mapping",
        kind="text",
        says="Noise drawn by normal(0, 2) has variance 2; by normal(0, 4), 4.",
        right="The second argument is the standard deviation: they are 4 and 16.",
        matters="Standard errors of the coefficients come out too small.",
        proof=Demonstration(
            published=((2.0, 2.0), (4.0, 4.0)),
            corrected=((2.0, 2.0**0.5), (4.0, 2.0)),
            observe=_variances,
        ),
    ),
    Finding(
        key="D29",
        tutorial=TUTORIAL,
        place="Linear regression with a feature mapping",
        kind="text",
        says="The feature map that is written out ends with the cube.",
        right="The target is a quartic, and the code's features go up to x⁴.",
        matters="With the features of the text no fit comes near the noise, 8.",
        proof=Demonstration(published=3, corrected=4, observe=_cost),
    ),
    Finding(
        key="D30",
        tutorial=TUTORIAL,
        place="Gradient functions",
        kind="behaviour",
        says="autograd has multigrad, for several arguments at once.",
        right="It has gone; grad takes a tuple of positions.",
        matters="The name cannot be imported.",
        proof=Demonstration(published="multigrad", corrected="grad", observe=_is_there),
    ),
    Finding(
        key="D31",
        tutorial=TUTORIAL,
        place="Staged computation",
        kind="gradient",
        says="The gradient of the sigmoid by stages, from e⁻ˣ.",
        right="Below -709.8 that overflows: ∞ · 0. It is eˣ/(1 + eˣ)².",
        matters="One input far to the left, and all that follows is NaN.",
        proof=Demonstration(
            published=_staged_sigmoid,
            corrected=sigmoid.by_hand,
            observe=convicted("contract", "not finite", at=_far_left),
        ),
    ),
    Finding(
        key="D31b",
        tutorial=TUTORIAL,
        place="Staged computation",
        kind="gradient",
        says="The gradient of the sigmoid by stages, from e⁻ˣ.",
        right="Below -355 the square overflows, and the gradient is 0.",
        matters="It is 4.5e-157 at -360: small, and not zero.",
        proof=Demonstration(
            published=_staged_sigmoid,
            corrected=sigmoid.by_hand,
            observe=convicted("oracle", "dropped dependency", at=_farther_than_half),
        ),
    ),
    Finding(
        key="D32",
        tutorial=TUTORIAL,
        place="Linear regression; Linear regression with a feature mapping",
        kind="text",
        says="1,000 and 10,000 steps of descent learn the parameters.",
        right="The runs stop on the way: a tenth of the initial error is left.",
        matters="What is printed is neither the truth nor least squares.",
        proof=Demonstration(published=1, corrected=5, observe=_convergence),
    ),
    Finding(
        key="D33",
        tutorial=TUTORIAL,
        place="Modularity: custom gradients",
        kind="value",
        says="A numerically stable logsumexp subtracts the largest entry.",
        right="Where all are -∞, that is ∞ - ∞; the value is -∞.",
        matters="A sum of probabilities that are all zero becomes NaN.",
        proof=Demonstration(
            published=_shifted_logsumexp, corrected=_scipy_logsumexp, observe=_of_nothing
        ),
    ),
)
