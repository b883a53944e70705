from collections.abc import Callable

import numpy as np
import pytest

from reference_impls import Array, Arrays, Vjp
from verify import check
from verify.diagnosis import Surroundings, diagnose
from verify.oracles.estimate import Estimate

X = np.random.default_rng(4).standard_normal(30)


def mask(shape: tuple[int, ...], dtype: type[np.floating]) -> Array:
    return np.asarray(np.random.default_rng(0).random(shape, dtype) < 1 / 2)


def noise(shape: tuple[int, ...], dtype: type[np.floating]) -> Array:
    return np.asarray(np.random.default_rng(7).standard_normal(shape, dtype))


def floating(x: Array) -> type[np.floating]:
    return np.float32 if x.dtype == np.float32 else np.float64


def dropout(x: Array) -> tuple[Array, Vjp]:
    return x * mask(x.shape, np.float64), lambda u: {"x": u * mask(u.shape, floating(u))}


def noisy(x: Array) -> tuple[Array, Vjp]:
    drawn = noise(x.shape, np.float64).astype(x.real.dtype)
    return x * x * drawn, lambda u: {"x": 2 * x * u * noise(u.shape, floating(u)).astype(u.dtype)}


def difference(x: Array) -> tuple[Array, Vjp]:
    step = 1e-7
    slope = (np.sin(x + step) - np.sin(x - step)) / (2 * step)
    return np.sin(x), lambda u: {"x": (u * slope).astype(u.dtype)}


@pytest.mark.parametrize("function", [dropout, noisy, difference])
def test_what_is_wrong_in_float32_alone_is_told_as_that(
    function: Callable[[Array], tuple[Array, Vjp]],
) -> None:
    report = check(function, {"x": X.astype(np.float32)})
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault == "depends on dtype or layout"
    assert (
        "is wrong in float32 and right in float64: seeded random numb" in report.diagnosis.sentence
    )


@pytest.mark.parametrize(
    "drawn", [mask, noise, lambda shape, dtype: np.full(shape, np.finfo(dtype).eps ** 0.1)]
)
def test_the_oracle_accuses_no_gradient_of_values_that_depend_on_the_dtype(
    drawn: Callable[[tuple[int, ...], type[np.floating]], Array],
) -> None:
    def seeded(x: Array) -> tuple[Array, Vjp]:
        weights = drawn(x.shape, floating(x)).astype(x.real.dtype)
        return x * weights, lambda u: {"x": u * weights}

    report = check(seeded, {"x": X.astype(np.float32)})
    (oracle,) = [each for each in report.checks if each.kind == "oracle"]
    assert oracle.verdict == "inconclusive"
    assert "as the values depend on the dtype: value[" in oracle.detail
    assert oracle.detail.endswith("in float64; seeded random numbers?")


def test_a_function_that_is_ill_conditioned_is_not_said_to_depend_on_the_dtype() -> None:
    def steep(x: Array) -> tuple[Array, Vjp]:
        return np.sin(1e7 * x), lambda u: {"x": 3e7 * u * np.cos(1e7 * x)}

    report = check(steep, {"x": X.astype(np.float32)})
    assert not any("depend on the dtype" in each.detail for each in report.checks)


def squared(x: Array) -> tuple[Array, Vjp]:
    return x * x, lambda u: {"x": 2 * x * u}


def sines(x: Array) -> tuple[Array, Vjp]:
    return np.sin(3 * x), lambda u: {"x": 3 * np.cos(3 * x) * u}


def softened(x: Array) -> tuple[Array, Vjp]:
    e = np.exp(x - x.max())
    p = e / e.sum()
    return p, lambda u: {"x": p * (u - np.sum(u * p))}


@pytest.mark.parametrize("function", [squared, sines, softened])
def test_that_float32_is_rounded_and_float64_is_not_is_no_dependence_on_the_dtype(
    function: Callable[[Array], tuple[Array, Vjp]],
) -> None:
    x, u = X.astype(np.float32), np.cos(X).astype(np.float32)
    exact = function(x.astype(np.float64))[1](u.astype(np.float64))["x"]

    def truth(tangents: Arrays) -> Estimate:
        terms = exact * tangents["x"]
        return Estimate(float(terms.sum()), 1e-15 * float(np.abs(terms).sum()), "closed form")

    def at(primals: Arrays) -> tuple[Array, Vjp]:
        return function(primals["x"])

    _, vjp = function(x)
    found = diagnose(
        vjp(u),
        truth,
        cotangent=u,
        vjp=vjp,
        dtype="float32",
        rng=np.random.default_rng(0),
        primals={"x": x},
        around=Surroundings(
            {"x": x}, u, lambda at: function(at["x"])[0], lambda at: function(at["x"])
        ),
    )
    assert found.fault in ("unknown", "lost digits")
