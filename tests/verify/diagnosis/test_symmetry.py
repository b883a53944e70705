from collections.abc import Callable

import numpy as np
import pytest
import torch

from reference_impls import Array, Vjp
from tests.verify.diagnosis.shared import each_dtype
from verify import Report, check, from_torch

MakeVjp = Callable[..., tuple[Array, Vjp]]

RNG = np.random.default_rng(2)

FACTOR = RNG.standard_normal((2, 4, 4))

SPD = FACTOR @ FACTOR.swapaxes(-1, -2) + np.eye(4)

SYMMETRIC = FACTOR[0] + FACTOR[0].T

REMARK = "right along symmetric directions; the values read the {} triangle of {} alone"

READ_ONE_TRIANGLE = {
    "cholesky": (torch.linalg.cholesky, "lower"),
    "of a batch": (torch.linalg.cholesky, "lower"),
    "upper": (lambda A: torch.linalg.cholesky(A, upper=True), "upper"),
    "eigenvalues": (torch.linalg.eigvalsh, "lower"),
    "log det": (lambda A: torch.linalg.cholesky(A).diagonal().log().sum(), "lower"),
}


def remarks(report: Report) -> list[str]:
    return [check.detail for check in report.checks if check.kind == "oracle"]


@each_dtype
@pytest.mark.parametrize("name", READ_ONE_TRIANGLE)
def test_where_one_triangle_is_read_the_symmetric_part_agrees_with_a_remark(
    name: str, dtype: str
) -> None:
    function, triangle = READ_ONE_TRIANGLE[name]
    A = SPD if name == "of a batch" else SPD[0]
    report = check(from_torch(function), A.astype(dtype))
    assert report.verdict == "agree"
    (remark,) = remarks(report)
    name = "A" if name in ("upper", "log det") else "argument 0"
    assert REMARK.format(triangle, name) in remark


@pytest.mark.parametrize("seed", range(5))
def test_arguments_beside_it_are_checked_as_well(seed: int) -> None:
    solve = from_torch(lambda A, b: torch.linalg.solve(torch.linalg.cholesky(A), b))
    b = np.array([1.0, 2.0, -1.0, 0.5])
    assert check(solve, (SPD[0], b), seed=seed).verdict == "agree"

    def wrong(A: Array, b: Array) -> object:
        value, vjp = solve(A, b)
        return value, lambda u: (vjp(u)[0], 1.001 * vjp(u)[1])

    assert check(wrong, (SPD[0], b), seed=seed).verdict == "disagree"


@pytest.mark.parametrize("factor", [1.001, -1.0, 1 + 1e-8])
def test_a_gradient_that_is_wrong_along_symmetric_directions_is_no_convention(
    factor: float,
) -> None:
    right = from_torch(torch.linalg.cholesky)

    def wrong(A: Array) -> object:
        value, vjp = right(A)
        return value, lambda u: factor * vjp(u)[0]

    report = check(wrong, SPD[0])
    assert report.verdict == "disagree"
    assert [each.kind for each in report.disagreements] == ["oracle"]


def solved(A: torch.Tensor) -> torch.Tensor:
    L = torch.tril(A)
    return (L + torch.tril(A, -1).mT).inverse()


IN_THE_TRIANGLE_NOT_READ = {
    "cholesky": (torch.linalg.cholesky, np.triu, SPD[0]),
    "of a batch": (torch.linalg.cholesky, np.triu, SPD),
    "upper": (lambda A: torch.linalg.cholesky(A, upper=True), np.tril, SPD[0]),
    "eigenvalues": (torch.linalg.eigvalsh, np.triu, SPD[0]),
    "inverse": (solved, np.triu, SPD[0]),
}


@each_dtype
@pytest.mark.parametrize("name", IN_THE_TRIANGLE_NOT_READ)
def test_a_gradient_in_the_triangle_that_is_not_read_is_transposed(name: str, dtype: str) -> None:
    function, not_read, point = IN_THE_TRIANGLE_NOT_READ[name]
    right = from_torch(function)

    def wrong(A: Array) -> tuple[Array, Vjp]:
        value, vjp = right(A)

        def vjp_of_one_triangle(u: Array) -> dict[str, Array]:
            g = np.asarray(vjp(u)[0])
            both = g + g.swapaxes(-1, -2)
            return {"A": not_read(both) - np.eye(4, dtype=g.dtype) * both / 2}

        return value, vjp_of_one_triangle

    report = check(wrong, {"A": point.astype(dtype)})
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault == "transpose"


def squashed(A: Array) -> tuple[Array, Vjp]:
    t = np.tanh(A)

    def vjp(u: Array) -> dict[str, Array]:
        g = u * (1 - t * t)
        return {"A": (g + g.T) / 2}

    return t, vjp


def quadratic(A: Array) -> tuple[Array, Vjp]:
    x = np.arange(1.0, 5.0).astype(A.real.dtype)
    y = A @ x

    def vjp(u: Array) -> dict[str, Array]:
        g = np.outer(u, x)
        return {"A": (g + g.T) / 2}

    return y, vjp


def lower_triangle_alone(A: Array) -> tuple[Array, Vjp]:
    t = np.tanh(A)

    def vjp(u: Array) -> dict[str, Array]:
        g = u * (1 - t * t)
        return {"A": np.tril(g + g.T) - np.diag(np.diag(g))}

    return t, vjp


@each_dtype
@pytest.mark.parametrize(
    ("function", "part"),
    [
        (squashed, "its symmetric part only"),
        (quadratic, "its symmetric part only"),
        (lower_triangle_alone, "one triangle only"),
    ],
)
def test_where_both_triangles_are_read_half_of_the_gradient_is_missing(
    function: MakeVjp, part: str, dtype: str
) -> None:
    report = check(function, {"A": SYMMETRIC.astype(dtype)})
    assert report.verdict == "disagree"
    assert report.diagnosis
    assert report.diagnosis.fault == "symmetric part only"
    assert (
        f"gradient of A is {part}: right along symmetric directions;" in report.diagnosis.sentence
    )


def test_of_an_argument_that_is_not_symmetric_it_is_no_convention() -> None:
    def lower(A: Array) -> tuple[Array, Vjp]:
        t = np.tanh(np.tril(A) + np.tril(A, -1).T)

        def vjp(u: Array) -> dict[str, Array]:
            g = u * (1 - t * t)
            return {"A": (g + g.T) / 2}

        return t, vjp

    assert check(lower, {"A": SYMMETRIC}).verdict == "agree"
    report = check(lower, {"A": FACTOR[0]})
    assert report.verdict == "disagree"


@each_dtype
def test_a_transposed_gradient_is_told_as_that(dtype: str) -> None:
    def transposed(A: Array) -> tuple[Array, Vjp]:
        t = np.tanh(A)
        return t, lambda u: {"A": (u * (1 - t * t)).T}

    report = check(transposed, {"A": SYMMETRIC.astype(dtype)})
    assert report.diagnosis
    assert report.diagnosis.fault == "transpose"


def weak_beside_strong(A: Array, b: Array) -> tuple[Array, Vjp]:
    t = np.tanh(np.tril(A) + np.tril(A, -1).T)

    def vjp(u: Array) -> dict[str, Array]:
        slope = 1e-6 * u * (1 - t * t)
        return {"A": (slope + slope.T) / 2, "b": u * 3 * b**2}

    return np.asarray(1e-6 * t.sum() + (b**3).sum()), vjp


def test_an_argument_that_is_weak_beside_others_is_looked_at_alone() -> None:
    primals = {"A": SYMMETRIC, "b": np.array([30.0, -20.0, 10.0])}
    assert check(weak_beside_strong, primals).verdict == "agree"

    def wrong(A: Array, b: Array) -> tuple[Array, Vjp]:
        value, vjp = weak_beside_strong(A, b)
        return value, lambda u: vjp(u) | {"A": (1 + 1e-7) * vjp(u)["A"]}

    assert check(wrong, primals).verdict == "disagree"
