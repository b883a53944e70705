"""Right gradients whose digits are lost to rounding, and wrong ones that might be excused by it.

Terms that cancel, another function in float32, values on a plateau, the end of a domain, and a
gradient that is exactly zero: each has been taken for a mistake, or left open, where it was none.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special
from torch.nn import functional

from reference_impls import DTYPES, Array
from verify import Report, check, from_torch

SEEDS = range(3)
Draw = Callable[[np.random.Generator], Any]
Maths = Callable[[Any], Any]


@dataclass(frozen=True)
class Input:
    """A function with a gradient, and where to ask for it.

    Attributes:
        function: what is given to `check`.
        draw: the primals in float64.
        dtypes: in which a right gradient agrees, and a wrong one is convicted. In another a right
            one may be left *inconclusive*, and a wrong one is lost in rounding.
        order: of the derivatives.
    """

    function: Callable[..., Any]
    draw: Draw
    dtypes: tuple[str, ...] = DTYPES
    order: int = 1

    def report(self, dtype: str, seed: int) -> Report:
        drawn = self.draw(np.random.default_rng(seed))
        several = drawn if isinstance(drawn, tuple) else (drawn,)
        primals = tuple(np.asarray(each, dtype) for each in several)
        return check(self.function, primals, seed=seed, order=self.order)


def normal(*shape: int, times: float = 1.0, plus: float = 0.0) -> Draw:
    return lambda rng: plus + times * rng.standard_normal(shape)


def at(*entries: float) -> Draw:
    return lambda _: np.asarray(entries)


def twice(draw: Draw) -> Draw:
    """The same numbers for two arguments."""

    def drawn(rng: np.random.Generator) -> tuple[Array, Array]:
        array = draw(rng)
        return array, array.copy()

    return drawn


def by_slope(f: Maths, slope: Maths) -> Callable[..., Any]:
    """Of a NumPy function that works entry by entry."""
    return lambda x: (np.asarray(f(x), x.dtype), lambda u: np.asarray(u * slope(x), x.dtype))


def with_seed(function: Maths) -> Maths:
    """Random numbers, the same ones in every call."""

    def seeded(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return function(x)  # type: ignore[no-any-return]

    return seeded


def third_squared(x: torch.Tensor) -> torch.Tensor:
    return ((x - torch.tensor(1 / 3, dtype=x.dtype)) ** 2).sum()


def divergence(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    logs = torch.log_softmax(a, 0), torch.log_softmax(b, 0)
    return functional.kl_div(*logs, log_target=True, reduction="sum")


def softmax_by_hand(x: Array) -> Any:  # noqa: ANN401 - a value and a VJP
    p = np.exp(x - x.max())
    p /= p.sum()
    return p, lambda u: p * (u - (u * p).sum())


def standardised_by_hand(x: Array) -> Any:  # noqa: ANN401 - a value and a VJP
    deviation = np.sqrt(x.var() + x.dtype.type(1e-5))
    y = (x - x.mean()) / deviation
    return y, lambda u: (u - u.mean() - y * (u * y).mean()) / deviation


def thousand_by_hand(x: Array) -> Any:  # noqa: ANN401 - a value and a VJP
    big = x.dtype.type(1e3)
    return np.sin(x), lambda u: u * big * np.cos(x) - u * (big - 1) * np.cos(x)


def rounded_value_by_hand(x: Array) -> Any:  # noqa: ANN401 - a value and a VJP
    """exp(sin x), whose gradient is computed from a value that has lost five digits."""
    big = x.dtype.type(1e5)
    value = np.exp(big * np.sin(x) - (big - 1) * np.sin(x))
    return value, lambda u: u * value * np.cos(x)


def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * a).sum() + (b * b).sum() - 2 * (a * b).sum()


FLOAT64 = ("float64",)

CANCELLING = {
    "layer_norm of two": Input(
        from_torch(lambda x: functional.layer_norm(x, (2,))),
        normal(1, 2, times=5),
        FLOAT64,  # in float32, rounding takes all digits of what is left of two
    ),
    "batch_norm of two": Input(
        from_torch(lambda x: functional.batch_norm(x, None, None, training=True)),
        normal(2, 3),
        FLOAT64,
    ),
    "softmax": Input(from_torch(lambda x: torch.softmax(x, -1)), normal(8, times=10)),
    "softmax of thousands": Input(from_torch(lambda x: torch.softmax(1000 * x, -1)), normal(8)),
    "attention": Input(
        from_torch(functional.scaled_dot_product_attention),
        lambda rng: tuple(3 * rng.standard_normal((1, 4, 8)) for _ in range(3)),
    ),
    "logsumexp": Input(from_torch(lambda x: torch.logsumexp(x, -1)), normal(8, times=1000)),
    "a million tanh less the others": Input(
        from_torch(lambda x: 1e6 * torch.tanh(x) - (1e6 - 1) * torch.tanh(x)), normal(5), FLOAT64
    ),
    "cosine similarity with itself": Input(
        from_torch(lambda a, b: 1 - functional.cosine_similarity(a, b, 0)), twice(normal(6))
    ),
    "divergence from itself": Input(from_torch(divergence), twice(normal(6))),
    "a loss at its minimum": Input(from_torch(third_squared), lambda _: np.full(4, 1 / 3)),
    "variance far from zero": Input(
        from_torch(lambda x: x.var()), normal(8, times=1e-3, plus=1000)
    ),
    "group_norm of two": Input(
        from_torch(lambda x: functional.group_norm(x, 2)), normal(2, 4, times=3), FLOAT64
    ),
    "instance_norm of two": Input(
        from_torch(functional.instance_norm), normal(2, 2, 2, times=4), FLOAT64
    ),
    "log_softmax": Input(from_torch(lambda x: torch.log_softmax(x, -1)), normal(6, times=100)),
    "logsumexp near a thousand": Input(
        from_torch(lambda x: torch.logsumexp(x, -1)), normal(6, plus=1000)
    ),
    "distance to itself": Input(from_torch(distance), twice(normal(5))),
    "standardised, in NumPy": Input(standardised_by_hand, normal(2, times=5), FLOAT64),
    "a gradient from a value that is rounded": Input(rounded_value_by_hand, normal(5), FLOAT64),
    "softmax, in NumPy": Input(softmax_by_hand, normal(8, times=10)),
    "a thousand cosines less the others, in NumPy": Input(thousand_by_hand, normal(5)),
}


def with_epsilon(x: torch.Tensor) -> torch.Tensor:
    return x / (x.abs() + torch.finfo(x.dtype).eps).sqrt()


def seeded_in_numpy(x: Array) -> Any:  # noqa: ANN401 - a value and a VJP
    kind: Any = x.dtype
    factor = np.random.default_rng(0).standard_normal(x.shape, dtype=kind)
    return factor * x, lambda u: factor * u


def epsilon_in_numpy(x: Array) -> Any:  # noqa: ANN401 - a value and a VJP
    eps = np.finfo(x.dtype).eps
    return np.log(x + eps), lambda u: u / (x + eps)


def uniform(low: float, high: float, size: int) -> Draw:
    return lambda rng: rng.uniform(low, high, size)


ANOTHER_IN_FLOAT32 = {
    "random factors": Input(from_torch(with_seed(lambda x: x * torch.randn_like(x))), normal(5)),
    # Of few numbers torch draws the same in either dtype.
    "random factors, of many": Input(
        from_torch(with_seed(lambda x: x * torch.randn_like(x))), normal(40), FLOAT64
    ),
    "dropout": Input(from_torch(with_seed(lambda x: functional.dropout(x, 0.5))), normal(3, 4)),
    "an epsilon of the dtype": Input(from_torch(with_epsilon), normal(5, times=1e-5), FLOAT64),
    "bernoulli": Input(
        from_torch(with_seed(lambda x: x.sin() * torch.bernoulli(torch.full_like(x, 0.5)))),
        normal(9),
        FLOAT64,
    ),
    "random shifts": Input(
        from_torch(with_seed(lambda x: (x + torch.randn_like(x)).exp())), normal(5)
    ),
    "rrelu": Input(from_torch(with_seed(lambda x: functional.rrelu(x, training=True))), normal(5)),
    "gumbel softmax": Input(from_torch(with_seed(functional.gumbel_softmax)), normal(2, 5)),
    "random factors, in NumPy": Input(seeded_in_numpy, normal(5), FLOAT64),
    "an epsilon, in NumPy": Input(epsilon_in_numpy, uniform(1e-7, 1e-6, 4), FLOAT64),
}


def narrow_sine(x: Array) -> Any:  # noqa: ANN401 - a value and a VJP
    narrow = x.astype(np.float32)
    slope = np.cos(narrow)
    return np.sin(narrow).astype(x.dtype), lambda u: u * slope.astype(x.dtype)


erf_slope = by_slope(
    lambda x: 0.5 * (1 + special.erf(x / np.sqrt(2))),
    lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
)

UNDECIDED: tuple[str, ...] = ()

PLATEAUS = {
    "float32 inside": Input(from_torch(lambda x: (x.float() ** 2).to(x.dtype)), normal(5)),
    "float16 inside": Input(from_torch(lambda x: (x.half() ** 2).to(x.dtype)), normal(5), ()),
    "bfloat16 inside": Input(from_torch(lambda x: (x.bfloat16() ** 2).to(x.dtype)), normal(5), ()),
    "bfloat16 inside an exponential": Input(
        from_torch(lambda x: x.bfloat16().exp().to(x.dtype)), normal(4), ()
    ),
    "1 - cos": Input(from_torch(lambda x: 1 - torch.cos(x)), at(1e-9), UNDECIDED),
    "1 - cos, in NumPy": Input(
        by_slope(lambda x: 1 - np.cos(x), np.sin), at(1e-9, 2e-9), UNDECIDED
    ),
    "ndtr": Input(from_torch(torch.special.ndtr), at(-5.0)),
    "log_ndtr": Input(from_torch(torch.special.log_ndtr), at(-20.0, -5.0)),
    "float32 inside an exponential": Input(
        from_torch(lambda x: torch.exp(x.float()).to(x.dtype)), normal(5)
    ),
    "float32 inside, in NumPy": Input(narrow_sine, normal(5)),
    "further ndtr": Input(from_torch(torch.special.ndtr), at(-6.0, -4.0)),
    "1 + erf, in NumPy": Input(erf_slope, at(-5.5, -4.5)),
    "log of 1 and little more": Input(from_torch(lambda x: torch.log(1 + x)), at(1e-10, 1e-9)),
    "sqrt(1 + x²) - 1": Input(from_torch(lambda x: (1 + x * x).sqrt() - 1), at(3e-9), UNDECIDED),
}


def cross_entropy(p: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy(p, torch.tensor([0.0, 1.0], dtype=p.dtype))


def by_its_formula(p: torch.Tensor) -> torch.Tensor:
    """The same; torch's own second derivative adds 1e-12 to p, which is 2e-6 of it here."""
    return -(torch.log1p(-p[0]) + torch.log(p[1])) / 2


ENDS = {
    "logit 1e-6 from 1": Input(from_torch(torch.logit), at(1 - 1e-6)),
    "logit 1e-10 from 1": Input(from_torch(torch.logit), at(1 - 1e-10), FLOAT64),
    "atanh": Input(from_torch(torch.atanh), at(1 - 1e-8, 0.3), FLOAT64),
    "acos 1e-6 from 1": Input(from_torch(torch.acos), at(1 - 1e-6, 0.1)),
    "acos 1e-10 from 1": Input(from_torch(torch.acos), at(1 - 1e-10, 0.1), FLOAT64),
    "log": Input(from_torch(torch.log), at(1e-8, 1.0)),
    "sqrt": Input(from_torch(torch.sqrt), at(1e-8, 1.0)),
    "cross entropy": Input(from_torch(cross_entropy), at(1 - 1e-9, 1e-9), FLOAT64),
    "cross entropy, twice": Input(from_torch(by_its_formula), at(1e-6, 1e-6), UNDECIDED, order=2),
    "asin": Input(from_torch(torch.asin), at(1e-7 - 1, 0.5)),
    "acosh": Input(from_torch(torch.acosh), at(1 + 1e-6, 2.0)),
    "entropy": Input(from_torch(torch.special.entr), at(1e-9, 0.3)),
    "rsqrt": Input(from_torch(torch.rsqrt), at(1e-7, 2.0)),
    "log1p at the other end": Input(from_torch(torch.log1p), at(1e-6 - 1, 3.0)),
    "arccos, in NumPy": Input(
        by_slope(np.arccos, lambda x: -1 / np.sqrt(1 - x * x)), at(1 - 1e-9, -0.2), FLOAT64
    ),
    "logit, in NumPy": Input(
        by_slope(special.logit, lambda x: 1 / x / (1 - x)), at(1 - 1e-7, 1e-7, 0.5)
    ),
}


def nearest(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x[None, None], scale_factor=2)


def dead(rng: np.random.Generator) -> Array:
    return -1 - rng.random(5)


ZERO = {
    "floor": Input(from_torch(torch.floor), normal(5)),
    "round": Input(from_torch(torch.round), normal(50)),
    "sign": Input(from_torch(torch.sign), normal(5)),
    "dead ReLU": Input(from_torch(lambda x: torch.relu(x) + 1), dead),
    "hardsigmoid": Input(from_torch(functional.hardsigmoid), at(50.0, -50.0)),
    "nearest": Input(from_torch(nearest), normal(5)),
    "ceil": Input(from_torch(torch.ceil), normal(5, times=100)),
    "trunc": Input(from_torch(torch.trunc), normal(5, times=3)),
    "relu6, dead and full": Input(from_torch(functional.relu6), at(-3.0, 70.0)),
    "clamped": Input(from_torch(lambda x: x.clamp(-0.5, 0.5)), at(2.0, -3.0, 40.0)),
    "a constant of x": Input(from_torch(lambda x: x * 0 + 3), normal(4)),
    "dead ReLU that is 0": Input(from_torch(torch.relu), dead),
    "floor, in NumPy": Input(by_slope(np.floor, np.zeros_like), normal(7)),
    "heaviside, in NumPy": Input(
        by_slope(lambda x: np.heaviside(x, x.dtype.type(0.5)), np.zeros_like), normal(5)
    ),
    "to a ten-thousandth, in NumPy": Input(
        by_slope(lambda x: np.round(x, 4), np.zeros_like), normal(200)
    ),
    "to a tenth, in NumPy": Input(by_slope(lambda x: np.round(x, 1), np.zeros_like), normal(5)),
}

RIGHT: Mapping[str, Input] = CANCELLING | ANOTHER_IN_FLOAT32 | PLATEAUS | ENDS | ZERO


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_not_accused_of_what_rounding_takes(name: str, dtype: str) -> None:
    right = RIGHT[name]
    for seed in SEEDS:
        report = right.report(dtype, seed)
        assert report.verdict != "disagree", str(report)
        if dtype in right.dtypes:
            assert report.verdict == "agree", str(report)


def told(name: str, seed: int = 0) -> str:
    """All that is told of a right gradient in float64."""
    return "; ".join(each.detail for each in RIGHT[name].report("float64", seed).checks)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "few", "many"),
    [
        ("acos 1e-10 from 1", 3, 5),
        ("logit 1e-10 from 1", 2, 5),
        ("ndtr", 6, 9),
        ("float32 inside", 3, 6),
        ("float32 inside, in NumPy", 3, 6),
    ],
)
def test_what_has_lost_digits_says_how_many_are_left(
    name: str, few: int, many: int, seed: int
) -> None:
    (digits,) = re.findall(r"right to (\d) digits", told(name, seed))
    assert few <= int(digits) <= many


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("acos 1e-6 from 1", "right to 8 digits; rounding, as measured, takes the others"),
        ("float32 inside", "digits; the values are rounded, and show no more"),
        ("a million tanh less the others", "its values lose 5 digits to rounding here"),
        ("cosine similarity with itself", "zero beside the value, as far as values can show"),
        ("to a ten-thousandth, in NumPy", "zero, and so is every change of the value beside"),
        ("an epsilon of the dtype", "the values depend on the dtype"),
        ("random factors, of many", "the values depend on the dtype"),
    ],
)
def test_what_was_doubted_says_why_it_agrees(name: str, why: str) -> None:
    assert why in told(name)


@pytest.mark.parametrize("name", ["logsumexp near a thousand", "dead ReLU", "floor", "log_softmax"])
def test_of_what_has_lost_none_nothing_is_told(name: str) -> None:
    assert "digits" not in told(name)
    assert "zero" not in told(name)


def torch_with(value: Maths, slope: Maths) -> Callable[..., Any]:
    """A torch function that works entry by entry, with a slope of its own."""

    class Sloped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's
            ctx.save_for_backward(x)
            return value(x)  # type: ignore[no-any-return]

        @staticmethod
        def backward(ctx: Any, *u: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's
            return u[0] * slope(*ctx.saved_tensors)  # type: ignore[no-any-return]

    return from_torch(Sloped.apply)


def quotient(value: Maths, step: float) -> Callable[..., Any]:
    return torch_with(value, lambda x: (value(x + step) - value(x - step)) / (2 * step))


class Dropped(torch.autograd.Function):
    """x² + 1e-8 y, with no gradient of y."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 -- the context is untyped in torch
        ctx.save_for_backward(x)
        return x**2 + 1e-8 * y

    @staticmethod
    def backward(ctx: Any, *u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401 -- the context is untyped in torch
        return 2 * ctx.saved_tensors[0] * u[0], torch.zeros_like(u[0])


def by_factor(function: Maths, factor: float) -> Callable[..., Any]:
    """The gradient of a torch function, times a number that is nearly 1."""

    class Off(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's
            return x.clone()

        @staticmethod
        def backward(_: Any, *u: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's
            return u[0] * factor

    apply: Any = Off.apply
    return from_torch(lambda x: function(apply(x)))


def two(*shape: int) -> Draw:
    return lambda rng: (rng.standard_normal(shape), rng.standard_normal(shape))


WRONG = {
    "straight through": Input(torch_with(torch.round, torch.ones_like), normal(5)),
    "quotient 1e-4": Input(quotient(torch.exp, 1e-4), normal(5), FLOAT64),
    "quotient 1e-5": Input(quotient(torch.exp, 1e-5), normal(5)),
    "quotient 1e-6": Input(quotient(torch.sin, 1e-6), normal(5)),
    "quotient 1e-8": Input(quotient(torch.sin, 1e-8), normal(5)),
    "weak and dropped": Input(from_torch(Dropped.apply), two(5)),
    "softmax": Input(
        by_factor(lambda x: torch.softmax(x, -1), 1.001), normal(8, times=10), FLOAT64
    ),
    "layer_norm of two": Input(
        by_factor(lambda x: functional.layer_norm(x, (2,)), 1.01), normal(1, 2, times=5), FLOAT64
    ),
    "cancelling": Input(
        by_factor(lambda x: 1e6 * torch.tanh(x) - (1e6 - 1) * torch.tanh(x), 1.001),
        normal(5),
        FLOAT64,
    ),
    "logsumexp": Input(
        by_factor(lambda x: torch.logsumexp(x, -1), 1 + 1e-5), normal(6, plus=1000), FLOAT64
    ),
    "random factors": Input(
        by_factor(with_seed(lambda x: x * torch.randn_like(x)), 1.001), normal(5)
    ),
    "dropout": Input(by_factor(with_seed(lambda x: functional.dropout(x, 0.5)), 2.0), normal(3, 4)),
    "an epsilon of the dtype": Input(by_factor(with_epsilon, 1.001), normal(5)),
    "float32 inside": Input(
        by_factor(lambda x: (x.float() ** 2).to(x.dtype), 1.01), normal(5), FLOAT64
    ),
    "float32 inside, and far off": Input(
        by_factor(lambda x: (x.float() ** 2).to(x.dtype), 1.5), normal(5)
    ),
    "ndtr, and far off": Input(by_factor(torch.special.ndtr, 1.5), at(-5.0), FLOAT64),
    "a float32 constant": Input(
        torch_with(lambda x: x / 6, lambda x: torch.full_like(x, float(np.float32(1 / 6)))),
        normal(5),
        FLOAT64,
    ),
    "ndtr": Input(by_factor(torch.special.ndtr, 1.001), at(-5.0), FLOAT64),
    "logit 1e-10 from 1": Input(by_factor(torch.logit, 1.5), at(1 - 1e-10), FLOAT64),
    "acos 1e-6 from 1": Input(by_factor(torch.acos, 1.001), at(1 - 1e-6, 0.1), FLOAT64),
    "log": Input(by_factor(torch.log, 1.001), at(1e-8, 1.0)),
    "floor": Input(torch_with(torch.floor, torch.ones_like), normal(5)),
    "sign": Input(torch_with(torch.sign, lambda x: 1 / torch.cosh(x) ** 2), normal(5)),
    "leaking ReLU": Input(torch_with(torch.relu, lambda x: 0.01 + 0 * x), dead),
    "hardsigmoid": Input(
        torch_with(functional.hardsigmoid, lambda x: 1 / 6 + 0 * x), at(50.0, -50.0)
    ),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name, wrong in WRONG.items() for dtype in wrong.dtypes]
)
def test_a_wrong_gradient_is_not_excused_by_it(name: str, dtype: str) -> None:
    for seed in SEEDS:
        report = WRONG[name].report(dtype, seed)
        assert report.verdict == "disagree", str(report)
