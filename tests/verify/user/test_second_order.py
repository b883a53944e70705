"""Second derivatives of functions in torch and autograd that are right, where engines stumble."""

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from reference_impls.computation import Array
from verify import Report, check, from_autograd, from_torch

Native = Any

RNG = np.random.default_rng(6)
SQUARE = RNG.standard_normal((3, 3))
X, Y, Z = (RNG.standard_normal(4) for _ in range(3))
HOLES = np.array([1.0, 0.0, 2.0, -0.5])
INFINITE = np.array([0.3, -np.inf, 1.0])


def disagreements(report: Report) -> list[str]:
    return [each.against for each in report.checks if each.verdict == "disagree"]


LOSES_A_TANGENT: dict[str, tuple[Callable[..., Native], tuple[Array, ...]]] = {
    "det": (torch.linalg.det, (SQUARE,)),
    "slogdet": (lambda a: torch.linalg.slogdet(a)[1], (SQUARE,)),
    "logdet": (lambda a: torch.logdet(a @ a.T), (SQUARE,)),
    "solve": (torch.linalg.solve, (SQUARE, X[:3])),
    "solve, of a batch": (
        torch.linalg.solve,
        (RNG.standard_normal((2, 3, 3)), RNG.standard_normal((2, 3, 1))),
    ),
    "solve, triangular": (
        lambda a, b: torch.linalg.solve_triangular(a.tril(), b, upper=False),
        (SQUARE + 3 * np.eye(3), SQUARE),
    ),
    "inv": (torch.linalg.inv, (SQUARE,)),
    "cholesky": (lambda a: torch.linalg.cholesky(a @ a.T + torch.eye(3)), (SQUARE,)),
    "prod": (torch.prod, (X,)),
    "prod with a zero": (torch.prod, (HOLES,)),
    "prod of an axis": (lambda x: torch.prod(x.reshape(2, 2), 0), (HOLES,)),
    "cumprod": (lambda x: torch.cumprod(x, 0), (X,)),
    "cumprod with a zero": (lambda x: torch.cumprod(x, 0), (HOLES,)),
    "det in a loss": (lambda a, x: torch.linalg.det(a) * torch.sin(x).sum(), (SQUARE, X)),
}

KNOWN_TO_BE_ZERO: dict[str, tuple[Callable[..., Native], tuple[Array, ...]]] = {
    "abs": (torch.abs, (X,)),
    "l1_loss": (functional.l1_loss, (X, Y)),
    "l1_loss, where its terms nearly cancel": (
        lambda x, y: functional.l1_loss(x, y).clone(),
        tuple(np.random.default_rng(0).standard_normal((2, 3))),
    ),
    "l1_loss, of entries": (lambda x, y: functional.l1_loss(x, y, reduction="none"), (X, Y)),
    "sgn beside": (lambda x: torch.sgn(x) + x, (X,)),
    "norm of order 1": (lambda x: torch.linalg.vector_norm(x, 1), (X,)),
    "a sum": (torch.sum, (X,)),
    "relu": (torch.relu, (X,)),
    "weighted": (lambda x, y: (x.abs() * y).sum(), (X, Y)),
    "triangle": (lambda x: functional.hardtanh(x), (X,)),  # noqa: PLW0108 -- it has no name in C
}

INFINITE_ENTRIES: dict[str, Callable[..., Native]] = {
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "logsumexp": lambda x: torch.logsumexp(x, 0),
    "softmax": lambda x: torch.softmax(x, 0),
}


def cases(
    *tables: dict[str, tuple[Callable[..., Native], tuple[Array, ...]]],
) -> pytest.MarkDecorator:
    found = {name: case for table in tables for name, case in table.items()}
    return pytest.mark.parametrize("case", found.values(), ids=found)


@cases(LOSES_A_TANGENT, KNOWN_TO_BE_ZERO)
@pytest.mark.parametrize("seed", range(3))
def test_of_torch_agree_in_both_modes(
    case: tuple[Callable[..., Native], tuple[Array, ...]], seed: int
) -> None:
    function, primals = case
    report = check(from_torch(function), primals, order=2, seed=seed)
    assert report.verdict == "agree", str(report)
    second = {each.against for each in report.checks if each.kind == "second order"}
    assert "forward over reverse" in second


@pytest.mark.parametrize("name", INFINITE_ENTRIES)
def test_beside_an_infinite_entry_agree(name: str) -> None:
    report = check(from_torch(INFINITE_ENTRIES[name]), (INFINITE,), order=2)
    assert report.verdict == "agree", str(report)


@pytest.mark.parametrize("function", [anp.exp, lambda x: anp.sum(anp.exp(x)) ** 2])
def test_of_autograd_agree_beside_an_infinite_entry(function: Callable[..., Native]) -> None:
    report = check(from_autograd(function), (INFINITE,), order=2)
    assert report.verdict == "agree", str(report)


CANCELLING: dict[str, Callable[..., Native]] = {
    "linear, by a quotient": lambda x, y: x * y / x + 0 * x,
    "lengths of rows of one": lambda x, y: torch.linalg.vector_norm(
        x[:, None] * y.sign()[:, None], dim=1
    ),
    "sign copied": lambda x, y: torch.copysign(x, y) + y,
}


@pytest.mark.parametrize("name", CANCELLING)
def test_that_are_zero_but_for_their_rounding_are_symmetric_enough(name: str) -> None:
    report = check(from_torch(CANCELLING[name]), (X, Y), order=2)
    undecided = {each.against for each in report.checks if each.verdict == "inconclusive"}
    assert report.verdict in ("agree", "inconclusive"), str(report)
    assert "symmetry" not in undecided, str(report)


class Cube(torch.autograd.Function):
    """x³, with a JVP; its backward says that it cannot be differentiated."""

    generate_vmap_rule = False

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x**3

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
        (x,) = ctx.saved_tensors
        return 3 * x**2 * cotangents[0]

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
        (x,) = ctx.saved_tensors
        return 3 * x**2 * tangents[0]


@pytest.mark.parametrize(
    "wrap",
    [lambda f: f, lambda f: lambda x: f(x).exp(), lambda f: lambda x: f(x.sin()) * x],
    ids=["alone", "inside", "between"],
)
def test_of_what_is_once_differentiable_forward_over_reverse_is_checked(
    wrap: Callable[[Callable[..., Native]], Callable[..., Native]],
) -> None:
    cube: Callable[..., torch.Tensor] = Cube.apply
    report = check(from_torch(wrap(cube)), (X,), order=2)
    assert report.verdict == "agree", str(report)
    assert "linearity" in {each.against for each in report.checks if each.kind == "second order"}


class Detached(torch.autograd.Function):
    """The product of all entries; its backward is right, and its double backward loses a term."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
        ctx.save_for_backward(x)
        return x.prod()

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
        (x,) = ctx.saved_tensors
        return cotangents[0] * x.detach().prod() / x


def test_that_lose_a_term_are_convicted() -> None:
    assert disagreements(check(from_torch(Detached.apply), (X,), order=2))
    assert disagreements(check(from_torch(Detached.apply), (X,))) == []


@pytest.mark.parametrize("slope", [1e-3, 1e-6])
def test_that_are_zero_and_should_not_be_are_convicted(slope: float) -> None:
    """Where none of the gradients moves, S must be zero; where one does, it must not."""

    class Bent(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
            ctx.save_for_backward(x)
            return x.abs() + slope * x**2

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor) -> Native:  # noqa: ANN401 -- the context is untyped in torch
            (x,) = ctx.saved_tensors
            return cotangents[0] * (x.sign() + 2 * slope * x.detach())

    assert disagreements(check(from_torch(Bent.apply), (X,), order=2))


AT_KINKS: dict[str, tuple[Callable[..., Native], Array]] = {
    "a norm at zero": (torch.linalg.vector_norm, np.zeros(5)),
    "a matrix's norm at zero": (torch.linalg.matrix_norm, np.zeros((3, 2))),
    "the distance to itself": (lambda x: torch.linalg.vector_norm(x - torch.ones(3)), np.ones(3)),
}


@pytest.mark.parametrize("name", AT_KINKS)
def test_at_a_kink_there_is_no_second_derivative_to_be_wrong(name: str) -> None:
    function, point = AT_KINKS[name]
    report = check(from_torch(function), point, order=2)
    assert report.verdict == "inconclusive", str(report)
    assert "no second derivative exists" in str(report)


def test_near_the_end_of_a_domain_second_derivatives_are_held_against_shorter_steps() -> None:
    p, t = RNG.random((2, 4, 4))

    def loss(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        if bool(((t < 0) | (t > 1)).any()):
            raise ValueError("targets are probabilities")
        return -(t * torch.log(p) + (1 - t) * torch.log1p(-p)).mean()

    report = check(from_torch(loss), (p, t), order=2)
    assert report.verdict == "agree", str(report)


class Off(torch.autograd.Function):
    """x itself, with a gradient that is off by a factor."""

    @staticmethod
    def forward(context: Native, x: torch.Tensor, factor: float) -> torch.Tensor:
        context.factor = factor
        return x.clone()

    @staticmethod
    def backward(context: Native, cotangent: torch.Tensor) -> tuple[torch.Tensor, None]:
        return cotangent * context.factor, None


class OffTwice(Off):
    """The same of the gradient's gradient."""

    @staticmethod
    def backward(context: Native, cotangent: torch.Tensor) -> tuple[torch.Tensor, None]:
        return Off.apply(cotangent, context.factor), None  # type: ignore[no-untyped-call]


WHAT_IS_LEFT: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[Any], Array]]] = {
    "cross entropy": (
        lambda x: functional.cross_entropy(x, torch.arange(4)),
        lambda rng: 10 * np.eye(4) + 3 * rng.standard_normal((4, 4)),
    ),
    "entropy": (
        lambda x: -(torch.softmax(x, -1) * torch.log_softmax(x, -1)).sum(),
        lambda rng: 8 * rng.standard_normal((3, 5)),
    ),
    "attention to itself": (
        lambda x: torch.softmax(x @ x.T, -1) @ x,
        lambda rng: 3 * rng.standard_normal((4, 5)),
    ),
    "layer_norm far from 0": (
        lambda x: functional.layer_norm(x, (3,)),
        lambda rng: 10 + rng.standard_normal((2, 3)),
    ),
    "logsumexp": (
        lambda x: torch.logsumexp(x, -1),
        lambda rng: 20 + 5 * rng.standard_normal((3, 5)),
    ),
}
"""Second derivatives that large terms leave when they cancel."""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", WHAT_IS_LEFT)
def test_what_large_terms_leave_is_rounded_as_they_are(name: str, dtype: str) -> None:
    function, draw = WHAT_IS_LEFT[name]
    for seed in range(5):
        x = draw(np.random.default_rng(seed)).astype(dtype)
        report = check(from_torch(function), x, seed=seed, order=2)
        assert report.verdict in ("agree", "inconclusive"), str(report)
        assert dtype == "float32" or report.verdict == "agree", str(report)


@pytest.mark.parametrize("factor", [0.0, 1.01, 1 + 1e-7])
@pytest.mark.parametrize("name", WHAT_IS_LEFT)
def test_but_a_mistake_is_no_rounding(name: str, factor: float) -> None:
    function, draw = WHAT_IS_LEFT[name]

    def wrong(x: torch.Tensor) -> torch.Tensor:
        return function(OffTwice.apply(x, factor))  # type: ignore[no-untyped-call]

    for seed in range(5):
        x = draw(np.random.default_rng(seed))
        report = check(from_torch(wrong), x, seed=seed, order=2)
        assert report.verdict == "disagree", str(report)
        assert report.diagnosis
        assert report.diagnosis.fault == "second derivative"


NEXT_TO_NOTHING = {
    "logsumexp of hundreds": (lambda x: torch.logsumexp(x, -1), 1000, 8, (0, 1, 2, 5, 6)),
    "logsumexp": (lambda x: torch.logsumexp(x, -1), 30, 5, (2, 3)),
    "softmax": (lambda x: torch.softmax(x, -1), 20, 6, (5,)),
}


@pytest.mark.parametrize("name", NEXT_TO_NOTHING)
def test_a_second_derivative_that_is_less_than_the_gradients_rounding_is_nothing(name: str) -> None:
    function, scale, size, seeds = NEXT_TO_NOTHING[name]
    for seed in seeds:
        x = scale * np.random.default_rng(seed).standard_normal(size)
        report = check(from_torch(function), x, seed=seed, order=2)
        assert report.verdict == "agree", str(report)
