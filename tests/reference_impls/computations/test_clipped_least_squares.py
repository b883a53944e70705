import numpy as np
import numpy.typing as npt
import pytest

from reference_impls import BACKENDS, Array, Arrays, Backend, Manual, draw, value
from reference_impls.computations import least_squares
from reference_impls.computations.clipped_least_squares import COMPUTATION, CUT
from tests.reference_impls.shared import BOUNDS, distance, every_backend, run_body

DEFAULTS = {"absolute": np.asarray(CUT), "relative": np.asarray(CUT)}


def solved(
    backend: Backend,
    A: Array,
    b: Array,
    absolute: npt.ArrayLike = CUT,
    relative: npt.ArrayLike = CUT,
) -> tuple[Array, Arrays]:
    """The value, and the cotangents for one that is Gaussian."""
    given = (A, b, absolute, relative)
    primals = {name: np.asarray(each) for name, each in zip(COMPUTATION.shapes, given, strict=True)}
    X, vjp = backend.make_vjp(COMPUTATION, primals)
    return X, vjp(np.random.default_rng(1).standard_normal(X.shape))


def of_singular_values(rows: int, columns: int, *values: float) -> tuple[Array, Array]:
    """A matrix that has these, and three right-hand sides."""
    rng = np.random.default_rng(0)
    U, _ = np.linalg.qr(rng.standard_normal((rows, len(values))))
    V, _ = np.linalg.qr(rng.standard_normal((columns, len(values))))
    return (U * values) @ V.T, rng.standard_normal((rows, 3))


SHAPES = pytest.mark.parametrize(
    ("rows", "columns"), [(9, 4), (4, 4), (4, 9)], ids=["tall", "square", "wide"]
)


@every_backend
def test_the_absolute_cut_gives_zero_for_a_well_conditioned_matrix(backend: Backend) -> None:
    primals = {"A": 1e-7 * np.eye(3), "b": np.ones(3)} | DEFAULTS
    X = value(backend, COMPUTATION, primals)
    np.testing.assert_array_equal(X, np.zeros(3))


@every_backend
def test_the_relative_cut_drops_an_unknown(backend: Backend) -> None:
    A, b = np.diag([1, 9e-7]), np.array([1, 9e-7])
    X, cotangents = solved(backend, A, b)
    np.testing.assert_array_equal(X, [1, 0])
    assert all(np.isfinite(array).all() for array in cotangents.values())
    X, _ = solved(backend, A, b, absolute=1e-7, relative=1e-7)
    np.testing.assert_allclose(X, [1, 1], rtol=1e-15)


@every_backend
def test_a_singular_value_at_the_cut_is_kept(backend: Backend) -> None:
    X, _ = solved(backend, np.diag([4.0, 1.0]), np.ones(2), relative=0.25)
    np.testing.assert_array_equal(X, [0.25, 1])
    X, _ = solved(backend, np.diag([4.0, 1.0]), np.ones(2), absolute=1.0)
    np.testing.assert_array_equal(X, [0.25, 1])


@every_backend
def test_several_right_hand_sides_are_each_solved_as_if_alone(backend: Backend) -> None:
    A, b = of_singular_values(9, 4, 3, 2, 0.02, 0.01)
    together, _ = solved(backend, A, b, relative=0.1)
    assert together.shape == (4, 3)
    for column in range(3):
        alone, cotangents = solved(backend, A, b[:, column], relative=0.1)
        assert alone.shape == (4,)
        assert cotangents["b"].shape == (9,)
        np.testing.assert_allclose(alone, together[:, column], rtol=1e-13)


@SHAPES
def test_the_derivative_is_that_of_all_engines_where_values_are_cut(
    rows: int, columns: int
) -> None:
    A, b = of_singular_values(rows, columns, 3, 2, 0.4, 0.1)
    found = [solved(backend, A, b, relative=0.2) for backend in BACKENDS]
    *engines, (by_hand, cotangents) = [({"X": X}, bars) for X, bars in found]
    for other_X, other in engines:
        assert distance(other_X, by_hand) <= BOUNDS["float64"]
        assert distance(other, cotangents) <= BOUNDS["float64"]


@SHAPES
def test_the_derivative_holds_along_changes_of_the_rank(rows: int, columns: int) -> None:
    A, b = of_singular_values(rows, columns, 3, 2)
    assert np.linalg.matrix_rank(A) == 2
    rng = np.random.default_rng(2)
    v, h = rng.standard_normal(A.shape), 1e-5
    _, cotangents = solved(Manual(), A, b, relative=0.2)
    ahead, behind = (solved(Manual(), A + t * v, b, relative=0.2)[0] for t in (h, -h))
    u = np.random.default_rng(1).standard_normal(ahead.shape)
    expected = (u * (ahead - behind)).sum() / (2 * h)
    assert (cotangents["A"] * v).sum() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("rows", "columns"), [(9, 4), (4, 4), (4, 9)])
def test_without_anything_to_cut_it_is_least_squares(rows: int, columns: int) -> None:
    A, b = of_singular_values(rows, columns, 4, 3, 2, 1)
    X, cotangents = solved(Manual(), A, b[:, 0])
    expected, vjp = least_squares.by_hand(A, b[:, 0])
    assert distance({"X": X}, {"X": expected}) <= BOUNDS["float64"]
    u = np.random.default_rng(1).standard_normal(expected.shape)
    assert distance(cotangents, vjp(u)) <= BOUNDS["float64"]


def test_equal_singular_values_spoil_the_engines_derivative_and_not_that_by_hand() -> None:
    b = np.array([1.0, 2.0, 3.0])
    *engines, by_hand = BACKENDS
    X, cotangents = solved(by_hand, np.eye(3), b)
    # X = A⁻¹ B, and so Ā = -A⁻ᵀ X̄ Xᵀ.
    u = np.random.default_rng(1).standard_normal(3)
    np.testing.assert_array_equal(X, b)
    np.testing.assert_allclose(cotangents["A"], -np.outer(u, b), rtol=1e-15)
    for engine in engines:
        primals = {"A": np.eye(3), "b": b}
        with np.errstate(all="ignore"):
            _, spoilt = run_body(engine, COMPUTATION.name, primals, u, "float64")
        assert np.isnan(spoilt["A"]).any(), engine.name
        np.testing.assert_allclose(spoilt["b"], u)


@pytest.mark.parametrize("size", COMPUTATION.sizes)
@pytest.mark.parametrize("seed", range(3))
def test_the_cut_of_a_sample_lies_well_between_two_groups(size: int, seed: int) -> None:
    primals = draw(COMPUTATION, size, "float64", seed)
    s = np.linalg.svd(primals["A"], compute_uv=False)
    cut = max(float(primals["relative"]) * s[0], float(primals["absolute"]))
    assert s[14] > 1.5 * cut
    assert s[15] < cut / 1.5
