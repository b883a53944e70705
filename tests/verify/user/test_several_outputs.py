"""Functions whose value is a dict, a list or a tuple of arrays and numbers."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
import pytest
import torch

from reference_impls.computation import Array, Vjp
from reference_impls.nested import Tree
from verify import Report, check, from_autograd, from_numpy, from_torch

X = np.random.default_rng(3).standard_normal((3, 2))
Old = namedtuple("Old", ["wave", "size"])  # noqa: PYI024 - such are about, too


class Pair(NamedTuple):
    wave: Array
    size: Array


def by_hand(x: Array, factor: float = 1.0) -> tuple[Tree, Callable[[Tree], Tree]]:
    """sin x and ‖x‖² of which the latter is a Python number, beside what has no derivative."""

    def vjp(u: Tree) -> Tree:
        assert u["l"][1:] == [None, None, None]
        return {"x": u["h"] * np.cos(x) + factor * u["l"][0] * 2 * x}

    value = {"h": np.sin(x), "l": [float(np.sum(x * x)), 3, x > 0, "name"]}
    return value, vjp


def waves(x: Any) -> Tree:  # noqa: ANN401 - of both engines
    return {"h": anp.sin(x), "l": [anp.sum(x * x), 3]}


def torch_waves(x: torch.Tensor) -> Tree:
    return {"h": torch.sin(x), "l": [(x * x).sum(), 3, x.argmax()]}


class Squares(torch.autograd.Function):
    """sin x and x², whose gradient is half of what it should be."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        ctx.save_for_backward(x)
        return x.sin(), x * x

    @staticmethod
    def backward(ctx: Any, *u: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        (x,) = ctx.saved_tensors
        return u[0] * x.cos() + u[1] * x


RIGHT: dict[str, Any] = {
    "by hand": by_hand,
    "a tuple": lambda x: ((np.sin(x), x), lambda u: (u[0] * np.cos(x) + u[1],)),
    "a list of one": lambda x: ([np.sin(x)], lambda u: (u[0] * np.cos(x),)),
    "a named tuple": lambda x: (
        Pair(np.sin(x), np.sum(x)),
        lambda u: (u.wave * np.cos(x) + u.size,),
    ),
    "an old one": lambda x: (Old(np.sin(x), np.sum(x)), lambda u: (u.wave * np.cos(x) + u.size,)),
    "by autograd": from_autograd(waves),
    "a box of a tuple": from_autograd(lambda x: anp.linalg.eigh(anp.dot(x.T, x))),
    "a constant beside it": from_autograd(lambda x: (anp.sin(x), np.ones(3, x.dtype))),
    "by torch": from_torch(torch_waves),
    "of C": from_torch(lambda x: torch.linalg.eigh(x.T @ x)[:1]),
    "of C, with indices": from_torch(lambda x: torch.max(x, dim=1)),
    "in NumPy": from_numpy(
        lambda x: (np.sin(x), float(np.sum(x * x))),
        lambda x, cotangent: cotangent[0] * np.cos(x) + 2 * x * cotangent[1],
    ),
    "a recurrent layer": from_torch(torch.nn.LSTM(2, 3)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("function", RIGHT.values(), ids=RIGHT)
def test_right_gradients_agree(function: Any, dtype: str) -> None:  # noqa: ANN401 -- an array, a tensor or a box
    report = check(function, (X.astype(dtype),) if function is not by_hand else {"x": X})
    assert report.verdict == "agree", str(report)
    assert "oracle" in [found.kind for found in report.checks]


@pytest.mark.parametrize("function", [from_autograd(waves), from_torch(torch_waves)])
def test_second_derivatives_agree_too(function: Any) -> None:  # noqa: ANN401 -- an array, a tensor or a box
    report = check(function, X, order=2)
    assert report.verdict == "agree", str(report)
    assert "second order" in [found.kind for found in report.checks]


def test_what_has_no_derivative_is_named() -> None:
    said = str(check(by_hand, {"x": X}))
    assert said.endswith(
        "  not differentiated: value['l'][1] (an int), value['l'][2] (a numpy.ndarray of bool), "
        "value['l'][3] (a str)"
    )
    assert "value['l'][2] (a torch.Tensor of int64)" in str(check(from_torch(torch_waves), X))


def test_so_is_what_was_detached_beside_what_was_not() -> None:
    report = check(from_torch(lambda x: (x.sin(), {"mean": x.mean().detach()})), X)
    assert report.verdict == "agree", str(report)
    assert report.undifferentiated == ("value[1]['mean'] (requires no gradient)",)
    # Alone, it is the value, and its gradient is judged.
    assert check(from_torch(lambda x: (x.sin().detach(),)), X).verdict == "disagree"


def wrong(report: Report) -> str:
    assert report.verdict == "disagree", str(report)
    assert report.diagnosis
    return report.diagnosis.sentence


def test_a_wrong_gradient_is_told_with_the_output_that_it_comes_from() -> None:
    report = check(lambda x: by_hand(x, 3.0), {"x": X})
    assert wrong(report).startswith(
        "what comes from value['l'][0] is wrong (from value['h'] it is right): "
        "from value['l'][0], gradient of x is 3 times what it should be"
    )
    report = check(lambda x: by_hand(x, 0.0), {"x": X})
    assert "from value['l'][0], gradient of x is zero and should not be" in wrong(report)
    apply: Any = Squares.apply
    report = check(from_torch(apply), X)
    assert "from value[1], gradient of x is 0.5 times what it should be" in wrong(report)


def test_several_wrong_outputs_are_all_named() -> None:
    def tilted(x: Array) -> Tree:
        value = np.sin(x), np.cos(x), x * x
        return value, lambda u: 2 * u[0] * np.cos(x) - 3 * u[1] * np.sin(x) + u[2] * 2 * x

    said = wrong(check(tilted, X))
    assert said.startswith(
        "what comes from value[0], value[1] is wrong (from value[2] it is right)"
    )
    assert "from value[0], gradient of x is 2 times what it should be" in said


def test_an_output_of_another_dtype_is_named() -> None:
    def narrow(x: Array) -> Tree:
        value = [np.sin(x), {"c": np.cos(x).astype(np.float32)}]
        return value, lambda u: u[0] * np.cos(x) - u[1]["c"] * np.sin(x)

    assert wrong(check(narrow, X)) == "value[1]['c'] is float32, wanted float64"
    function = from_torch(lambda x: {"a": x.sin(), "b": x.float().cos()})
    assert wrong(check(function, X)) == "value['b'] is float32, wanted float64"


def test_so_is_one_that_is_not_finite_and_one_that_changes() -> None:
    calls = iter(range(1000))

    def holed(x: Array) -> Tree:
        return {"h": np.where(x == x[2, 1], np.nan, x)}, lambda u: u["h"]

    def drifting(x: Array) -> Tree:
        return {"h": x, "s": np.sum(x) + 1e-3 * next(calls)}, lambda u: u["h"] + u["s"]

    assert "value['h'][2, 1] is not finite" in str(check(holed, X))
    assert "the value['s'] from" in wrong(check(drifting, X))


def test_a_value_of_other_outputs_than_before_is_no_value() -> None:
    calls = iter(range(1000))

    def changing(x: Array) -> Tree:
        name = "a" if next(calls) < 4 else "b"
        return {name: np.sin(x)}, lambda u: u[name] * np.cos(x)

    report = check(changing, X)
    assert report.verdict == "unsupported"
    assert "returned a value of value['b'] (3, 2), and of value['a'] (3, 2) before" in str(report)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((), "returned a tuple of 0 as its value, wanted a number or an array of float64"),
        ({"n": 3}, "returned a dict of 1 as its value, wanted a number or an array of float64"),
        (
            [X, torch.ones(2)],
            "returned a tensor as its value[1]; wrap a torch function in from_torch",
        ),
    ],
)
def test_without_an_array_there_is_no_value(value: Tree, said: str) -> None:
    report = check(lambda _: (value, lambda u: u), X)
    assert report.verdict == "unsupported"
    assert said in report.checks[0].detail


def test_nor_is_there_one_by_the_engines() -> None:
    for adapter, value in ((from_torch, [1, None]), (from_autograd, {"n": 3})):
        report = check(adapter(lambda _, value=value: value), X)
        assert report.verdict == "unsupported"
        assert "wanted floating-point arrays among its outputs" in report.checks[0].detail


def test_a_cotangent_that_is_written_to_or_given_back_is_seen() -> None:
    def writing(x: Array) -> Tree:
        def vjp(u: Tree) -> Tree:
            np.multiply(u[0], np.cos(x), out=u[0])
            return np.array(u[0])

        return (np.sin(x),), vjp

    assert wrong(check(writing, X)) == "modified the cotangent"


def test_forward_and_expected_have_the_same_outputs() -> None:
    report = check(by_hand, {"x": X}, forward=lambda x: by_hand(x)[0], expected=by_hand)
    assert report.verdict == "agree", str(report)
    assert "value: by_hand against expected: value['h']" in str(report) or "value['l'][0]" in str(
        report
    )
    report = check(by_hand, {"x": X}, expected=lambda x: by_hand(x, 3.0))
    assert report.verdict == "disagree"


class TestOneValue:
    def test_of_another_dtype_is_what_is_wrong_not_the_cotangent(self) -> None:
        def by_numpy(x: Array) -> tuple[Array, Vjp]:
            return np.sin(x).astype("f4"), lambda u: u * np.cos(x)

        for function in (
            by_numpy,
            from_torch(lambda x: x.sin().float()),
            from_torch(lambda x: torch.sum(x, dtype=torch.float32)),
            from_autograd(lambda x: anp.sin(x).astype("f4")),
        ):
            assert wrong(check(function, X)) == "value is float32, wanted float64"
        assert wrong(check(from_torch(lambda x: x.double()), X.astype("f4"))) == (
            "value is float64, wanted float32"
        )

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_may_be_a_python_number(self, dtype: str) -> None:
        def value(x: Array) -> float:
            return float(np.sum(x * x))

        for function in (
            from_numpy(value, lambda x: 2 * x),
            from_numpy(lambda x: (value(x), 2 * x)),
            from_numpy(value, lambda x, cotangent: 2 * x * cotangent),
            lambda x: (value(x), lambda u: 2 * u * x),
        ):
            report = check(function, X.astype(dtype))
            assert report.verdict == "agree", str(report)
            assert report.dtype == dtype
        assert "3 times" in wrong(check(from_numpy(value, lambda x: 6 * x), X.astype(dtype)))
