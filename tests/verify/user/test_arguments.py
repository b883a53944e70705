import re
import sys
from collections import UserList, deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.engines.pytorch.choice import from_torch
from reference_impls.nested import Tree
from verify.checks.check import RefusalError, Violation
from verify.user.arguments import Arguments, MakeVjp
from verify.user.function import UserFunction, UserVjp

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
B = np.array([0.5, 0.25, 0.125])


class Pair(NamedTuple):
    left: Array
    right: int


def scale(x: Tree, b: Tree = None, n: Tree = None) -> Tree:
    """Never called where a test is about arguments alone."""
    raise AssertionError(x, b, n)


def of(primals: Tree, wrt: Any = None) -> Arguments:  # noqa: ANN401 - wrong ones, too
    return Arguments.of(scale, primals, wrt)


class TestWhatIsDifferentiated:
    def test_floating_arrays_by_name(self) -> None:
        arguments = of({"x": X, "b": B})
        assert list(arguments.arrays) == ["x", "b"]
        assert arguments.wrt == ("x", "b")
        assert (arguments.dtype, arguments.entries) == ("float64", 9)

    def test_by_position_they_have_the_parameters_names(self) -> None:
        assert of((X, B)).wrt == ("x", "b")

    def test_where_parameters_have_no_names_arguments_are_counted(self) -> None:
        assert Arguments.of(lambda *xs: xs, (X, X)).wrt == ("argument 0", "argument 1")

    def test_one_array_stands_alone(self) -> None:
        assert of(X).wrt == ("x",)
        assert of(np.float32(2)).dtype == "float32"

    def test_what_is_nested_has_a_path(self) -> None:
        primals = {"x": {"W": X, "layers": [B, {"b": B}]}, "b": (B, B)}
        assert of(primals).wrt == (
            "x['W']",
            "x['layers'][0]",
            "x['layers'][1]['b']",
            "b[0]",
            "b[1]",
        )

    def test_all_else_is_passed_through(self) -> None:
        indices = np.array([0, 1])
        arguments = of({"x": X, "b": [indices, None, 3, 2.5, "mean", True]})
        assert arguments.wrt == ("x",)
        _, named = arguments.with_arrays({"x": 2 * X})
        assert np.array_equal(named["x"], 2 * X)
        assert np.array_equal(named["b"][0], indices)
        assert named["b"][1:] == [None, 3, 2.5, "mean", True]

    def test_tensors_are_arrays(self) -> None:
        tensor = torch.ones(3, dtype=torch.float32, requires_grad=True)
        arguments = of({"x": tensor, "n": torch.tensor([1, 2])})
        assert arguments.wrt == ("x",)
        assert arguments.dtype == "float32"
        assert isinstance(arguments.by_name["n"], np.ndarray)

    @pytest.mark.parametrize(
        ("wrt", "chosen"),
        [
            ("b", ("b[0]", "b[1]")),
            ("b[1]", ("b[1]",)),
            (("b[1]", "x"), ("b[1]", "x")),
            (["b", "b[0]"], ("b[0]", "b[1]")),
        ],
    )
    def test_wrt_names_arguments_or_leaves(self, wrt: Any, chosen: tuple[str, ...]) -> None:  # noqa: ANN401
        assert of({"x": X, "b": [B, B]}, wrt).wrt == chosen

    def test_a_name_that_begins_alike_is_another(self) -> None:
        assert of({"x": X, "x2": X}, "x").wrt == ("x",)


class TestTheCall:
    def test_is_written_with_shapes_and_dtypes(self) -> None:
        primals = {"x": X, "b": {"W": B, "c": B}, "n": 3}
        assert of(primals).call == "scale(x: (2, 3) float64, b: dict of 2, n: 3)"

    def test_goes_by_position_or_by_name_as_it_came(self) -> None:
        positional, named = of((X, B)).with_arrays({"x": X, "b": 2 * B})
        assert named == {}
        assert np.array_equal(positional[1], 2 * B)
        positional, named = of({"x": X}).with_arrays({"x": X})
        assert (positional, list(named)) == ((), ["x"])

    def test_containers_keep_their_types(self) -> None:
        (found,), _ = of((Pair(X, 3),)).with_arrays({"x[0]": 2 * X})
        assert type(found) is Pair
        assert np.array_equal(found.left, 2 * X)

    def test_integers_that_the_function_writes_to_are_not_the_users(self) -> None:
        indices = np.array([0, 1])
        _, named = of({"x": X, "n": indices}).with_arrays({"x": X})
        named["n"][0] = 9
        assert indices[0] == 0

    def test_tangents_are_none_where_there_are_none(self) -> None:
        (x, b), n = of((X, [B, 3])).tangents({"x": X, "b[0]": B}), 1
        assert x is X
        assert b[0] is B
        assert b[n] is None


@pytest.mark.parametrize(
    ("primals", "wrt", "error", "said"),
    [
        ({}, None, TypeError, "scale: got nothing, wanted at least one floating-point"),
        ((), None, TypeError, "scale: got nothing, wanted at least one floating-point"),
        (None, None, TypeError, "scale: got x: NoneType, wanted at least one"),
        ("X", None, TypeError, "scale: got x: str, wanted at least one"),
        ({"x": 2.5}, None, TypeError, "scale: got x: float, wanted at least one"),
        ({"x": [1.0] * 9}, None, TypeError, "x[3]: float and 5 more, wanted at least one"),
        ({"x": np.arange(3)}, None, TypeError, "x: numpy.ndarray of int64, wanted at least one"),
        ({"x": X.astype(np.float16)}, None, TypeError, "x has dtype float16; accepted are float64"),
        ({"x": X + 0j}, None, TypeError, "x has dtype complex128; accepted are float64, float32"),
        ({"x": X, "b": [B.astype("f4")]}, None, TypeError, "got x float64, b[0] float32"),
        ({"x": torch.ones(2, dtype=torch.bfloat16)}, None, TypeError, "x is a torch.Tensor of bf"),
        ({"x": X, 3: X}, None, TypeError, "scale: got 3 for an argument's name, wanted a string"),
        ({"x": {1: X, "1": X}}, None, TypeError, "x: got the keys [1, '1'], wanted keys that sort"),
        ({"x": X * np.nan}, None, ValueError, "scale: x[0, 0] is NaN"),
        ({"x": X}, "xs", ValueError, "scale: wrt names 'xs'; floating-point arrays are x; did you"),
        ({"x": X, "n": 3}, "n", ValueError, "scale: wrt names 'n'; floating-point arrays are x"),
        ({"x": X}, (), ValueError, "scale: wrt is empty; accepted are x"),
        ({"x": X}, 3, TypeError, "scale: wrt is an int, wanted names of arguments"),
        ({"x": X}, ("x", 3), ValueError, "scale: wrt names 3; floating-point arrays are x"),
    ],
)
def test_arguments_that_will_not_do_are_refused_in_one_line(
    primals: Tree,
    wrt: Any,  # noqa: ANN401 - wrong ones, too
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error) as caught:
        of(primals, wrt)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [3, None, "scale", X])
def test_what_cannot_be_called_is_refused(given: MakeVjp) -> None:
    with pytest.raises(TypeError, match=r"^check: got \S+.*, wanted a function that returns"):
        Arguments.of(given, {"x": X})


def user(make_vjp: MakeVjp, primals: Tree, forward: Any = None) -> UserFunction:  # noqa: ANN401
    return UserFunction(make_vjp, forward, Arguments.of(make_vjp, primals))


def squares(x: Array) -> tuple[Array, Any]:
    return np.sum(x * x), lambda u: {"x": 2 * u * x}


class TestUserFunction:
    def test_gives_arrays_whatever_the_call_looks_like(self) -> None:
        def norm(layer: dict[str, Array], n: int) -> tuple[float, Any]:
            value = n * float(np.sum(layer["W"] ** 2))
            return value, lambda u: ({"W": 2 * n * u * layer["W"]}, None)

        function = user(norm, ({"W": X}, 3))
        value, vjp = function.make_vjp({"layer['W']": X})
        assert (value.shape, float(value)) == ((), 3 * 91.0)
        assert np.array_equal(vjp(np.array(1.0))["layer['W']"], 6 * X)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_a_python_number_has_the_dtype_of_the_primals_of_that_call(self, dtype: str) -> None:
        def total(x: Array) -> tuple[float, Any]:
            return float(np.sum(x)), lambda u: {"x": u * np.ones_like(x)}

        function = user(total, {"x": X.astype(np.float32)})
        assert function.forward({"x": X.astype(dtype)}).dtype == dtype

    def test_values_come_from_forward_where_there_is_one(self) -> None:
        function = user(squares, (X,), np.sum)
        assert function.forward({"x": X}) == 21
        assert function.make_vjp({"x": X})[0] == 91

    def test_an_adapters_own_forward_takes_complex_numbers(self) -> None:
        function = user(from_torch(lambda x: (x * x).sum()), {"x": X})
        assert function.forward({"x": X + 0j}).dtype == complex

    def test_a_method_that_happens_to_be_called_forward_is_none(self) -> None:
        class Layer:
            def __call__(self, x: Array) -> tuple[Array, Any]:
                return squares(x)

            def forward(self, x: Array) -> tuple[Array, str]:
                return np.sum(x * x), "what backward needs"

        assert user(Layer(), {"x": X}).forward({"x": X}) == 91

    @pytest.mark.parametrize(
        ("returned", "said"),
        [
            (None, "None, wanted (value, vjp) with a function vjp(cotangent) that returns"),
            (3, "an int, wanted (value, vjp)"),
            ((1.0, 2.0), "a tuple of 2 with a float for vjp, wanted (value, vjp)"),
            ((1.0, len, 2.0), "a tuple of 3, wanted (value, vjp)"),
            ((3, len), "an int as its value, wanted a number or an array of float64"),
            (([None], len), "a list of 1 as its value, wanted a number or an array of float64"),
            ((None, len), "None as its value, wanted a number or an array of float64"),
            ((np.array([None]), len), "a numpy.ndarray of object as its value, wanted a number"),
            ((torch.ones(()), len), "a tensor as its value; wrap a torch function in from_torch"),
        ],
    )
    def test_what_is_no_value_and_vjp_is_refused(self, returned: Tree, said: str) -> None:
        def odd(x: Array) -> Tree:
            return returned if x.any() else None

        with pytest.raises(RefusalError) as caught:
            user(odd, {"x": X}).make_vjp({"x": X})
        assert str(caught.value).startswith(f"odd(x: (2, 3) float64) returned {said}")

    def test_what_the_users_code_raises_is_told_with_the_call_in_one_line(self) -> None:
        def late(x: Array) -> tuple[Array, Any]:
            def vjp(_: Array) -> Tree:
                raise KeyError("y\nz")

            return np.sum(x), vjp

        def early(x: Array) -> Tree:
            raise ValueError(f"{x.ndim} axes\nof what")

        with pytest.raises(RefusalError) as caught:
            user(early, {"x": X}).make_vjp({"x": X})
        place = rf" \({Path(__file__).name}:\d+, in"
        said = r"early\(x: \(2, 3\) float64\) raised ValueError: 2 axes"
        assert re.fullmatch(rf"{said}{place} early\)", str(caught.value))
        vjp = user(late, {"x": X}).make_vjp({"x": X})[1]
        with pytest.raises(RefusalError) as caught:
            vjp(np.array(1.0))
        said = r"the vjp of late\(x: \(2, 3\) float64\) raised KeyError: 'y\\nz'"
        assert re.fullmatch(rf"{said}{place} vjp\)", str(caught.value))
        with pytest.raises(RefusalError) as caught:
            user(late, {"x": X}, early).forward({"x": X})
        said = r"the forward of late\(x: \(2, 3\) float64\) raised ValueError: 2 axes"
        assert re.fullmatch(rf"{said}{place} early\)", str(caught.value))

    def test_braces_in_an_argument_do_no_harm(self) -> None:
        def odd(x: Array, n: str) -> Tree:
            return 3, lambda u: (u, n, x)

        with pytest.raises(RefusalError, match="an int as its value"):
            user(odd, (X, "{a} {0}")).make_vjp({"x": X})


class Unreduced(torch.autograd.Function):
    """x + b, whose backward forgets that b was broadcast."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's
        return x + b

    @staticmethod
    def backward(_: Any, *u: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ANN401 - torch's
        return u[0], u[0]


class Narrow(Unreduced):
    """x + b, whose backward returns float32."""

    @staticmethod
    def backward(_: Any, *u: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ANN401 - torch's
        return u[0], u[0].sum(0).float()


class TestMended:
    @pytest.mark.parametrize(
        ("function", "fault", "line"),
        [
            (Unreduced, "un-reduced broadcast", "has shape (2, 3), wanted (3,)"),
            (Narrow, "dtype drift", "is float32, wanted float64"),
        ],
    )
    def test_what_torch_repaired_is_a_violation(
        self, function: type[torch.autograd.Function], fault: str, line: str
    ) -> None:
        apply: Any = function.apply
        inside = from_torch(lambda x, b: torch.sin(apply(x, b)))
        value, vjp = user(inside, (X, B)).make_vjp({"x": X, "b": B})
        assert isinstance(vjp, UserVjp)
        assert vjp.mended is None  # nothing has been asked yet
        vjp(np.ones_like(value))
        sentence = f"{function.__name__}.backward: the gradient of input 1 {line}; torch mended it"
        assert vjp.mended == Violation(fault, sentence)

    def test_where_nothing_was_there_is_none(self) -> None:
        for function in (squares, from_torch(lambda x: (x * x).sum())):
            value, vjp = user(function, (X,) if function is not squares else {"x": X}).make_vjp(
                {"x": X}
            )
            vjp(np.ones_like(value))
            assert isinstance(vjp, UserVjp)
            assert vjp.mended is None


class Stack(list[Array]):
    pass


class Couple(tuple[Array, ...]):
    __slots__ = ()


@dataclass
class Layer:
    weight: Array


class TestWhatMayHideArrays:
    @pytest.mark.parametrize(
        ("hidden", "kind"),
        [
            (Stack([B]), "Stack"),
            (Couple((B,)), "Couple"),
            (UserList([B]), "collections.UserList"),
            (deque([B]), "collections.deque"),
            (Layer(B), "Layer"),
            (np.array([B, None], dtype=object), "numpy.ndarray of object"),
            (np.zeros(2, dtype=[("w", float)]), "numpy.ndarray of [('w', '<f8')]"),
            (np.ma.masked_array(B, B > 0.25), "MaskedArray of float64"),
            (pd.Series(B), "Series of float64"),
        ],
    )
    def test_is_refused_wherever_it_stands(self, hidden: Tree, kind: str) -> None:
        for primals, where in (({"x": X, "b": hidden}, "b"), ({"x": [X, hidden]}, "x[1]")):
            with pytest.raises(TypeError) as caught:
                of(primals)
            said = str(caught.value)
            assert said.startswith(f"scale: {where} is a")
            assert f"{kind}, which is not looked into; wanted a dict, list or tuple" in said
            assert "\n" not in said

    @pytest.mark.parametrize(
        "harmless",
        [
            *(None, True, 3, 2.5, "mean", b"raw", range(3), len, Layer, torch.float32),
            torch.Size([2]),
            np.random.default_rng(0),
            np.array(["a"]),
            np.float64,
            {1, 2},
            slice(3),
            torch.nn.ReLU(),
        ],
    )
    def test_all_else_is_handed_on_as_it_is(self, harmless: Tree) -> None:
        (_, found), _ = of((X, harmless)).with_arrays({"x": X})
        assert np.array_equal(found, harmless)


def test_floats_that_are_no_arrays_are_remembered_as_not_differentiated() -> None:
    numbers = {"s": 0.5, "z": 1j, "q": Fraction(1, 3), "n": 3, "flag": True, "none": None}
    arguments = of({"x": X, "b": numbers, "n": [np.float64(2), 2.5]})
    assert arguments.undifferentiated == ("b['q']", "b['s']", "b['z']", "n[1]")
    assert of({"x": X}).undifferentiated == ()


@pytest.mark.parametrize("other", [B, 3])
def test_two_leaves_of_one_path_are_refused(other: Tree) -> None:
    with pytest.raises(ValueError, match=r"^scale: 2 of the arguments' leaves are called x\[0\]$"):
        of({"x": [X], "x[0]": other})


def test_what_contains_itself_is_refused() -> None:
    cycle: list[Tree] = [X]
    cycle.append({"again": cycle})
    for primals in (cycle, {"x": cycle}, (cycle,)):
        with pytest.raises(TypeError, match=r"^scale: x contains itself, or is nested too deep$"):
            of(primals)


class TestWrt:
    def test_a_set_is_in_the_order_of_the_arrays(self) -> None:
        assert of({"x": X, "b": [B, B], "n": B}, {"n", "b", "x"}).wrt == ("x", "b[0]", "b[1]", "n")

    def test_a_set_is_refused_for_the_same_name_in_whatever_order_it_comes(self) -> None:
        class Backwards(frozenset[str]):
            def __iter__(self) -> Iterator[str]:
                return iter(sorted(super().__iter__(), reverse=True))

        with pytest.raises(ValueError, match=r"^scale: wrt names 'p'"):
            of({"x": X}, Backwards("xpq"))

    def test_bytes_are_no_names(self) -> None:
        with pytest.raises(TypeError, match="scale: wrt is a bytes, wanted names of arguments"):
            of({"x": X}, b"x")


class TestFloatingArraysThatAreConstants:
    @pytest.mark.parametrize("constant", [B.astype("f4"), B.astype("f2"), B + 1j, B * np.nan])
    def test_are_handed_on_as_copies_of_what_they_are(self, constant: Array) -> None:
        arguments = of({"x": X, "b": constant}, "x")
        assert list(arguments.arrays) == ["x"]
        _, named = arguments.with_arrays({"x": X.astype("f4")})
        assert named["b"].dtype == constant.dtype
        assert np.array_equal(named["b"], constant, equal_nan=True)
        assert named["b"] is not constant

    @pytest.mark.parametrize("other", [B, np.full(3, np.inf)])
    def test_of_the_same_dtype_are_cast_with_the_others(self, other: Array) -> None:
        assert list(of({"x": X, "b": other}, "x").arrays) == ["x", "b"]

    def test_the_dtype_is_that_of_wrt(self) -> None:
        arguments = of({"x": X, "b": B.astype("f4")}, "b")
        assert (arguments.dtype, list(arguments.arrays)) == ("float32", ["b"])

    def test_are_refused_where_they_are_wanted(self) -> None:
        with pytest.raises(ValueError, match=r"scale: b\[0\] is NaN"):
            of({"x": X, "b": B * np.nan}, "b")


class TestRefusalsOfWhatIsReturned:
    def test_ending_the_process_is_one(self) -> None:
        def leaving(x: Array) -> Tree:
            return sys.exit(f"no {x.shape}")

        with pytest.raises(RefusalError, match=r"leaving\(.*\) raised SystemExit: no \(2, 3\)"):
            user(leaving, {"x": X}).make_vjp({"x": X})

    def test_a_complex_value_is_for_complex_primals_alone(self) -> None:
        def rotated(x: Array) -> tuple[Array, Any]:
            return 1j * x, lambda u: {"x": u}

        function = user(rotated, {"x": X})
        said = r"^rotated\(x: .*\): its value is complex: only real functions are supported$"
        with pytest.raises(RefusalError, match=said):
            function.make_vjp({"x": X})
        with pytest.raises(RefusalError, match="its value is complex"):
            user(squares, {"x": X}, lambda x: 1j * x).forward({"x": X})
        assert np.iscomplexobj(function.forward({"x": X + 0j}))

    @pytest.mark.parametrize("primals", [[X, B], (X, B), ([X, B],)])
    def test_a_list_for_several_arguments_is_hinted_at(self, primals: Tree) -> None:
        def affine(x: Array, b: Array) -> Tree:
            raise KeyError(x, b)

        function = user(affine, primals)
        with pytest.raises(RefusalError) as caught:
            function.make_vjp(function.arguments.arrays)
        hint = "; a list is one argument: for several give a tuple"
        assert str(caught.value).endswith(hint) == isinstance(primals, list)

    def test_where_one_argument_will_do_there_is_no_hint(self) -> None:
        def first(x: Array, _: int = 0) -> Tree:
            raise KeyError(len(x))

        function = user(first, [X, B])
        with pytest.raises(RefusalError) as caught:
            function.make_vjp(function.arguments.arrays)
        assert re.search(r"raised KeyError: 2 \([^;]*, in first\)$", str(caught.value))
