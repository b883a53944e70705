import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from reference_impls import Array
from reference_impls.computation import Vjp
from verify import check
from verify.checks.check import Check

MakeVjp = Callable[..., tuple[Array, Vjp]]

X = np.random.default_rng(0).uniform(0.1, 2, 20)


def at_extremes(f: MakeVjp, x: Array = X) -> list[Check]:
    return [each for each in check(f, {"x": x}).checks if each.kind == "extremes"]


def elementwise(f: Callable[[Array], Array], slope: Callable[[Array], Array]) -> MakeVjp:
    return lambda x: (f(x), lambda u: {"x": u * slope(x)})


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.exp(x) - 1)


def elu_as_engines_differentiate_it(x: Array) -> Array:
    """Both branches, the one that was not selected times zero."""
    selected = (x > 0).astype(x.dtype)
    return np.asarray(selected + (1 - selected) * np.exp(x))


def elu_slope(x: Array) -> Array:
    return np.where(x > 0, 1, np.exp(np.minimum(x, 0)))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A user's code may overflow where it is written to."""
    with np.errstate(all="ignore"):
        yield


def test_a_branch_that_is_not_selected_and_overflows_is_found_far_away() -> None:
    report = check(elementwise(elu, elu_as_engines_differentiate_it), {"x": X})
    assert report.verdict == "disagree"
    (wrong,) = report.disagreements
    assert (wrong.kind, wrong.fault) == ("extremes", "not finite")
    assert wrong.worst is not None
    assert np.isnan(wrong.worst.got)
    u = wrong.worst.expected
    assert wrong.detail == f"the gradient of x[0] is nan, the derivative {u:.6g}"


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_it_is_found_whatever_the_size_of_the_numbers(scale: float) -> None:
    f = elementwise(elu, elu_as_engines_differentiate_it)
    assert [each.verdict for each in at_extremes(f, scale * X)] == ["disagree"]


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (elu, elu_slope),
        (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
        (np.log, lambda x: 1 / x),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (lambda x: x**3, lambda x: 3 * x**2),
    ],
    ids=["elu", "sqrt", "log", "tanh", "cube"],
)
def test_a_gradient_that_is_finite_far_away_agrees(
    f: Callable[[Array], Array], slope: Callable[[Array], Array]
) -> None:
    assert [each.verdict for each in at_extremes(elementwise(f, slope))] == ["agree"]


def test_where_the_value_overflows_there_is_no_check() -> None:
    for slope in (np.exp, lambda x: np.exp(np.minimum(x, 700))):
        assert at_extremes(elementwise(np.exp, slope)) == []


def test_where_the_derivative_is_not_finite_either_there_is_no_check() -> None:
    """Beyond 2¹⁰ the value is no number on one side."""

    def f(x: Array) -> Array:
        return np.sqrt(np.where(x.real > 1000, 0 * x, x + 1))

    def slope(x: Array) -> Array:
        return np.where(x > 1000, np.nan, 0.5 / np.sqrt(x + 1))

    def at_the_end(x: Array) -> tuple[Array, Vjp]:
        """√(8192 c - x), whose derivative is infinite at its end, x = 8192 c."""
        left = 8192 * X - x
        return np.sqrt(left), lambda u: {"x": -u * 0.5 / np.sqrt(left)}

    assert at_extremes(at_the_end) == []
    assert [each.verdict for each in at_extremes(elementwise(f, slope))] == ["disagree"]


@pytest.mark.parametrize("where", ["value", "gradient"])
def test_a_function_that_refuses_to_go_so_far_is_unsupported_there_and_agrees(where: str) -> None:
    def refusing(x: Array) -> tuple[Array, Vjp]:
        def refuse_beyond(limit: float) -> None:
            if np.max(np.abs(x)) > limit:
                raise OverflowError("too far")

        def vjp(u: Array) -> dict[str, Array]:
            refuse_beyond(1000)
            return {"x": 2 * u * x}

        if where == "value":
            refuse_beyond(1000)
        return x * x, vjp

    report = check(refusing, {"x": X})
    assert report.verdict == "agree"
    (far,) = [each for each in report.checks if each.kind == "extremes"]
    assert far.verdict == "unsupported"
    said, _, place = far.detail.rpartition(" (")
    assert said.endswith("refusing(x: (20,) float64) raised OverflowError: too far")
    assert re.fullmatch(r"test_extremes.py:\d+, in refuse_beyond\)", place)


def test_an_agreement_found_in_float32_alone_says_so() -> None:
    smooth = elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    (in_float64,), (in_float32,) = at_extremes(smooth), at_extremes(smooth, X.astype(np.float32))
    assert in_float64.detail == "looked at in float32, which overflows sooner"
    assert in_float32.detail == ""


def test_float32_overflows_sooner() -> None:
    f = elementwise(elu, elu_as_engines_differentiate_it)
    assert [each.verdict for each in at_extremes(f, X.astype(np.float32))] == ["disagree"]
    smooth = elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    assert [each.verdict for each in at_extremes(smooth, X.astype(np.float32))] == ["agree"]


def test_what_is_not_differentiated_stays_where_it_is() -> None:
    seen = []

    def scaled(x: Array, c: Array) -> tuple[Array, Vjp]:
        seen.append((np.max(np.abs(x)), np.max(np.abs(c))))
        return c * x, lambda u: {"x": c * u}

    report = check(scaled, {"x": X, "c": np.array(3.0)}, wrt="x")
    assert report.verdict == "agree"
    assert max(x for x, _ in seen) == np.float32(2.0**13 * X.max())
    assert max(c for _, c in seen) == pytest.approx(3, rel=1e-6)


def test_a_constant_that_float32_has_not_is_not_rounded_away() -> None:
    """Times 0 the branch that overflows would be 0."""

    def scaled(x: Array, c: Array) -> tuple[Array, Vjp]:
        slope = elu_as_engines_differentiate_it if c else np.zeros_like
        return elu(x) * c, lambda u: {"x": u * slope(x) * c}

    given = {"x": X, "c": np.array(1e-50)}
    kinds = [each.kind for each in check(scaled, given, wrt="x").disagreements]
    assert kinds == ["extremes"]
