from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from reference_impls import DTYPES, Array, Arrays
from reference_impls.computation import Vjp
from verify.diagnosis import FAULTS, MAX_CALLS, Derivative, Diagnosis, diagnose
from verify.oracles.estimate import Estimate

Shapes = Mapping[str, tuple[int, ...]]


SHAPES: dict[int, Shapes] = {
    6: {"x": (3, 2), "W": (2, 3), "b": (3,)},
    1_000: {"x": (40, 25), "W": (25, 25), "b": (25,)},
    100_000: {"x": (100_000,), "W": (300, 300), "b": (300,)},
}

ARGUMENTS = ("x", "W", "b")

COTANGENT = np.ones(7)

each_dtype = pytest.mark.parametrize("dtype", DTYPES)

each_size = pytest.mark.parametrize("size", SHAPES)

large = pytest.mark.parametrize("size", [1_000, 100_000])


@dataclass
class KnownGradient:
    """A true gradient drawn at random, and the truth about it in closed form."""

    shapes: Shapes
    dtype: str
    seed: int = 0
    bar: float = 1e-14
    calls: int = 0
    primals: Arrays = field(default_factory=dict)
    gradient: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        for name, shape in self.shapes.items():
            self.primals[name] = np.asarray(self.rng.standard_normal(shape), self.dtype)
            self.gradient[name] = np.asarray(self.rng.standard_normal(shape))

    def truth(self, tangents: Arrays) -> Estimate:
        self.calls += 1
        terms = [np.ravel(self.gradient[name] * v) for name, v in tangents.items()]
        size = float(np.hypot.reduce([np.linalg.norm(term) for term in terms]))
        return Estimate(float(sum(term.sum() for term in terms)), self.bar * size, "closed form")

    def diagnose(
        self,
        wrong: Arrays,
        vjp: Vjp | None = None,
        cotangent: Array = COTANGENT,
        truth: Derivative | None = None,
    ) -> Diagnosis:
        got = {name: np.asarray(g, self.dtype) for name, g in (self.gradient | wrong).items()}
        found = diagnose(
            got,
            truth or self.truth,
            cotangent=cotangent,
            vjp=vjp,
            dtype=self.dtype,
            rng=np.random.default_rng([self.seed, 1]),
            primals=self.primals,
        )
        assert found.fault in FAULTS
        assert self.calls <= MAX_CALLS + 1
        return found

    def assert_shows_a_wrong_entry(self, found: Diagnosis, got: Array) -> None:
        """Index, got and expected are those of one entry, and it is wrong."""
        entry = () if not found.index else tuple(map(int, found.index[1:-1].split(",")))
        assert found.got == got.astype(self.dtype)[entry]
        expected = self.gradient[found.argument][entry]
        assert abs(found.expected - expected) <= 1e-12 * (1 + abs(expected))
        assert abs(found.got - expected) > found.error_bar + 1e-9 * abs(expected)
        assert found.error_bar <= 1e-12 * (1 + abs(expected))

    def assert_found(self, fault: str, argument: str, wrong: Any) -> Diagnosis:  # noqa: ANN401 - any array
        array = np.asarray(wrong)
        found = self.diagnose({argument: array})
        assert (found.fault, found.argument) == (fault, argument), found
        self.assert_shows_a_wrong_entry(found, array)
        others = [name for name in self.shapes if name != argument]
        right = f"those of {others[0]} and {others[1]} are right"
        assert found.sentence.startswith(f"gradient of {argument} ")
        assert found.sentence.endswith(right)
        return found


def middle_of(sentence: str) -> str:
    """What a sentence says between its subject and the arguments that are right."""
    return sentence.split("; those of", maxsplit=1)[0].split(maxsplit=3)[3]


def without_mean(known: KnownGradient, shape: tuple[int, ...]) -> Array:
    noise = known.rng.standard_normal(shape)
    return np.asarray(noise - noise.mean())
