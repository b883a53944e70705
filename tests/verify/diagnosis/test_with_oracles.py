from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from reference_impls import Array, Arrays
from tests.verify.diagnosis.shared import each_dtype
from verify.diagnosis import MAX_CALLS, Diagnosis, diagnose
from verify.oracles.complex_step import complex_step
from verify.oracles.derivative import derivative
from verify.oracles.estimate import Estimate, Functional, Scalar
from verify.oracles.richardson import richardson


@dataclass
class Layer:
    """tanh(x W + b), its VJP by hand, and the truth from an oracle on its values."""

    batch: int
    dtype: str
    oracle: Callable[[Functional], Estimate]
    calls: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.batch)
        shapes = {"x": (self.batch, 5), "W": (5, 5), "b": (5,)}
        self.primals = {
            name: rng.standard_normal(shape).astype(self.dtype) for name, shape in shapes.items()
        }
        self.cotangent = rng.standard_normal((self.batch, 5)).astype(self.dtype)

    def value(self, x: Array, W: Array, b: Array) -> Array:
        return np.asarray(np.tanh(x @ W + b))

    def vjp(self, cotangent: Array) -> Arrays:
        x, W = self.primals["x"], self.primals["W"]
        slope = (1 - self.value(**self.primals) ** 2) * cotangent
        return {"x": slope @ W.T, "W": x.T @ slope, "b": slope.sum(axis=0)}

    def truth(self, tangents: Arrays) -> Estimate:
        self.calls += 1
        wide = {name: primal.astype(np.float64) for name, primal in self.primals.items()}

        def phi(h: Scalar) -> Scalar:
            moved = {name: wide[name] + h * v for name, v in tangents.items()}
            return complex(np.sum(self.cotangent * self.value(**wide | moved)))

        return self.oracle(phi)

    def diagnose(self, broken: Callable[[Arrays], Arrays]) -> Diagnosis:
        found = diagnose(
            broken(self.vjp(self.cotangent)),
            self.truth,
            cotangent=self.cotangent,
            vjp=lambda u: broken(self.vjp(u)),
            dtype=self.dtype,
            rng=np.random.default_rng(1),
            primals=self.primals,
        )
        assert self.calls <= MAX_CALLS + 1
        return found


def changed(name: str, fault: Callable[[Array], Array]) -> Callable[[Arrays], Arrays]:
    return lambda got: got | {name: np.asarray(fault(got[name])).astype(got[name].dtype)}


def without(flat: int) -> Callable[[Array], Array]:
    def fault(array: Array) -> Array:
        array = array.copy()
        array.flat[flat] = 0
        return array

    return fault


@each_dtype
@pytest.mark.parametrize("batch", [3, 200, 4_000])
@pytest.mark.parametrize("oracle", [derivative, complex_step, richardson])
@pytest.mark.parametrize(
    ("fault", "argument", "broken"),
    [
        ("constant factor", "x", changed("x", lambda g: 1.0005 * g)),
        ("sign", "W", changed("W", np.negative)),
        ("1/N", "b", lambda got: changed("b", lambda g: g / len(got["x"]))(got)),
        ("transpose", "W", changed("W", np.transpose)),
        ("roll", "x", changed("x", lambda g: np.roll(g, 1, axis=0))),
        ("dropped dependency", "b", changed("b", np.zeros_like)),
        ("over-reduced broadcast", "x", changed("x", lambda g: 0 * g + g.sum(axis=1)[:, None])),
        ("a few entries", "x", changed("x", without(7))),
    ],
)
def test_faults_are_told_by_the_real_oracles(
    oracle: Callable[[Functional], Estimate],
    batch: int,
    dtype: str,
    fault: str,
    argument: str,
    broken: Callable[[Arrays], Arrays],
) -> None:
    found = Layer(batch, dtype, oracle).diagnose(broken)
    assert (found.fault, found.argument) == (fault, argument), found
    assert abs(found.got - found.expected) > found.error_bar


@pytest.mark.parametrize("batch", [3, 200])
def test_a_downcast_is_told_by_a_real_oracle(batch: int) -> None:
    layer = Layer(batch, "float64", derivative)
    found = layer.diagnose(
        lambda got: {k: g.astype(np.float32).astype(g.dtype) for k, g in got.items()}
    )
    assert found.fault == "dtype downcast"
