import numpy as np
import pytest

from verify.oracles.more_digits.carriers import longdouble_is_wider
from verify.oracles.more_digits.mpmath_arrays import WideArray, Workshop

POINT = np.array([0.3, -1.2, 0.7, 2.1])

UNARY = {
    "exp exp2 expm1 sin cos tan sinh cosh tanh arctan arcsinh cbrt fabs rint floor ceil trunc "
    "degrees radians square negative absolute sign conjugate": (-2.3, 2.3),
    "log log2 log10 log1p sqrt reciprocal": (0.1, 9.0),
    "arcsin arccos arctanh": (-0.9, 0.9),
    "arccosh": (1.1, 9.0),
}

BINARY = (
    "add subtract multiply divide power arctan2 hypot maximum minimum fmax fmin logaddexp "
    "copysign heaviside float_power fmod"
)


@pytest.mark.parametrize(
    ("name", "bounds"),
    [(name, bounds) for names, bounds in UNARY.items() for name in names.split()],
)
def test_functions_of_digits_are_those_of_floats(name: str, bounds: tuple[float, float]) -> None:
    x = np.random.default_rng(0).uniform(*bounds, (3, 40))
    function = getattr(np, name)
    got = function(Workshop().digits(x))
    assert isinstance(got, WideArray)
    np.testing.assert_allclose(got.astype(np.float64), function(x), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", BINARY.split())
def test_functions_of_two_digits_are_those_of_floats(name: str) -> None:
    x, y = np.random.default_rng(0).uniform(0.1, 3, (2, 40))
    function, make = getattr(np, name), Workshop().digits
    expected = function(x, y)
    for got in (function(make(x), make(y)), function(make(x), y), function(x, make(y))):
        assert isinstance(got, WideArray)
        np.testing.assert_allclose(got.astype(np.float64), expected, rtol=1e-14)


def test_a_plain_array_of_digits_has_the_functions_by_name() -> None:
    plain = np.asarray(Workshop().digits(POINT))
    assert type(plain) is np.ndarray
    np.testing.assert_allclose(np.tanh(plain).astype(float), np.tanh(POINT), rtol=1e-15)


def test_digits_do_what_arrays_do() -> None:
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((5, 4)), rng.standard_normal((3, 4))
    a, B = map(Workshop().digits, (x, W))
    pairs = [
        (a @ B.T, x @ W.T),
        (np.einsum("ij,kj->ik", a, B), np.einsum("ij,kj->ik", x, W)),
        (np.dot(a, B.T), x @ W.T),
        (np.outer(a[0], a[1]), np.outer(x[0], x[1])),
        (a.mean(axis=0), x.mean(axis=0)),
        (np.var(a), np.var(x)),
        (a.max(axis=1, keepdims=True), x.max(axis=1, keepdims=True)),
        (np.where(a > 0, a, 0.1), np.where(x > 0, x, 0.1)),
        (np.ones_like(a) / 3, np.ones_like(x) / 3),
        (np.concatenate([a, x]), np.concatenate([x, x])),
        (np.pad(a, 1), np.pad(x, 1)),
        (np.linalg.norm(a), np.linalg.norm(x)),
        (np.cumsum(a), np.cumsum(x)),
        (a[0, 0], x[0, 0]),
        (a[0].sum().reshape(1).T, x[0].sum().reshape(1).T),
        (np.clip(a, -0.5, 0.5), np.clip(x, -0.5, 0.5)),
    ]
    for got, expected in pairs:
        assert isinstance(got, WideArray)
        np.testing.assert_allclose(got.astype(np.float64), expected, rtol=1e-13)
    third = np.ones_like(a) / 3
    assert np.all(np.abs(3 * third - 1) < 1e-49)


def test_digits_change_in_place() -> None:
    make = Workshop().digits
    x = make(POINT)
    same = x
    x += 1
    assert np.all(same == x)
    x[1:] *= 2
    np.add.at(x, [0, 0, 3], make(np.ones(3)))
    expected = POINT + 1
    expected[1:] *= 2
    np.add.at(expected, [0, 0, 3], 1)
    np.testing.assert_allclose(x.astype(float), expected, rtol=1e-15)


def test_digits_know_what_is_finite() -> None:
    x = np.array([1.0, np.inf, -np.inf, np.nan])
    digits = Workshop().digits(x)
    for predicate in (np.isfinite, np.isinf, np.isnan):
        np.testing.assert_array_equal(predicate(digits), predicate(x))
    assert np.isnan(np.log(Workshop().digits(-1.0)))
    assert np.isfinite(np.max(Workshop().digits(POINT)))


@pytest.mark.skipif(not longdouble_is_wider(), reason="np.longdouble is float64 on this platform")
def test_a_longdouble_becomes_digits_without_loss() -> None:
    third = np.longdouble(1) / 3
    kept = Workshop().digits(third)
    assert kept.astype(np.float64) - np.float64(1 / 3) == 0
    # 3 · 0.010101…01 in binary, 64 digits from the first 1 on, is 1 less half of its last place.
    assert np.abs(3 * kept - 1) == np.longdouble(2) ** -65


def test_linear_equations_are_solved_to_fifty_digits() -> None:
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((6, 6)), rng.standard_normal((6, 2))
    A[0, 0] = 0.0  # no pivot
    make = Workshop().digits
    for right in (B, B[:, 0]):
        X = np.linalg.solve(make(A), right)
        assert X.shape == right.shape
        assert np.all(np.abs(A @ X - right) < 1e-45)
    assert np.all(np.abs(np.linalg.inv(make(A)) @ A - np.eye(6)) < 1e-45)
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        np.linalg.solve(make(np.ones((2, 2))), np.ones(2))
    with pytest.raises(TypeError, match=r"no solution by mpmath for shapes \(3, 2, 2\)"):
        np.linalg.solve(make(np.ones((3, 2, 2))), np.ones((3, 2)))
