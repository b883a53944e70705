"""The findings of the tutorial *multilayer perceptron* about activation functions."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import linprog

from reference_impls.computation import Array, Arrays, Vjp
from reference_impls.computations import sigmoid, tanh
from verify.trust.faults.kinks import relu_with
from verify.trust.findings.finding import Demonstration, Finding, Observation, convicted
from verify.trust.planted import MakeVjp

TUTORIAL = "multilayer_perceptron"

Elementwise = Callable[[Array], Array]


def _slopes_at_zero(definitions: Sequence[MakeVjp]) -> Observation:
    slopes = [make_vjp(x=np.zeros(1))[1](np.ones(1))["x"].item() for make_vjp in definitions]
    said = " and ".join(f"{slope:g}" for slope in slopes)
    return Observation(len(set(slopes)) > 1, f"slopes at 0 are {said}")


def _tanh_as_published(x: Array) -> tuple[Array, Vjp]:
    """(eˣ - e⁻ˣ)/(eˣ + e⁻ˣ), with the slope 1 - tanh²."""
    up, down = np.exp(x), np.exp(-x)
    t = (up - down) / (up + down)
    return t, lambda u: {"x": u * (1 - t * t)}


def _tanh_in_full(x: Array) -> tuple[Array, Vjp]:
    """With the slope 4 e²ˣ/(1 + e²ˣ)², from the side where the exponential is small."""
    value, _ = tanh.by_hand(x)
    e = np.exp(2 * np.where(x > 0, -x, x))
    return value, lambda u: {"x": u * 4 * e / (1 + e) ** 2}


def _sigmoid_as_published(x: Array) -> tuple[Array, Vjp]:
    """1/(1 + e⁻ˣ), with the slope σ (1 - σ)."""
    s = 1 / (1 + np.exp(-x))
    return s, lambda u: {"x": u * s * (1 - s)}


def _tanh(x: Array) -> Array:
    return np.tanh(x)


def _overflowing() -> Arrays:
    return {"x": np.array([1.0, 710.0])}


def _saturated() -> Arrays:
    return {"x": np.array([16.0, 18.0])}


def _more_saturated() -> Arrays:
    return {"x": np.array([30.0, 34.0])}


def _distance_to_modulus(activation: Elementwise) -> Observation:
    """The least greatest error of one hidden layer of 64 units, as a function |x| on [-1, 1].

    Only the output layer is fitted, by linear programming: no better choice of it is left.
    """
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 201)
    slopes, offsets = rng.uniform(-4, 4, 64), rng.uniform(-4, 4, 64)
    features = np.column_stack([activation(np.outer(x, slopes) + offsets), np.ones_like(x)])
    features /= np.abs(features).max(axis=0)
    error = np.ones((x.size, 1))
    bounds = np.block([[features, -error], [-features, -error]])
    aim = np.append(np.zeros(features.shape[1]), 1)
    fit = linprog(
        aim, bounds, np.concatenate([np.abs(x), -np.abs(x)]), bounds=(None, None), method="highs"
    )
    least = np.nan if fit.x is None else float(fit.x[-1])
    return Observation(least > 0.12, f"64 units come within {least:.4f} of |x|")


def _square(x: Array) -> Array:
    return x * x


ACTIVATION_FINDINGS = (
    Finding(
        key="S6",
        tutorial=TUTORIAL,
        place="Activation functions",
        kind="text",
        says="The derivative of ReLU at 0 is 1.",
        right="The code, and the derivation after it, take 0. Either is right.",
        matters="Text and code differ at every fresh bias and every padded pixel.",
        proof=Demonstration(
            published=(relu_with(1.0), relu_with(0.0)),
            corrected=(relu_with(0.0), relu_with(0.0)),
            observe=_slopes_at_zero,
        ),
    ),
    Finding(
        key="S7",
        tutorial=TUTORIAL,
        place="Activation functions",
        kind="value",
        says="tanh is (eˣ - e⁻ˣ)/(eˣ + e⁻ˣ), as it stands.",
        right="From x = 710 on, that is ∞/∞.",
        matters="One large activation, and the whole network is NaN.",
        proof=Demonstration(
            published=_tanh_as_published,
            corrected=_tanh_in_full,
            observe=convicted("value", at=_overflowing, forward=_tanh),
        ),
    ),
    Finding(
        key="D25",
        tutorial=TUTORIAL,
        place="Multilayer perceptron, universal approximation",
        kind="text",
        says="Any activation that is not linear approximates any function.",
        right="No polynomial does (Leshno et al., 1993).",
        matters="Units t² span the quadratics, 1/8 from |x| however many there are.",
        proof=Demonstration[Elementwise](
            published=_square, corrected=_tanh, observe=_distance_to_modulus
        ),
    ),
    Finding(
        key="D27",
        tutorial=TUTORIAL,
        place="Activation functions",
        kind="gradient",
        says="The derivative of tanh is computed as 1 - tanh².",
        right="That cancels: from x = 18 on few digits are left, from 20 none.",
        matters="A gradient of 1e-17 becomes 0, and none of its digits is right before.",
        proof=Demonstration(
            published=_tanh_as_published,
            corrected=_tanh_in_full,
            observe=convicted("precision", at=_saturated, precision=True),
        ),
    ),
    Finding(
        key="D27b",
        tutorial=TUTORIAL,
        place="Activation functions",
        kind="gradient",
        says="The derivative of the sigmoid is computed as s (1 - s).",
        right="That cancels for large x: by stages, e⁻ˣ/(1 + e⁻ˣ)², it does not.",
        matters="As with tanh, from x = 37 on the gradient is 0.",
        proof=Demonstration(
            published=_sigmoid_as_published,
            corrected=sigmoid.by_hand,
            observe=convicted("precision", at=_more_saturated, precision=True),
        ),
    ),
)
