import numpy as np
import pytest

from reference_impls.computation import Array
from reference_impls.equations import newton, solve
from reference_impls.implicit import NotConvergedError


def hilbert(n: int) -> Array:
    rows = np.arange(1, n + 1, dtype=np.longdouble)
    return 1 / (rows[:, None] + rows - 1)


def test_extended_precision_is_reached_though_lapack_has_none() -> None:
    """The Hilbert matrix of order 7 has a condition of 5e8: float64 alone keeps eight digits."""
    A = hilbert(7)
    exact = np.arange(1, 8, dtype=np.longdouble)
    B = A @ exact
    X = solve(A, B)
    assert X.dtype == np.longdouble
    assert np.abs(X - exact).max() < 1e-9
    in_double = np.linalg.solve(A.astype(np.float64), B.astype(np.float64))
    assert np.abs(X - exact).max() < 1e-2 * np.abs(in_double - exact).max()
    assert np.abs(A @ X - B).max() <= 4 * np.finfo(np.longdouble).eps * np.abs(B).max()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "longdouble"])
@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_any_dtype_solves_for_one_or_several_columns(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    A = (rng.standard_normal((4, 4)) + 4 * np.eye(4)).astype(dtype)
    X = rng.standard_normal(shape).astype(dtype)
    found = solve(A, A @ X)
    assert found.dtype == dtype
    assert np.abs(found - X).max() < (1e-5 if dtype == "float32" else 1e-14)


def cube(y: Array, z: Array) -> tuple[Array, Array]:
    """F = y³ - z, entry by entry."""
    return np.diag(3 * y**2), y**3 - z


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_newtons_method_reaches_the_root_to_rounding(dtype: str) -> None:
    z = np.array([8.0, 27.0], dtype)
    y = newton(cube, np.ones(2, dtype), z)
    assert y.dtype == dtype
    assert np.abs(y - np.array([2, 3], dtype)).max() <= 4 * np.finfo(dtype).eps


def test_an_imaginary_part_is_carried_to_the_root() -> None:
    step = 2.0**-70
    y = newton(cube, np.ones(2), np.array([8.0, 27.0]) + 1j * step * np.array([1.0, 2.0]))
    np.testing.assert_allclose(np.imag(y) / step, [1 / 12, 2 / 27], rtol=1e-14)


def test_a_method_that_does_not_converge_says_so() -> None:
    def without_root(y: Array) -> tuple[Array, Array]:
        return np.diag(2 * y), y**2 + 1

    with pytest.raises(NotConvergedError, match="Newton's method: not converged after 50 steps"):
        newton(without_root, np.array([0.7]))


def test_extended_precision_makes_no_zeros_of_nan() -> None:
    A = np.diag(np.array([np.nan, 1], np.longdouble))
    assert np.isnan(solve(A, np.ones(2, np.longdouble))[0])
