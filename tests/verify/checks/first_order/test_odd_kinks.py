"""Kinks that no ray shows, kinks that cancel, and values past a guard of the function's own."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from reference_impls import DTYPES, Array, Arrays
from reference_impls.computation import Vjp
from verify import Report, check, from_torch

MakeVjp = Callable[..., tuple[Array, Vjp]]
TensorFunction = Callable[[torch.Tensor], torch.Tensor]

SEEDS = range(5)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

ONE_ROW = np.asarray([1.0, 2, 2, 2, 3])
ROWS = np.asarray([[1.0, 2, 2, 2, 3], [5, 1, 4, 2, 3]])


def of_torch(function: TensorFunction, x: Array, dtype: str, seed: int) -> Report:
    return check(from_torch(function), (x.astype(dtype),), seed=seed)


def norm_of_rows(x: torch.Tensor) -> torch.Tensor:
    return functional.normalize(x, dim=-1)


TIES: list[tuple[str, TensorFunction, Array]] = [
    ("median", torch.median, ONE_ROW),
    ("median of rows", lambda x: x.median(-1).values, ROWS),
    ("nanmedian", torch.nanmedian, ONE_ROW),
    ("kthvalue", lambda x: x.kthvalue(3).values, ONE_ROW),
    ("quantile", lambda x: x.quantile(0.5), ONE_ROW),
    ("quantile between", lambda x: x.quantile(0.4), ONE_ROW),
    ("five that are equal", torch.median, np.full(5, 0.7)),
    ("median of columns", lambda x: x.median(0).values, np.tile([[0.5], [0.5], [0.5]], (1, 40))),
    ("beside a sum", lambda x: x.median() + (x**2).sum(), ONE_ROW),
    ("twelve that are equal", torch.nanmedian, np.full(12, -0.2)),
    ("the largest of forty", torch.amax, np.full(40, 1.3)),
    ("at zero", lambda x: x.kthvalue(2).values, np.zeros(3)),
    ("middle of a network", lambda x: x.sin().median().exp(), ONE_ROW[[3, 2, 1, 0, 4]]),
]


@each_dtype
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("function", "x"), [each[1:] for each in TIES], ids=[t[0] for t in TIES])
def test_any_choice_at_a_tie_of_three_agrees(
    function: TensorFunction, x: Array, seed: int, dtype: str
) -> None:
    report = of_torch(function, x, dtype, seed)
    assert report.verdict == "agree", str(report)


@pytest.mark.parametrize("size", [40, 150, 999])
@pytest.mark.parametrize("function", [torch.amax, torch.median], ids=["amax", "median"])
def test_more_ties_than_can_be_met_are_no_fault(function: TensorFunction, size: int) -> None:
    report = of_torch(function, np.full(size, 0.5), "float64", 0)
    assert report.verdict in ("agree", "inconclusive"), str(report)


def deviation(x: torch.Tensor) -> torch.Tensor:
    return (x - x.median()).abs().median()


@pytest.mark.parametrize("seed", range(15))
def test_ties_within_ties_are_no_fault(seed: int) -> None:
    x = np.random.default_rng(seed).integers(-1, 2, (4, 5)).astype(float)
    report = of_torch(deviation, x, "float64", seed)
    assert report.verdict in ("agree", "inconclusive"), str(report)


def middle(weights: Array) -> MakeVjp:
    """f(x) = the median of three, at a tie with these weights for a gradient."""

    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        order = np.argsort(x)
        is_tie = x[order[0]] == x[order[2]]
        chosen = np.zeros(3)
        chosen[order[1]] = 1.0
        slope = (weights if is_tie else chosen).astype(x.dtype)
        return np.asarray(np.sort(x)[1]), lambda u: {"x": u * slope}

    return make_vjp


@each_dtype
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        ([1, 0, 0], "agree"),
        ([0, 0.5, 0.5], "agree"),
        ([1 / 3, 1 / 3, 1 / 3], "agree"),
        ([1, 1, 1], "disagree"),
        ([0, 0, 0], "disagree"),
        ([2, -1, 0], "disagree"),
        ([0.5, 0.501, 0], "disagree"),
    ],
)
def test_the_weights_of_a_tie_add_up_and_none_is_outside(
    weights: list[float], verdict: str, seed: int, dtype: str
) -> None:
    x = np.full(3, 0.3, dtype)
    report = check(middle(np.asarray(weights)), {"x": x}, seed=seed)
    assert report.verdict == verdict, str(report)
    assert verdict == "agree" or report.diagnosis
    if report.diagnosis:
        assert report.diagnosis.fault == "outside the subdifferential"
        assert report.diagnosis.sentence


def steered(x: Array, y: Array) -> tuple[Array, Vjp]:
    """x y²/(x² + y²), homogeneous and odd, with a gradient of zero at 0, where it has none."""
    square = x * x + y * y
    safe = np.where(square == 0, 1, square)

    def vjp(u: Array) -> Arrays:
        of_x = (y**4 - x * x * y * y) / safe**2
        return {"x": u * of_x, "y": u * 2 * x**3 * y / safe**2}

    return x * y * y / safe, vjp


@pytest.mark.parametrize("seed", SEEDS)
def test_an_odd_function_without_a_derivative_may_have_any_gradient_between(seed: int) -> None:
    x = np.asarray([0.0, 1.0, 0.0])
    report = check(steered, {"x": x, "y": 2 * x}, seed=seed)
    assert report.verdict == "agree", str(report)


CANCELLING: list[tuple[str, TensorFunction, Array]] = [
    ("relu", lambda x: x.relu() - (-x).relu(), np.asarray([0.0, 1.0, -2.0, 0.5])),
    ("relu at zeros", lambda x: x.relu() - (-x).relu(), np.zeros(4)),
    ("twice relu less abs", lambda x: 2 * x.relu() - x.abs(), np.asarray([0.0, 1.0, 0.0])),
    ("clamps", lambda x: x.clamp(min=0) + x.clamp(max=0), np.asarray([0.0, 1.0, -1.0])),
    ("abs times sign", lambda x: (x.abs() * x.sign()).sin(), np.asarray([0.0, 0.3])),
    ("abs to a loss", lambda x: (2 * x.relu() - x.abs() + x**2).sum(), np.asarray([0.0, 2.0])),
]


@each_dtype
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("function", "x"), [each[1:] for each in CANCELLING], ids=[each[0] for each in CANCELLING]
)
def test_kinks_that_cancel_are_told_as_that(
    function: TensorFunction, x: Array, seed: int, dtype: str
) -> None:
    report = of_torch(function, x, dtype, seed)
    assert report.verdict == "disagree", str(report)
    assert report.diagnosis
    assert report.diagnosis.fault == "kinks cancel"
    assert "got " in report.diagnosis.sentence


@each_dtype
def test_kinks_that_cancel_beside_one_that_does_not_are_told_as_that(dtype: str) -> None:
    x = np.asarray([0.0, 1.0, 0.0], dtype)

    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:1].relu() - (-x[:1]).relu(), x[1:].relu()])

    report = check(from_torch(function), (x,))
    assert report.diagnosis
    assert report.diagnosis.fault == "kinks cancel"


@each_dtype
def test_a_gradient_that_is_wrong_beside_the_point_too_is_no_kink_that_cancels(dtype: str) -> None:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        return 1 * x, lambda u: {"x": u * np.where(x == 0, x.dtype.type(0), x.dtype.type(1.1))}

    report = check(make_vjp, {"x": np.asarray([0.0, 1.0, -2.0], dtype)})
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault != "kinks cancel"


def test_a_mistake_of_float32_alone_is_no_kink_that_cancels() -> None:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        factor = np.asarray(1 if x.dtype == np.float64 else 1.5, x.dtype)
        return np.sin(x), lambda u: {"x": u * factor * np.cos(x)}

    report = check(make_vjp, {"x": np.linspace(1, 2, 30, dtype=np.float32)})
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault == "constant factor"


def luv_of(rgb: torch.Tensor) -> torch.Tensor:
    """CIE LUV of linear (r, g, b), whose chromaticity is 0/0 at black but for its guard."""
    matrix = torch.tensor(
        [
            [0.412453, 0.357580, 0.180423],
            [0.212671, 0.715160, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ],
        dtype=rgb.dtype,
    )
    x, y, z = matrix @ (rgb / 12.92)
    lightness, total = 903.3 * y, x + 15 * y + 3 * z + 1e-12
    return torch.stack(
        [
            lightness,
            13 * lightness * (4 * x / total - 0.1978),
            13 * lightness * (9 * y / total - 0.4683),
        ]
    )


def softened(x: torch.Tensor) -> torch.Tensor:
    return x / (x.square().sum(-1, keepdim=True) + 1e-20).sqrt()


def cosine(x: torch.Tensor) -> torch.Tensor:
    return functional.cosine_similarity(x, torch.ones_like(x), dim=-1)


GUARDED: list[tuple[str, TensorFunction, Array]] = [
    ("normalize", norm_of_rows, np.zeros((2, 3))),
    ("normalize, one row", norm_of_rows, np.asarray([[0.0, 0, 0], [1, 2, 3]])),
    ("luv at black", luv_of, np.zeros(3)),
    ("softened", softened, np.zeros((2, 4))),
    ("cosine", cosine, np.zeros((2, 3))),
    ("steep tanh", lambda x: torch.tanh(1e10 * x), np.zeros(3)),
    ("softsign", lambda x: x / (x.abs() + 1e-9), np.zeros(3)),
    ("a guard of 1e-4", lambda x: x / x.norm().clamp_min(1e-4), np.zeros(3)),
]


@each_dtype
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("function", "x"), [each[1:] for each in GUARDED], ids=[each[0] for each in GUARDED]
)
def test_within_a_guard_the_gradient_is_the_guards(
    function: TensorFunction, x: Array, seed: int, dtype: str
) -> None:
    report = of_torch(function, x, dtype, seed)
    assert report.verdict == "agree", str(report)


@each_dtype
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "agree"), (1.001, "disagree"), (-1.0, "")])
def test_within_a_guard_another_gradient_does_not_agree(
    factor: float, verdict: str, seed: int, dtype: str
) -> None:
    def make_vjp(x: Array) -> tuple[Array, Vjp]:
        steepness = np.asarray(1e9, x.dtype)
        t = np.tanh(steepness * x)
        return t, lambda u: {"x": np.asarray(factor, x.dtype) * u * steepness * (1 - t * t)}

    report = check(make_vjp, {"x": np.zeros(4, dtype)}, seed=seed)
    assert report.verdict == (verdict or "disagree"), str(report)


class Longer(torch.autograd.Function):
    """The same value, and a gradient half as long again."""

    @staticmethod
    def forward(_: FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(_: FunctionCtx, *cotangents: torch.Tensor) -> torch.Tensor:
        return 1.5 * cotangents[0]


NORMS = ["nuc", 2, "smallest"]
"""Of matrices. At 0 each has a sphere of limits, and the last of them has a derivative of zero
along the matrix of ones, which its limits have not."""


def norm_of(kind: str | int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: torch.linalg.matrix_norm(x, -2 if kind == "smallest" else kind)


@each_dtype
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", NORMS)
def test_a_norm_of_matrices_at_zero_is_not_accused(kind: str | int, seed: int, dtype: str) -> None:
    report = check(from_torch(norm_of(kind)), np.zeros((4, 4), dtype), seed=seed)
    assert report.verdict != "disagree", str(report)


@each_dtype
@pytest.mark.parametrize("kind", ["nuc", 2])
def test_a_gradient_that_is_longer_than_any_limit_is_outside(kind: str | int, dtype: str) -> None:
    norm = norm_of(kind)
    wrong = from_torch(lambda x: norm(Longer.apply(x)))  # type: ignore[no-untyped-call]
    assert check(wrong, np.zeros((4, 4), dtype)).verdict == "disagree"
