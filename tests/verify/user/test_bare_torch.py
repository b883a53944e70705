"""Functions, modules and custom Functions of torch, handed to `check` as they are."""

from typing import Any

import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.nested import Tree
from tests.gradjury.fresh import python
from verify import check, from_torch

X = np.random.default_rng(8).standard_normal((3, 4))
T = torch.from_numpy(X.copy())


def network() -> torch.nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))


NAMES = ("0.weight", "0.bias", "2.weight", "2.bias")


class Exponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx: Any, *u: torch.Tensor) -> Any:  # noqa: ANN401 - torch's
        return u[0] * ctx.saved_tensors[0].exp()


class Leaky(torch.nn.Module):
    """A wrong one: the gradient of its weight is lost in one of its outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(4))
        self.frozen = torch.nn.Parameter(torch.ones(4), requires_grad=False)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> Tree:
        return {"y": (x * self.w.detach()).sin() * self.frozen, "z": (x * self.w).sum()}


class TestFunctions:
    def test_that_are_given_tensors_need_no_wrapping(self) -> None:
        for primals in ((T, T), {"x": T, "y": X}, (T, [X, T])):
            report = check(lambda x, y: (x * (y if torch.is_tensor(y) else y[1])).sin(), primals)
            assert report.verdict == "agree", str(report)
        assert check(torch.nn.functional.gelu, T).verdict == "agree"

    def test_beside_integers_and_numbers_in_float32_too(self) -> None:
        def picked(x: torch.Tensor, n: torch.Tensor, k: int, mode: str) -> torch.Tensor:
            assert (n.dtype, k, mode) == (torch.int64, 2, "rows")
            return x[n].sin() * k

        report = check(picked, (T.float(), torch.tensor([0, 0, 2]), 2, "rows"))
        assert report.verdict == "agree", str(report)
        assert report.dtype == "float32"

    def test_that_are_wrong_disagree(self) -> None:
        report = check(lambda x: (x * x.detach()).sum(), T)
        assert report.verdict == "disagree"
        assert report.diagnosis
        assert "0.5 times" in report.diagnosis.sentence

    def test_that_are_the_apply_of_a_custom_function_need_no_tensors_either(self) -> None:
        apply: Any = Exponential.apply
        report = check(apply, X)
        assert report.verdict == "agree", str(report)
        assert report.call == "Exponential(x: (3, 4) float64)"

    def test_of_numpy_are_left_alone(self) -> None:
        def sines(x: Array) -> Tree:
            assert isinstance(x, np.ndarray)
            return np.sin(x), lambda u: u * np.cos(x)

        assert check(sines, X).verdict == "agree"

    def test_with_a_vjp_of_their_own_are_pointed_elsewhere(self) -> None:
        report = check(lambda x: (x.sin(), lambda u: u * x.cos()), T)
        assert report.verdict == "unsupported"
        assert "that is judged of NumPy arrays, without an adapter" in str(report)

    def test_second_derivatives_are_to_be_had(self) -> None:
        report = check(lambda x: x.sin().sum(), T, order=2)
        assert report.verdict == "agree", str(report)
        assert "second order" in {found.kind for found in report.checks}

    def test_without_tensors_torch_is_not_imported(self) -> None:
        code = (
            "import sys, numpy as np; from gradjury import check; "
            "print(check(lambda x: (np.sin(x), lambda u: u * np.cos(x)), np.ones(3)).verdict, "
            "'torch' in sys.modules)"
        )
        assert python("-c", code).stdout == "agree False\n"


class TestModules:
    @pytest.mark.parametrize("primals", [X, T, (X,), {"input": T}])
    @pytest.mark.parametrize("wrap", [lambda module: module, from_torch])
    def test_have_their_parameters_checked_and_the_report_says_which(
        self,
        primals: Tree,
        wrap: Any,  # noqa: ANN401 - from a module to that, or an adapter
    ) -> None:
        report = check(wrap(network()), primals)
        assert report.verdict == "agree", str(report)
        assert report.wrt == ("input", *NAMES)
        assert report.parameters == NAMES
        assert "\n  parameters checked: 0.weight, 0.bias, 2.weight, 2.bias" in str(report)

    def test_unless_wrt_says_otherwise(self) -> None:
        report = check(network(), X, wrt="input")
        assert (report.verdict, report.wrt, report.parameters) == ("agree", ("input",), ())
        said = "  not differentiated: parameter 0.weight, parameter 0.bias, parameter 2.weight, "
        assert said in str(report)
        report = check(network(), X, wrt=["2.bias", "0.weight"])
        assert report.wrt == ("2.bias", "0.weight")
        assert report.parameters == ("0.weight", "2.bias")
        assert report.undifferentiated == ("parameter 0.bias", "parameter 2.weight")

    def test_with_some_of_them_given(self) -> None:
        W = np.ones((5, 4))
        for given in ({"0.weight": W}, {"0": {"weight": W}}):
            report = check(network(), {"input": X, **given})
            assert report.verdict == "agree", str(report)
            assert report.parameters == NAMES

    def test_are_checked_in_the_dtype_of_their_inputs_or_their_own(self) -> None:
        assert check(network(), X).dtype == "float64"
        assert check(network(), T.float()).dtype == "float32"
        embedding = torch.nn.Embedding(10, 3)
        report = check(embedding, torch.tensor([1, 2, 2]))
        assert (report.verdict, report.dtype, report.wrt) == ("agree", "float32", ("weight",))
        report = check(torch.nn.Embedding(10, 3, dtype=torch.bfloat16), torch.tensor([1, 2, 2]))
        assert (report.verdict, report.dtype) == ("agree", "float32")

    def test_that_lose_the_gradient_of_a_parameter_disagree(self) -> None:
        report = check(Leaky(), X)
        assert report.verdict == "disagree"
        assert report.diagnosis
        said = "from value['y'], gradient of w is zero and should not be"
        assert said in report.diagnosis.sentence
        assert report.parameters == ("w",)  # the other is frozen
        assert check(Leaky(), X, wrt="x").verdict == "agree"

    def test_are_left_as_they_were(self) -> None:
        module = network()
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        check(module, X)
        assert all(
            torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items()
        )
        assert all(each.grad is None and each.requires_grad for each in module.parameters())

    def test_whose_inputs_have_no_names_have_those_alone_checked(self) -> None:
        class Sum(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w = torch.nn.Parameter(torch.ones(()))

            def forward(self, *xs: torch.Tensor) -> torch.Tensor:
                return self.w * (xs[0] * xs[1])

        report = check(Sum(), (X, X))
        assert report.verdict == "agree", str(report)
        assert report.wrt == ("argument 0", "argument 1")
        assert str(report).endswith("not differentiated: parameter w")

    def test_with_tied_weights_have_them_checked_once(self) -> None:
        first, second = torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 4, bias=False)
        second.weight = first.weight
        module = torch.nn.Sequential(first, torch.nn.Tanh(), second)
        report = check(module, X)
        assert (report.verdict, report.parameters) == ("agree", ("0.weight",))
        report = check(module, {"input": X, "2.weight": np.eye(4)})
        assert (report.verdict, report.wrt) == ("agree", ("input", "2.weight"))
