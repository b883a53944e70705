import re
from collections.abc import Callable, Iterator
from itertools import count, product
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import torch

from reference_impls.computation import Array, Vjp
from reference_impls.nested import Tree
from verify import Report, WrongGradientError, check, from_autograd, from_numpy, from_torch

RNG = np.random.default_rng(20)
X = RNG.standard_normal((3, 2))
Y = RNG.standard_normal((3, 2))
B = RNG.standard_normal(2)
Pair = tuple[Any, Callable[[Array], Tree]]


def sines(x: Array) -> Pair:
    """A right one."""
    return np.sum(np.sin(x)), lambda u: {"x": u * np.cos(x)}


def waves(x: Array) -> Pair:
    """A right one of a value with entries."""
    return np.sin(x), lambda u: {"x": u * np.cos(x)}


def tilted(x: Array) -> Pair:
    return np.sin(x), lambda u: {"x": 1.25 * u * np.cos(x)}


def giving(gradient: Callable[[Array, Array], Tree]) -> Callable[[Array], Pair]:
    """What returns this in place of the gradient of `sines`."""

    def odd(x: Array) -> Pair:
        return np.sum(np.sin(x)), lambda u: gradient(u, x)

    return odd


def instead(returned: Tree) -> Callable[[Array], Tree]:
    """What returns this in place of value and VJP."""

    def odd(x: Array) -> Tree:
        return returned if x.size else None

    return odd


def kinds(report: Report) -> list[str]:
    return [found.kind for found in report.checks]


class TestRightGradients:
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_agree_by_an_oracle(self, dtype: str) -> None:
        report = check(waves, {"x": X.astype(dtype)})
        assert report.verdict == "agree", str(report)
        assert report.diagnosis is None
        (oracle,) = [found for found in report.checks if found.kind == "oracle"]
        assert oracle.against == "complex step"
        assert oracle.worst
        assert oracle.worst.tolerance < (1e-12 if dtype == "float64" else 1e-4)
        report.raise_for_verdict()

    def test_of_values_that_are_python_numbers_agree_by_richardson(self) -> None:
        def total(x: Array) -> Pair:
            return float(np.sum(np.sin(x))), lambda u: {"x": u * np.cos(x)}

        for dtype in ("float64", "float32"):
            report = check(total, {"x": X.astype(dtype)})
            assert report.verdict == "agree", str(report)
            assert "oracle: total against Richardson" in str(report)

    def test_by_position(self) -> None:
        def product_of(x: Array, y: Array) -> Pair:
            return x * y, lambda u: (u * y, u * x)

        assert check(product_of, (X, Y)).verdict == "agree"

    @pytest.mark.parametrize("x", [X, X[0, 0], np.array(0.5), np.float32(0.5)])
    def test_of_a_single_array(self, x: Array) -> None:
        assert check(lambda x: (np.sin(x), lambda u: u * np.cos(x)), x).verdict == "agree"

    def test_of_nested_parameters(self) -> None:
        def affine(params: Tree, x: Array) -> Pair:
            W, (b, factor) = params["W"], params["rest"]
            return x @ W * factor + b, lambda u: {
                "params": {"W": factor * x.T @ u, "rest": [u.sum(axis=0), None]},
                "x": factor * u @ W.T,
            }

        params = {"W": np.ones((2, 2)), "rest": [B, 2.5]}
        report = check(affine, {"params": params, "x": X})
        assert report.verdict == "agree", str(report)
        assert report.call == "affine(params: dict of 3, x: (3, 2) float64)"

    def test_beside_integers_words_and_nothing(self) -> None:
        def picked(x: Array, rows: Array, mode: str, mask: None) -> Pair:
            assert (mode, mask) == ("rows", None)

            def vjp(u: Array) -> Tree:
                gradient = np.zeros_like(x)
                np.add.at(gradient, rows, u)
                return {"x": gradient}

            return x[rows], vjp

        rows = np.array([0, 0, 2])
        primals = {"x": X, "rows": rows, "mode": "rows", "mask": None}
        assert check(picked, primals).verdict == "agree"

    def test_of_tensors(self) -> None:
        x = torch.from_numpy(X.copy()).requires_grad_()
        report = check(from_torch(lambda x, y: (x * y).sum()), (x, torch.from_numpy(Y)))
        assert report.verdict == "agree", str(report)
        assert x.grad is None

    def test_of_infinite_and_of_no_entries(self) -> None:
        def exponential(x: Array) -> Pair:
            return np.exp(x), lambda u: {"x": u * np.exp(x)}

        assert check(exponential, {"x": np.array([-np.inf, 1.0])}).verdict == "agree"
        assert check(exponential, {"x": np.zeros((0, 3))}).verdict == "agree"

    def test_at_a_kink_the_choice_is_told(self) -> None:
        def relu(x: Array) -> Pair:
            return np.maximum(x, 0), lambda u: {"x": u * (x > 0)}

        report = check(relu, {"x": np.array([0.0, 1.0, -1.0])})
        assert report.verdict == "agree", str(report)
        assert re.search(r"chose 0 for x\[0\], of -?[\d.]+ and -?[\d.]+", str(report))

    def test_with_respect_to_some(self) -> None:
        def product_of(x: Array, y: Array) -> Pair:
            return x * y, lambda u: {"x": u * y}

        assert check(product_of, {"x": X, "y": Y}, wrt="x").verdict == "agree"
        assert check(product_of, {"x": X, "y": Y}).verdict == "unsupported"

    def test_by_the_other_adapters(self) -> None:
        by_engine = from_autograd(lambda x: anp.sum(anp.sin(x)))
        by_hand = from_numpy(lambda x: np.sum(np.sin(x)), np.cos)
        assert check(by_engine, X).verdict == check(by_hand, X).verdict == "agree"


class TestWrongGradients:
    def test_are_told_from_the_diagnosis_to_the_call_that_shows_them_again(self) -> None:
        report = check(tilted, {"x": X}, seed=4)
        assert report.verdict == "disagree"
        number = r"-?\d+\.\d+(e-\d+)?"
        wanted = (
            r"disagree: tilted: constant factor: gradient of x is 5/4 times what it should be; "
            r"x\[\d, \d\]: got -?\d+\.?\d*, expected -?\d+\.?\d* ± \d\.\de-1\d\n"
            r"  tilted\(x: \(3, 2\) float64\), seed 4\n"
            rf"  oracle: tilted against complex step: ⟨Jᵀu, v⟩: got {number}, expected {number}, "
            r"error \d\.\d\de[+-]\d\d > tolerance \d\.\d\de-1\d = "
            r"32 · 1\.1e-16 · \(scale \d\.\de[+-]\d\d \+ noise \d\.\de[+-]\d\d\) "
            r"\+ oracle's bar \d\.\de-1\d\n"
            r"  of the other checks, \d agree\n"
            r"  again: check\(tilted, primals, seed=4\)"
        )
        assert re.fullmatch(wanted, str(report)), str(report)
        assert report.diagnosis
        assert report.diagnosis.fault == "constant factor"

    def test_fail_a_users_test(self) -> None:
        with pytest.raises(WrongGradientError, match="gradient of x is 5/4 times"):
            check(tilted, {"x": X}).raise_for_verdict()

    def test_are_found_in_float32_too(self) -> None:
        report = check(
            lambda x: (np.sin(x), lambda u: {"x": u * np.cos(x) * x.dtype.type(1.0005)}),
            {"x": X.astype(np.float32)},
        )
        assert report.verdict == "disagree"

    @pytest.mark.parametrize(
        ("gradient", "fault", "said"),
        [
            (lambda u, x: {"x": u * np.cos(x).sum(0)}, "over-reduced broadcast", "shape (2,)"),
            (lambda u, x: {"x": u * np.cos(x)[None]}, "wrong shape", "its numbers are right"),
            (lambda u, x: {"x": u * np.cos(x) + 0j}, "dtype drift", "complex128, wanted float64"),
            (lambda u, x: {"x": np.float16(u * np.cos(x))}, "dtype drift", "float16, wanted float"),
            (lambda u, x: {"x": u * np.cos(x) * np.nan}, "not finite", "6 of 6 entries"),
            (lambda _, x: {"x": np.cos(x)}, "cotangent ignored", "for every cotangent"),
        ],
    )
    def test_of_other_shape_dtype_or_kind_disagree(
        self, gradient: Callable[[Array, Array], Tree], fault: str, said: str
    ) -> None:
        report = check(giving(gradient), {"x": X})
        assert report.verdict == "disagree"
        assert report.diagnosis
        assert report.diagnosis.fault == fault
        assert said in str(report)

    def test_that_torch_mends_inside_another_function_disagree(self) -> None:
        class Bias(torch.autograd.Function):
            @staticmethod
            def forward(_: Any, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
                return x + b

            @staticmethod
            def backward(_: Any, *u: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ANN401
                return u[0], u[0]

        apply: Any = Bias.apply
        report = check(from_torch(lambda x, b: torch.sin(apply(x, b)).sum()), (X, B))
        assert report.verdict == "disagree"
        assert report.diagnosis
        assert report.diagnosis.fault == "un-reduced broadcast"
        assert "Bias.backward: the gradient of input 1 has shape (3, 2), wanted (2,)" in str(report)


class Returning:
    """But the k-th gradient, value or pair that it returns is something else."""

    def __init__(
        self, right: Callable[[Array], Pair], what: Callable[[Any], Tree], where: str, call: int
    ) -> None:
        self.right = right
        self.what = what
        self.where = where
        self.remaining = call

    def __call__(self, x: Array) -> Pair:
        value, vjp = self.right(x)

        def other_vjp(u: Array) -> Tree:
            return {"x": self._or_else("gradient", vjp(u)["x"])}

        pair: Pair = self._or_else("pair", (self._or_else("value", value), other_vjp))
        return pair

    def _or_else(self, where: str, usual: Any) -> Any:  # noqa: ANN401 - either
        self.remaining -= where == self.where
        return self.what(usual) if where == self.where and self.remaining == 0 else usual


def raising(_: object) -> Tree:
    raise KeyError("only\nsometimes")


class TestWhatIsNoGradient:
    @pytest.mark.parametrize(
        ("function", "said"),
        [
            (lambda x: x.shape[7], "raised IndexError: tuple index out of range"),
            (instead(None), "returned None, wanted (value, vjp)"),
            (instead(3), "returned an int, wanted (value, vjp)"),
            (
                lambda x: (x, x),
                (
                    "returned a tuple of 2 with a numpy.ndarray of float64 for vjp, "
                    "wanted (value, vjp)"
                ),
            ),
            (lambda x: (x, x.copy, 3), "returned a tuple of 3, wanted (value, vjp)"),
            (
                giving(lambda *given: given[0].no_such),
                "raised AttributeError: 'numpy.ndarray' object has",
            ),
            (giving(lambda *_: None), "returned None, wanted a dict of gradients"),
            (giving(lambda *_: 3), "returned an int, wanted a dict of gradients"),
            (giving(lambda *_: {"x": 3}), "returned an int for x, wanted an array of shape (3, 2)"),
            (giving(lambda _, x: {"x": x.tolist()}), "returned a list of 3 for x, wanted an array"),
            (giving(lambda *_: {}), "returned no gradient for x (got none)"),
            (giving(lambda _, x: {"xs": x}), "returned a gradient for 'xs', which is none of x"),
            (giving(lambda _, x: {"x": torch.tensor(x)}), "wrap a torch function in from_torch"),
            (lambda x: (torch.tensor(1.0), x.copy), "wrap a torch function in from_torch"),
            (torch.sin, "raised TypeError: sin(): argument"),
        ],
    )
    def test_is_answered_in_one_line_that_names_the_function_and_the_call(
        self, function: Callable[..., Tree], said: str
    ) -> None:
        report = check(function, (X,) if function is torch.sin else {"x": X})
        assert report.verdict == "unsupported"
        assert kinds(report) == ["contract", "oracle"][: len(kinds(report))]
        line = report.checks[0].detail
        assert re.search(r"(odd|<lambda>|sin)\(.*: \(3, 2\) float64\) r", line), line
        assert said in line
        assert "\n" not in line
        with pytest.raises(WrongGradientError):
            report.raise_for_verdict()

    @pytest.mark.parametrize("calls", range(1, 11))
    def test_a_value_of_another_shape_than_before_is_no_value(self, calls: int) -> None:
        made = count()

        def shrinking(x: Array) -> Pair:
            value = np.sin(x) if next(made) < calls else np.sin(x)[0]
            return value, lambda u: {"x": np.broadcast_to(u, x.shape) * np.cos(x)}

        report = check(shrinking, {"x": X})
        assert report.verdict == "unsupported"
        said = "shrinking(x: (3, 2) float64) returned a value of shape (2,), and of (3, 2) before"
        assert said in str(report)

    def test_a_dict_of_gradients_for_primals_that_are_none_is_pointed_at(self) -> None:
        report = check(giving(lambda u, x: {"x": u * x}), X)
        assert (
            "returned a dict of 1 for x, wanted an array of shape (3, 2), as x is no dict"
            in str(report)
        )

    def test_a_shape_that_was_not_given_is_told_in_the_functions_own_words(self) -> None:
        def batched(x: Array) -> Pair:
            _, rows, _columns = x.shape
            return np.sum(x) / rows, lambda u: {"x": u * np.ones_like(x) / rows}

        report = check(batched, {"x": X})
        assert report.verdict == "unsupported"
        assert re.fullmatch(
            r"batched\(x: \(3, 2\) float64\) raised ValueError: "
            r"not enough values to unpack \(expected 3, got 2\) "
            r"\(test_checker.py:\d+, in batched\)",
            report.checks[0].detail,
        )

    def test_a_value_that_is_no_number_leaves_nothing_to_compare(self) -> None:
        report = check(lambda x: (np.sum(x) * np.nan, lambda u: {"x": u * x}), {"x": X})
        assert report.verdict == "unsupported"
        assert "value is not finite" in str(report)

    @pytest.mark.parametrize(
        ("what", "where"),
        list(
            product(
                (raising, lambda _: None, lambda _: 3, lambda _: "sin", lambda usual: [usual]),
                ("pair", "value", "gradient"),
            )
        ),
    )
    def test_a_surprise_in_any_later_call_is_told_in_one_line(
        self, what: Callable[[Any], Tree], where: str
    ) -> None:
        for function, call in product((sines, tilted), (*range(1, 24), 30, 45)):
            report = check(Returning(function, what, where, call), {"x": X})
            assert "\n" not in "".join(found.detail for found in report.checks)

    def test_another_type_on_the_second_call_is_no_wrong_gradient(self) -> None:
        class Alternating:
            calls = 0

            def __call__(self, x: Array) -> Pair:
                def vjp(u: Array) -> Tree:
                    self.calls += 1
                    gradient = u * np.cos(x)
                    return {"x": gradient if self.calls % 2 else gradient.tolist()}

                return np.sum(np.sin(x)), vjp

        report = check(Alternating(), {"x": X})
        assert report.verdict == "unsupported"
        assert "the vjp of Alternating(x: (3, 2) float64) returned a list of 3 for x" in str(report)


@pytest.mark.parametrize(
    ("primals", "options", "error", "said"),
    [
        ({"x": X * np.nan}, {}, ValueError, "sines: x[0, 0] is NaN"),
        ({"x": X.astype("f2")}, {}, TypeError, "sines: x has dtype float16; accepted are float64"),
        ({}, {}, TypeError, "sines: got nothing, wanted at least one floating-point NumPy array"),
        ({"x": X}, {"wrt": "y"}, ValueError, "sines: wrt names 'y'; floating-point arrays are x"),
        ({"x": X}, {"wrt": ()}, ValueError, "sines: wrt is empty; accepted are x"),
        ({"x": X}, {"probes": 0}, ValueError, "got probes=0, wanted a whole number of at least 1"),
        ({"x": X}, {"probes": 1.5}, TypeError, "got probes=1.5, wanted a whole number"),
        ({"x": X}, {"seed": -1}, ValueError, "got seed=-1, wanted a whole number of at least 0"),
        ({"x": X}, {"seed": "1"}, TypeError, "got seed='1', wanted a whole number"),
        ({"x": X}, {"order": 3}, ValueError, "check: got order=3, wanted 1 or 2"),
        ({"x": X}, {"order": np.array([1, 2])}, ValueError, "got order=array([1, 2]), wanted 1 or"),
        ({"x": X}, {"order": np.eye(2)}, ValueError, "order=array([[1., 0.], [0., 1.]]), wanted 1"),
        ({"x": X}, {"order": "2"}, ValueError, "check: got order='2', wanted 1 or 2"),
        ({"x": X}, {"seed": np.eye(2)}, TypeError, "seed=array([[1., 0.], [0., 1.]]), wanted a"),
        ({"x": X}, {"order": 2}, TypeError, "sines is of type function, wanted from_torch(...) or"),
        ({"x": X}, {"forward": 3}, TypeError, "check: got int for forward, wanted a function"),
        ({"x": X}, {"expected": 3}, TypeError, "check: expected holds an int, wanted a dict of"),
        ({"x": X}, {"expected": X}, TypeError, "expected holds a numpy.ndarray of float64, wanted"),
        ({"x": X}, {"expected": {"y": X}}, TypeError, "expected holds a gradient for 'y', which"),
        ({"x": X}, {"expected": {}}, TypeError, "expected holds no gradient for x (got none)"),
        ({"x": X}, {"expected": {"x": "X"}}, TypeError, "expected holds a str for x, wanted an"),
        ({"x": X}, {"expected": {"x": X[0]}}, ValueError, "expected has shape (2,) for x, wanted"),
        ({"x": X}, {"expected": {"x": 1j * X}}, TypeError, "expected is complex128 for x, wanted"),
        (
            {"x": X.astype("f4")},
            {"expected": {"x": np.cos(X)}},
            TypeError,
            "expected is float64 for x, wanted float32 as in sines(x: (3, 2) float32)",
        ),
        ({"x": X}, {"expected": {"x": X * [1, np.nan]}}, ValueError, "expected[0, 1] is NaN for x"),
    ],
)
def test_a_call_that_does_not_fit_together_is_refused_in_one_line(
    primals: Tree, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        check(sines, primals, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


class TestForward:
    def test_is_what_the_oracle_differentiates(self) -> None:
        def offset(x: Array) -> Pair:
            return np.sum(np.sin(x)), lambda u: {"x": u * (np.cos(x) + 1)}

        # The value alone says that the gradient is right; its own says that it is not.
        given = check(offset, {"x": X}, forward=lambda x: np.sum(np.sin(x) + x))
        assert [found.kind for found in given.disagreements] == ["value"]
        assert "oracle" in [found.kind for found in check(offset, {"x": X}).disagreements]

    def test_must_equal_the_value(self) -> None:
        assert check(sines, {"x": X}, forward=lambda x: np.sum(np.sin(x))).verdict == "agree"
        report = check(sines, {"x": X}, forward=np.sin)
        assert report.verdict == "unsupported"  # it takes no x by name
        report = check(sines, {"x": X}, forward=lambda x: np.sin(x))  # noqa: PLW0108 - as above
        (wrong,) = [found for found in report.disagreements if found.kind == "value"]
        assert wrong.detail == ("the value is float64 of shape (), forward has float64 of (3, 2)")

    @pytest.mark.parametrize("wrong", [instead(None), lambda x: x.no_such, lambda y: y])
    def test_that_fails_is_told_apart_from_the_function(self, wrong: Callable[..., Tree]) -> None:
        report = check(sines, {"x": X}, forward=wrong)
        assert report.verdict == "unsupported"
        (found,) = [found for found in report.checks if found.against == "forward"]
        assert found.detail.startswith("the forward of sines(x: (3, 2) float64) r")


class TestExpected:
    @pytest.mark.parametrize(
        ("expected", "verdict"),
        [
            ({"x": np.cos(X)}, "agree"),
            ({"x": np.cos(X) * (1 + 1e-12)}, "disagree"),
            (sines, "agree"),
            (giving(lambda u, x: {"x": u * np.cos(x) * (1 + 1e-12)}), "disagree"),
            (waves, "disagree"),
        ],
    )
    def test_is_compared_entry_by_entry(self, expected: Tree, verdict: str) -> None:
        report = check(sines, {"x": X}, expected=expected)
        assert report.verdict == verdict
        assert {found.against for found in report.disagreements} <= {"expected"}
        assert "expected" in [found.against for found in report.checks]

    @pytest.mark.parametrize(
        ("expected", "said"),
        [
            (instead(None), "odd(x: (3, 2) float64) returned None, wanted (value, vjp)"),
            (giving(lambda *_: 3), "the vjp of odd(x: (3, 2) float64) returned an int, wanted a"),
            (
                giving(lambda _, x: {"x": x + 0j}),
                "odd: gradient of x is complex128, wanted float64",
            ),
            (
                giving(lambda _, x: {"x": x[0]}),
                "odd: gradient of x has shape (2,), wanted (3, 2)",
            ),
        ],
    )
    def test_that_is_no_gradient_itself_blames_nobody(
        self, expected: Callable[..., Tree], said: str
    ) -> None:
        report = check(sines, {"x": X}, expected=expected)
        assert report.verdict == "unsupported"
        assert said in str(report)

    def test_gradients_will_do_for_a_scalar_alone(self) -> None:
        with pytest.raises(TypeError, match=r"the value has shape \(3, 2\); give another make_vjp"):
            check(waves, {"x": X}, expected={"x": X})

    def test_nested_and_by_position(self) -> None:
        def total(x: Array, y: Tree) -> Pair:
            return np.sum(x * y[0]), lambda u: (u * y[0], [u * x])

        assert check(total, (X, [Y]), expected=(Y, [X])).verdict == "agree"
        assert check(total, (X, [Y]), expected=(Y, [Y])).verdict == "disagree"


class TestPrecision:
    @pytest.mark.parametrize(("dtype", "carrier"), [("float64", "precision"), ("float32", "64")])
    def test_counts_ulps(self, dtype: str, carrier: str) -> None:
        report = check(waves, {"x": X.astype(dtype)}, precision=True)
        assert report.verdict == "agree", str(report)
        (found,) = [found for found in report.checks if found.kind == "precision"]
        assert carrier in found.against
        assert found.worst
        assert 0 < found.worst.ulps < 2

    def test_that_is_not_to_be_had_is_reported_with_the_reason(self) -> None:
        report = check(from_torch(torch.sin), X, precision=True)
        assert report.verdict == "unsupported"
        assert report.checks[-1].kind == "precision"
        assert "mpmath: raised RefusalError: sin(" in report.checks[-1].detail
        assert check(from_torch(torch.sin), X).verdict == "agree"

    def test_at_a_kink_there_is_nothing_to_count_them_of(self) -> None:
        def relu(x: Array) -> Pair:
            return np.maximum(x, 0), lambda u: {"x": u * (x > 0)}

        report = check(relu, {"x": np.array([0.0, 1.0])}, precision=True)
        assert report.verdict == "unsupported"
        assert report.checks[-1].kind == "precision"
        assert "there is a kink here" in report.checks[-1].detail


class Cube(torch.autograd.Function):
    """x³, whose backward is differentiable in reverse mode alone."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, *u: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        (x,) = ctx.saved_tensors
        return u[0] * 3 * x**2


class Detached(Cube):
    """The same, whose backward is a constant to the engine."""

    @staticmethod
    def backward(ctx: Any, *u: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        (x,) = ctx.saved_tensors
        return u[0] * 3 * (x**2).detach()


class Once(Cube):
    """The same, whose backward may not be differentiated."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *u: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        return Cube.backward(ctx, *u)


def second(function: type[torch.autograd.Function]) -> Report:
    apply: Any = function.apply
    return check(from_torch(apply), X, order=2)


class TestSecondOrder:
    @pytest.mark.parametrize(
        "function",
        [
            from_torch(lambda x: torch.sin(x).sum()),
            from_autograd(lambda x: anp.sum(anp.sin(x))),
        ],
    )
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_of_both_engines_agrees_in_both_modes(self, function: Any, dtype: str) -> None:  # noqa: ANN401
        report = check(function, X.astype(dtype), order=2)
        assert report.verdict == "agree", str(report)
        against = {found.against for found in report.checks if found.kind == "second order"}
        assert against > {"symmetry", "forward over reverse"}

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    @pytest.mark.parametrize(
        ("function", "primals"),
        [
            (from_torch(lambda x, y: x + y), (X, Y)),
            (from_torch(lambda x: 1e8 * x.mean()), (X,)),
            (from_torch(lambda x: torch.ones(3, dtype=x.dtype)), (X,)),
            (from_autograd(lambda x, y: x - 3 * y), (X, Y)),
        ],
    )
    def test_of_what_is_exactly_linear_agrees(
        self,
        function: Any,  # noqa: ANN401 - of two kinds
        primals: tuple[Array, ...],
        dtype: str,
    ) -> None:
        report = check(function, tuple(x.astype(dtype) for x in primals), order=2)
        assert report.verdict == "agree", str(report)

    def test_without_forward_mode_reverse_mode_is_enough(self) -> None:
        report = second(Cube)
        assert report.verdict == "agree", str(report)
        assert "second order" in kinds(report)

    def test_that_is_lost_is_named(self) -> None:
        report = second(Detached)
        assert report.verdict == "disagree"
        assert report.diagnosis
        assert report.diagnosis.fault == "second derivative"
        assert "second derivative: it is not the derivative of the gradient" in str(report)

    def test_that_neither_mode_has_is_unsupported(self) -> None:
        report = second(Once)
        assert report.verdict == "unsupported"
        assert "once_differentiable" in str(report)

    def test_is_not_asked_of_a_gradient_that_is_wrong(self) -> None:
        class Wrong(Cube):
            @staticmethod
            def backward(ctx: Any, *u: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
                return u[0] * 2 * ctx.saved_tensors[0] ** 2

        report = second(Wrong)
        assert [found.kind for found in report.disagreements] == ["oracle"]
        assert "second order" not in kinds(report)


class TestHowItBehaves:
    def test_one_seed_gives_one_report(self) -> None:
        for function, probes in ((tilted, 2), (waves, 3)):
            first, again, other = (
                check(function, {"x": X}, seed=seed, probes=probes) for seed in (1, 1, 2)
            )
            assert first == again
            assert str(first) == str(again)
            assert first.checks[2].worst != other.checks[2].worst

    def test_probes_are_directions_of_the_oracle(self) -> None:
        values: list[Array] = []

        def counting(x: Array) -> Array:
            values.append(x)
            return np.sin(x)

        calls = []
        for probes in (1, 4):
            values.clear()
            assert check(waves, {"x": X}, forward=counting, probes=probes).verdict == "agree"
            calls.append(len(values))
        assert calls[1] >= calls[0] + 3

    def test_global_random_state_is_not_touched(self) -> None:
        before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - of others
        check(from_torch(torch.sin), X, order=2)
        check(tilted, {"x": X})
        assert str(before[0]) == str(np.random.get_state())  # noqa: NPY002 - of others
        assert torch.equal(before[1], torch.get_rng_state())

    def test_the_users_primals_are_left_alone_even_by_a_function_that_is_not(self) -> None:
        def careless(x: Array, n: Array, deep: Tree) -> Pair:
            value, gradient = np.sum(x) * n[0] + np.sum(deep["y"]), n[0] * np.ones_like(x)
            x *= 2
            n[0] = 7
            deep["y"] += 1
            deep["z"] = None
            return value, lambda u: {"x": u * gradient, "deep": {"y": u * np.ones(2)}}

        x, n, deep = X.copy(), np.array([3]), {"y": np.ones(2)}
        report = check(careless, {"x": x, "n": n, "deep": deep})
        assert report.diagnosis
        assert report.diagnosis.fault == "mutation"
        assert report.checks[0].detail == "modified primal x"
        assert np.array_equal(x, X)
        assert n[0] == 3
        assert list(deep) == ["y"]
        assert np.array_equal(deep["y"], np.ones(2))

    def test_a_function_that_writes_in_a_later_call_does_not_reach_the_users_arrays(self) -> None:
        for call in range(1, 30):
            remaining = count(-call)

            def forgetful(x: Array, remaining: Iterator[int] = remaining) -> Pair:
                value, vjp = sines(x)
                if next(remaining) == -1:
                    x *= 2
                return value, vjp

            x = X.copy()
            check(forgetful, {"x": x})
            assert np.array_equal(x, X)

    def test_a_function_that_would_write_the_same_twice_is_seen_the_first_time(self) -> None:
        def clipped(x: Array) -> Pair:
            inside = abs(x) <= 1
            np.clip(x, -1, 1, out=x)
            return np.sum(np.where(inside, x, 0)), lambda u: u * inside

        assert check(clipped, 2 * X).checks[0].detail == "modified primal x"

    def test_tensors_are_left_alone_too(self) -> None:
        def careless(x: torch.Tensor) -> torch.Tensor:
            value = 2 * x.sum()
            x.data *= 2
            return value

        x = torch.from_numpy(X.copy())
        report = check(careless, x)
        assert report.checks[0].detail == "modified primal x"
        assert torch.equal(x, torch.from_numpy(X))

    def test_again_has_all_that_was_asked_for(self) -> None:
        def bent(x: Array) -> Array:
            return np.asarray(np.sum(np.sin(x)))

        report = check(
            sines, {"x": X}, forward=bent, expected={"x": X}, wrt=["x"], seed=3, probes=5
        )
        assert str(report).endswith(
            "again: check(sines, primals, forward=bent, expected=expected, wrt=['x'], seed=3, "
            "probes=5)"
        )
        report = check(from_torch(torch.sin), X, order=2, precision=True)
        assert report.again == "check(sin, primals, seed=0, order=2, precision=True)"


class TestWhatIsNotDifferentiated:
    def test_is_said_of_numbers(self) -> None:
        def scaled(x: Array, s: float, n: int) -> Pair:
            return n * s * np.sin(x), lambda u: {"x": n * s * u * np.cos(x)}

        report = check(scaled, {"x": X, "s": 0.5, "n": 2})
        assert report.verdict == "agree", str(report)
        assert str(report).endswith("\n  not differentiated: s")

    @pytest.mark.parametrize("c", [Y.astype("f4"), Y + 1j, Y * [1, np.nan]])
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_may_be_arrays_that_could_not_be(self, c: Array, dtype: str) -> None:
        def times(x: Array, c: Array) -> Pair:
            kept = np.nan_to_num(c.real).astype(x.dtype)
            return x * kept, lambda u: {"x": (u * kept).astype(x.dtype)}

        report = check(times, {"x": X.astype(dtype), "c": c}, wrt="x", expected=times)
        assert report.verdict == "agree", str(report)

    def test_a_python_number_is_expected_of_a_number_in_float32(self) -> None:
        def double(x: Array) -> Pair:
            return 2 * x, lambda u: {"x": 2 * u}

        assert check(double, {"x": np.float32(1.5)}, expected={"x": 2.0}).verdict == "agree"


def test_a_complex_function_is_unsupported() -> None:
    report = check(lambda x: (x + 1j, lambda u: {"x": u.real}), {"x": X})
    assert report.verdict == "unsupported"
    assert "its value is complex: only real functions are supported" in str(report)


def test_a_set_of_names_is_written_as_the_list_that_it_stands_for() -> None:
    def product_of(x: Array, y: Array) -> Pair:
        return x * y, lambda u: {"x": u * y, "y": u * x}

    report = check(product_of, {"x": X, "y": Y}, wrt={"y", "x"})
    assert report.again == "check(product_of, primals, wrt=['x', 'y'], seed=0)"
    assert report == check(product_of, {"x": X, "y": Y}, wrt=["x", "y"])


@pytest.mark.parametrize("power", [3, 6])
def test_a_wrong_argument_beside_a_much_larger_one_is_seen(power: int) -> None:
    def with_factor(factor: float) -> Report:
        def f(x: Array, y: Array) -> tuple[Array, Vjp]:
            value = np.sum(x * x) + np.sum(y * y)
            return value, lambda u: {"x": 2 * u * x, "y": factor * u * y}

        rng = np.random.default_rng(0)
        large = (10.0**power * rng.standard_normal(100)).astype(np.float32)
        return check(f, {"x": large, "y": rng.standard_normal(4).astype(np.float32)})

    assert with_factor(2).verdict == "agree"
    assert with_factor(5).verdict == "disagree"
