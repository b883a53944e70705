"""What torch.autograd and HIPS autograd promise, on numbers that calculus gives.

The rest of the project builds on this. Where a tutorial has an example, it is the tutorial's.
"""

import inspect
import sys
from collections.abc import Callable
from itertools import pairwise

import autograd
import autograd.numpy as anp
import numpy as np
import numpy.typing as npt
import pytest
import torch
from autograd.extend import defjvp, defvjp, primitive
from autograd.misc import flatten
from autograd.test_util import check_grads
from torch.nn.functional import binary_cross_entropy_with_logits

from reference_impls import Array
from reference_impls.computation import Native
from reference_impls.nested import Tree

RNG_SEED = 0


def assert_close(got: npt.ArrayLike, wanted: npt.ArrayLike) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=1e-14, atol=1e-15)


def variable(*entries: float) -> torch.Tensor:
    """A leaf that requires a gradient: a scalar if it has one entry."""
    data = entries[0] if len(entries) == 1 else entries
    return torch.tensor(data, dtype=torch.float64, requires_grad=True)


def gradient_of(leaf: torch.Tensor) -> Array:
    assert leaf.grad is not None
    return leaf.grad.numpy().copy()


# ---------------------------------------------------------------------------------------- torch

func: Native = torch.func


def backward(
    value: torch.Tensor, cotangent: torch.Tensor | None = None, *, retain_graph: bool = False
) -> None:
    value.backward(cotangent, retain_graph=retain_graph)  # type: ignore[no-untyped-call]


class Network:
    """The tutorial's: x = 1 (5), y = 0 (3), logits z = x w + b, mean binary cross-entropy."""

    def __init__(self) -> None:
        rng = np.random.default_rng(RNG_SEED)
        self.x = torch.ones(5, dtype=torch.float64)
        self.y = torch.zeros(3, dtype=torch.float64)
        self.w = torch.tensor(rng.standard_normal((5, 3)), requires_grad=True)
        self.b = torch.tensor(rng.standard_normal(3), requires_grad=True)

    def logits(self) -> torch.Tensor:
        return self.x @ self.w + self.b

    def loss(self) -> torch.Tensor:
        return binary_cross_entropy_with_logits(self.logits(), self.y)

    def slope(self) -> Array:
        """The gradient for b: with y = 0, a third of the sigmoid of the logits."""
        logits = self.logits().detach().numpy()
        return np.asarray(1 / (1 + np.exp(-logits)) / 3)


def test_the_gradients_of_the_tutorials_network_are_in_its_leaves() -> None:
    network = Network()
    backward(network.loss())
    assert_close(gradient_of(network.b), network.slope())
    assert_close(gradient_of(network.w), np.tile(network.slope(), (5, 1)))
    assert network.x.grad is None


def test_only_what_is_asked_to_requires_a_gradient_and_results_inherit_it() -> None:
    network = Network()
    flags = [tensor.requires_grad for tensor in (network.x, network.y, network.w, network.b)]
    assert flags == [False, False, True, True]
    logits = network.logits()
    assert logits.requires_grad
    assert logits.grad_fn is not None
    assert network.w.is_leaf
    assert network.w.grad_fn is None


def test_a_result_names_the_operation_that_made_it() -> None:
    network = Network()
    made_by = [type(tensor.grad_fn).__name__ for tensor in (network.loss(), network.logits())]
    assert made_by == ["BinaryCrossEntropyWithLogitsBackward0", "AddBackward0"]


def test_gradients_are_added_up() -> None:
    network = Network()
    for times in (1, 2, 3):
        backward(network.loss())
        assert_close(gradient_of(network.b), times * network.slope())


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zeroing_starts_afresh(*, set_to_none: bool) -> None:
    network = Network()
    optimizer = torch.optim.SGD([network.w, network.b], lr=0.0)
    backward(network.loss())
    optimizer.zero_grad(set_to_none=set_to_none)
    if set_to_none:
        assert network.b.grad is None
    else:
        np.testing.assert_array_equal(gradient_of(network.b), np.zeros(3))
    backward(network.loss())
    assert_close(gradient_of(network.b), network.slope())


def test_a_gradient_that_is_asked_for_by_name_is_not_added_up() -> None:
    network = Network()
    for _ in range(2):
        (gradient,) = torch.autograd.grad(network.loss(), [network.b])
        assert_close(gradient, network.slope())
    assert network.b.grad is None
    assert network.w.grad is None


def test_without_grad_nothing_is_recorded() -> None:
    network = Network()
    with torch.no_grad():
        logits = network.logits()
    assert not logits.requires_grad
    assert logits.grad_fn is None
    assert network.logits().requires_grad
    np.testing.assert_array_equal(logits, network.logits().detach())


def test_a_detached_tensor_is_a_constant_in_the_same_memory() -> None:
    x = variable(3.0)
    y = x * x
    constant = y.detach()
    assert not constant.requires_grad
    assert constant.data_ptr() == y.data_ptr()
    (gradient,) = torch.autograd.grad(x * constant, x)
    assert gradient.item() == 9.0  # x³ would have 27


def test_a_frozen_parameter_gets_no_gradient() -> None:
    network = Network()
    network.w.requires_grad = False
    backward(network.loss())
    assert network.w.grad is None
    assert_close(gradient_of(network.b), network.slope())


def test_a_graph_is_walked_once() -> None:
    loss = Network().loss()
    backward(loss)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        backward(loss)


def test_a_retained_graph_is_walked_any_number_of_times() -> None:
    network = Network()
    loss = network.loss()
    for times in (1, 2, 3):
        backward(loss, retain_graph=True)
        assert_close(gradient_of(network.b), times * network.slope())


def test_the_graph_is_that_of_the_branches_taken() -> None:
    def power(x: torch.Tensor) -> torch.Tensor:
        """x to the power of as many factors as it takes to exceed 10."""
        product = x
        while product.item() <= 10:
            product = product * x
        return product

    for start, derivative in [(2.0, 4 * 2.0**3), (3.0, 3 * 3.0**2), (11.0, 1.0)]:
        x = variable(start)
        backward(power(x))
        assert gradient_of(x) == derivative


def test_the_graph_is_that_of_the_calls_of_a_recursion() -> None:
    def power(x: torch.Tensor, exponent: int) -> torch.Tensor:
        if exponent == 1:
            return x
        half = power(x, exponent // 2)
        return half * half * x if exponent % 2 else half * half

    x = variable(1.5)
    for exponent in (1, 6, 7):
        (slope,) = torch.autograd.grad(power(x, exponent), x)
        assert_close(slope, exponent * 1.5 ** (exponent - 1))


def test_the_size_may_change_from_call_to_call() -> None:
    w = variable(2.0)
    for size in (1, 4, 2):
        w.grad = None
        backward((w * torch.arange(size)).sum())
        assert gradient_of(w) == size * (size - 1) / 2


def test_create_graph_gives_every_order() -> None:
    x = variable(3.0)
    derivative = x**4
    for wanted in (4 * 3.0**3, 12 * 3.0**2, 24 * 3.0, 24.0):
        (derivative,) = torch.autograd.grad(derivative, x, create_graph=True)
        assert_close(derivative.detach(), wanted)


def test_without_create_graph_a_gradient_is_a_constant() -> None:
    x = variable(3.0)
    (gradient,) = torch.autograd.grad(x**4, x)
    assert not gradient.requires_grad
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(gradient, x)


def test_a_second_derivative_may_be_taken_again() -> None:
    x, v = variable(1.0, 2.0), torch.tensor([3.0, -1.0], dtype=torch.float64)
    (gradient,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    for _ in range(3):
        (second,) = torch.autograd.grad(gradient, x, v, retain_graph=True)
        assert second.tolist() == [6 * 1.0 * 3.0, 6 * 2.0 * -1.0]


def test_a_value_that_is_no_scalar_needs_a_cotangent() -> None:
    x = variable(1.0, 2.0)
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        backward(x * x)
    backward(x * x, torch.tensor([1.0, 10.0], dtype=torch.float64))
    np.testing.assert_array_equal(gradient_of(x), [2.0, 40.0])


def test_a_hook_sees_the_gradient_and_may_change_it() -> None:
    x = variable(3.0)
    seen = []

    def double(gradient: torch.Tensor) -> torch.Tensor:
        seen.append(gradient.item())
        return 2 * gradient

    handle = x.register_hook(double)  # type: ignore[no-untyped-call]
    backward(x * x)
    assert seen == [6.0]
    assert gradient_of(x) == 12.0
    handle.remove()
    x.grad = None
    backward(x * x)
    assert seen == [6.0]
    assert gradient_of(x) == 6.0


def test_a_hook_on_an_inner_node_changes_what_goes_on() -> None:
    x = variable(3.0)
    y = x * x
    y.register_hook(lambda gradient: -gradient)  # type: ignore[no-untyped-call]
    backward(5 * y)
    assert gradient_of(x) == -30.0


def test_a_leafs_gradient_has_a_hook_after_it_is_added_up() -> None:
    x = variable(3.0)
    sums = []
    x.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
        lambda leaf: sums.append(float(gradient_of(leaf)))
    )
    for _ in range(2):
        backward(x * x)
    assert sums == [6.0, 12.0]


def test_what_was_saved_for_backward_may_not_be_written_to() -> None:
    x = variable(1.0, 2.0)
    y = x.exp()
    loss = y.sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        backward(loss)


def test_what_was_not_saved_may_be_written_to() -> None:
    x = variable(1.0, 2.0)
    y = 3 * x
    y.add_(1).mul_(2)
    backward(y.sum())
    np.testing.assert_array_equal(gradient_of(x), [6.0, 6.0])


def test_a_leaf_is_written_to_only_where_nothing_is_recorded() -> None:
    x = variable(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x.add_(1)
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]
    assert x.requires_grad


def test_an_unused_input_is_refused_or_none_or_zeros() -> None:
    x, unused = variable(2.0), variable(1.0, 1.0)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        torch.autograd.grad(x * x, [x, unused])
    assert torch.autograd.grad(x * x, [x, unused], allow_unused=True)[1] is None
    gradients = torch.autograd.grad(x * x, [x, unused], materialize_grads=True)
    assert [gradient.tolist() for gradient in gradients] == [4.0, [0.0, 0.0]]


def test_an_inner_node_keeps_a_gradient_only_when_asked_to() -> None:
    x = variable(3.0)
    y = x * x
    with pytest.warns(UserWarning, match="not a leaf Tensor"):
        assert y.grad is None
    y.retain_grad()
    backward(5 * y)
    assert gradient_of(y) == 5.0


def test_an_integer_tensor_cannot_require_a_gradient() -> None:
    with pytest.raises(RuntimeError, match="floating point"):
        torch.tensor([1, 2], requires_grad=True)


def test_a_node_that_is_used_twice_counts_twice() -> None:
    x = variable(3.0)
    y = x * x
    backward(y + 2 * y + y * y)
    assert gradient_of(x) == 3 * 6.0 + 4 * 27.0


class Careless(torch.autograd.Function):
    """x + b for a scalar b, with a gradient for b that is neither summed nor of b's dtype."""

    @staticmethod
    def forward(_: Native, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return x + b

    @staticmethod
    def backward(_: Native, *cotangents: torch.Tensor) -> Native:
        return cotangents[0], cotangents[0].double()


def test_the_engine_sums_and_casts_what_a_node_should_have() -> None:
    """So `verify` looks at a raw VJP, before the engine has repaired it."""
    b = torch.tensor(1.0, dtype=torch.float32, requires_grad=True)
    careless: Native = Careless.apply
    backward(careless(torch.zeros(3), b).sum())
    assert b.grad is not None
    assert (b.grad.item(), b.grad.shape, b.grad.dtype) == (3.0, (), torch.float32)


def cubes(x: torch.Tensor) -> torch.Tensor:
    return (x**3).sum()


# torch builds its forward rules with what it deprecates.
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_torch_func_agrees_with_the_graphs() -> None:
    x, v = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0])
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cubes(leaf), leaf, create_graph=True)
    (second,) = torch.autograd.grad(gradient, leaf, v)
    assert func.grad(cubes)(x).tolist() == gradient.tolist() == [3.0, 12.0]
    assert (func.hessian(cubes)(x) @ v).tolist() == second.tolist() == [18.0, -12.0]
    _, pushed = func.jvp(func.grad(cubes), (x,), (v,))
    assert pushed.tolist() == second.tolist()
    value, pull = func.vjp(cubes, x)
    assert (value.item(), pull(torch.tensor(2.0))[0].tolist()) == (9.0, [6.0, 24.0])
    rows = func.vmap(func.grad(cubes))(torch.stack([x, 2 * x]))
    assert rows.tolist() == [[3.0, 12.0], [12.0, 48.0]]


def test_an_inner_derivative_does_not_see_the_outer_variable() -> None:
    def outer(x: torch.Tensor) -> torch.Tensor:
        def inner(y: torch.Tensor) -> torch.Tensor:
            return x + y

        slope: torch.Tensor = func.grad(inner)(torch.tensor(1.0))
        return x * slope

    assert func.grad(outer)(torch.tensor(2.0)).item() == 1.0


KINK = 0.0
"""Where ReLU has no derivative: the tutorial's text says 1, its code says 0."""


def slope_at_the_kink(function: Callable[[torch.Tensor], torch.Tensor]) -> float:
    x = variable(KINK)
    (slope,) = torch.autograd.grad(function(x), x)
    return slope.item()


def test_engines_differ_in_what_they_answer_at_the_kink_of_relu() -> None:
    assert slope_at_the_kink(torch.relu) == 0.0
    assert slope_at_the_kink(lambda x: x.clamp(min=0)) == 1.0
    assert slope_at_the_kink(lambda x: torch.maximum(x, torch.zeros(()))) == 0.5
    assert autograd.grad(lambda x: anp.maximum(0, x))(KINK) == 0.5
    assert autograd.grad(lambda x: anp.where(x > 0, x, 0.0))(KINK) == 0.0
    assert autograd.grad(lambda x: anp.where(x >= 0, x, 0.0))(KINK) == 1.0


class ScaledLayer(torch.nn.Module):
    """The tutorial's: 3 (x Wᵀ + b); and a tensor beside, which is no parameter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        drawn = np.random.default_rng(RNG_SEED).standard_normal((outputs, inputs + 1))
        # The parameter decides, not the tensor it is made from.
        self.W = torch.nn.Parameter(torch.tensor(drawn[:, 1:], requires_grad=False))
        self.b = torch.nn.Parameter(torch.tensor(drawn[:, 0]))
        self.beside = torch.ones(outputs, dtype=torch.float64, requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 3 * (x @ self.W.T + self.b)


def test_a_module_registers_its_parameters_and_no_other_tensor() -> None:
    layer = ScaledLayer(3, 5)
    found = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}
    assert found == {"W": (5, 3), "b": (5,)}
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_a_module_is_called_as_its_forward() -> None:
    layer, x = ScaledLayer(3, 5), torch.ones((1, 3), dtype=torch.float64)
    output = layer(x)
    assert output.tolist() == layer.forward(x).tolist()
    backward(output.sum())
    assert_close(gradient_of(layer.W), np.full((5, 3), 3.0))
    assert layer.beside.grad is None


def test_parameters_of_nested_modules_are_found_from_the_top() -> None:
    """The tutorial's classifier: five layers in a container, with tanh between them."""
    widths = (784, 32, 64, 128, 64, 10)
    layers = [
        module
        for inputs, outputs in pairwise(widths)
        for module in (torch.nn.Linear(inputs, outputs), torch.nn.Tanh())
    ]

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc_layers = torch.nn.Sequential(*layers[:-1])
            self.log_softmax = torch.nn.LogSoftmax(dim=1)

    parameters = dict(Classifier().named_parameters())
    assert [*parameters][:3] == [f"fc_layers.{name}" for name in ("0.weight", "0.bias", "2.weight")]
    assert len(parameters) == 10
    assert sum(parameter.numel() for parameter in parameters.values()) == 44_458


Slopes = Callable[[Array, Array], Array]


def through_softmax(z: Array, g: Array) -> Array:
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return np.asarray(p * (g - (p * g).sum(axis=1, keepdims=True)))


def through_log_softmax(z: Array, g: Array) -> Array:
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return np.asarray(g - p * g.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("module", "back"),
    [
        (torch.nn.ReLU(), lambda z, g: g * (z > 0)),
        (torch.nn.Tanh(), lambda z, g: g / np.cosh(z) ** 2),
        (torch.nn.Sigmoid(), lambda z, g: g / (2 + 2 * np.cosh(z))),
        (torch.nn.Softmax(dim=1), through_softmax),
        (torch.nn.LogSoftmax(dim=1), through_log_softmax),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_tutorials_network_may_have_any_of_five_non_linearities(
    module: torch.nn.Module, back: Slopes
) -> None:
    rng = np.random.default_rng(RNG_SEED)
    x, V, g = (rng.standard_normal(shape) for shape in ((7, 3), (4, 2), (7, 2)))
    W = torch.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    z = torch.tensor(x) @ W
    backward(module(z) @ torch.tensor(V), torch.tensor(g))
    wanted = x.T @ back(z.detach().numpy(), g @ V.T)
    np.testing.assert_allclose(gradient_of(W), wanted, rtol=0, atol=1e-13)


# ---------------------------------------------------------------------------------------- autograd


def half_tanh(x: Native) -> Native:
    """What the tutorial calls tanh: tanh(x/2)."""
    y = anp.exp(-x)
    return (1.0 - y) / (1.0 + y)


def product(a: Native, b: Native, c: Native = 3.0) -> Native:
    return a * b**2 * c


def squares(x: Native) -> Native:
    return anp.sum(x**2)


def test_the_gradient_of_the_tutorials_tanh_is_that_of_half_the_argument() -> None:
    assert_close(autograd.grad(half_tanh)(1.0), (1 - np.tanh(0.5) ** 2) / 2)


def test_the_difference_quotient_of_the_tutorials_tanh_is_off_by_its_third_derivative() -> None:
    step = 1e-4
    quotient = (half_tanh(1 + step) - half_tanh(1 - step)) / (2 * step)
    third = autograd.grad(autograd.grad(autograd.grad(half_tanh)))(1.0)
    error = quotient - autograd.grad(half_tanh)(1.0)
    # f has a few roundings, which are divided by the step.
    assert abs(error - third * step**2 / 6) <= 4 * np.finfo(np.float64).eps / step
    assert abs(error) >= 1e-10  # so that there is something to explain


def test_the_staged_gradient_of_the_sigmoid_is_the_automatic_one() -> None:
    b = np.exp(-2.0)
    c = 1 + b
    staged = -1 / c**2 * 1 * b * -1
    assert_close(autograd.grad(lambda x: 1.0 / (1.0 + anp.exp(-x)))(2.0), staged)


def test_grad_takes_one_argument_or_several() -> None:
    assert autograd.grad(product)(2.0, 5.0) == 75.0
    assert autograd.grad(product, 1)(2.0, 5.0) == 60.0
    assert autograd.grad(product, (0, 2))(2.0, 5.0, 1.0) == (25.0, 50.0)
    assert autograd.grad(product)(2.0, 5.0, c=1.0) == 25.0


def test_several_arguments_are_a_tuple_now_and_multigrad_is_gone() -> None:
    """The tutorial's name is not in autograd since 1.2; see the test above for what took over."""
    assert not hasattr(autograd, "multigrad")
    assert autograd.grad(product, [0, 1])(2.0, 5.0) == (75.0, 60.0)


def test_grad_is_for_scalars_only() -> None:
    with pytest.raises(TypeError, match="scalar-output functions"):
        autograd.grad(lambda x: 2 * x)(np.ones(2))


def test_value_and_grad_gives_both() -> None:
    value, gradient = autograd.value_and_grad(squares)(np.array([1.0, 2.0]))
    assert (value, gradient.tolist()) == (5.0, [2.0, 4.0])


def test_elementwise_grad_is_the_diagonal_of_a_diagonal_jacobian() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    assert_close(autograd.elementwise_grad(anp.tanh)(x), 1 - np.tanh(x) ** 2)
    assert_close(np.diag(autograd.jacobian(anp.tanh)(x)), 1 - np.tanh(x) ** 2)


def test_grad_named_takes_an_argument_by_name() -> None:
    assert autograd.grad_named(product, "b")(2.0, 5.0) == 60.0
    assert autograd.grad_named(product, "a")(2.0, 5.0) == 75.0


def test_multigrad_dict_takes_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    # autograd imports funcsigs for it, which it does not require, and which inspect has replaced.
    monkeypatch.setitem(sys.modules, "funcsigs", inspect)
    assert autograd.multigrad_dict(product)(2.0, 5.0) == {"a": 75.0, "b": 60.0, "c": 50.0}
    assert autograd.multigrad_dict(product)(2.0, b=5.0, c=1.0) == {"a": 25.0, "b": 20.0, "c": 50.0}


def test_a_gradient_has_the_containers_of_its_argument() -> None:
    def weighed(params: Tree) -> Native:
        first, second = params["pair"]
        return first * second + anp.sum(params["list"][0] ** 2) * params["inner"]["scale"]

    params = {"pair": (2.0, 3.0), "list": [np.array([1.0, 2.0])], "inner": {"scale": 10.0}}
    gradient = autograd.grad(weighed)(params)
    assert gradient["pair"] == (3.0, 2.0)
    assert [each.tolist() for each in gradient["list"]] == [[20.0, 40.0]]
    assert gradient["inner"] == {"scale": 5.0}
    assert [type(each) for each in gradient.values()] == [tuple, list, dict]


def test_the_cost_of_the_tutorials_line_has_a_gradient_by_name() -> None:
    rng = np.random.default_rng(RNG_SEED)
    x = np.linspace(0, 10, 100)
    t = 4 * x + 10 + rng.normal(0, 2, x.shape)

    def cost(params: Tree) -> Native:
        return anp.sum(0.5 * anp.square(params["w"] * x + params["b"] - t)) / 100

    residual = 0.5 * x - 1.0 - t
    gradient = autograd.grad(cost)({"w": 0.5, "b": -1.0})
    assert_close(gradient["w"], np.mean(residual * x))
    assert_close(gradient["b"], np.mean(residual))


@pytest.mark.parametrize(
    ("params", "flat"),
    [
        ([(1.0, 1.0), (2.0, 2.0), (3.0, 3.0, 3.0)], [1, 1, 2, 2, 3, 3, 3]),
        ({"weights": [1.0, 2.0, 3.0, 4.0], "biases": [1.0, 2.0]}, [1, 2, 1, 2, 3, 4]),
        (
            {
                "layer1": {"weights": [1.0, 2.0, 3.0, 4.0], "biases": [1.0, 2.0]},
                "layer2": {"weights": [5.0, 6.0, 7.0, 8.0], "biases": [6.0, 7.0]},
            },
            [1, 2, 1, 2, 3, 4, 6, 7, 5, 6, 7, 8],
        ),
    ],
    ids=["tuples", "dict", "nested"],
)
def test_flatten_lays_out_the_tutorials_structures(params: Tree, flat: list[int]) -> None:
    vector, unflatten = flatten(params)
    assert vector.tolist() == flat
    assert unflatten(vector) == params
    gradient = autograd.grad(lambda v: squares(flatten(unflatten(v))[0]))(vector)
    assert gradient.tolist() == [2 * entry for entry in flat]


def corner(x: Native) -> Native:
    return anp.array([x[0] * x[1], x[0] ** 2, x[1]])


def saddle(x: Native) -> Native:
    return x[0] ** 2 * x[1]


POINT, WAY = np.array([2.0, 3.0]), np.array([1.0, -1.0])


def test_the_jacobian_and_its_products_are_known() -> None:
    matrix = np.array([[3.0, 2.0], [4.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(autograd.jacobian(corner)(POINT), matrix)
    value, pushed = autograd.make_jvp(corner)(POINT)(WAY)
    np.testing.assert_array_equal(value, [6.0, 4.0, 3.0])
    np.testing.assert_array_equal(pushed, matrix @ WAY)
    pull, value = autograd.make_vjp(corner)(POINT)
    np.testing.assert_array_equal(value, [6.0, 4.0, 3.0])
    for row, cotangent in zip(matrix, np.eye(3), strict=True):
        np.testing.assert_array_equal(pull(cotangent), row)


def test_the_hessian_and_its_products_are_known() -> None:
    matrix = np.array([[6.0, 4.0], [4.0, 0.0]])
    np.testing.assert_array_equal(autograd.hessian(saddle)(POINT), matrix)
    product_with = autograd.hessian_vector_product(saddle)
    np.testing.assert_array_equal(product_with(POINT, WAY), matrix @ WAY)
    product_at, gradient = autograd.make_hvp(saddle)(POINT)
    np.testing.assert_array_equal(gradient, [12.0, 4.0])
    for _ in range(3):
        np.testing.assert_array_equal(product_at(WAY), matrix @ WAY)


def test_forward_over_reverse_is_the_hessian_too() -> None:
    gradient, pushed = autograd.make_jvp(autograd.grad(saddle))(POINT)(WAY)
    np.testing.assert_array_equal(gradient, [12.0, 4.0])
    np.testing.assert_array_equal(pushed, [2.0, 4.0])


def test_every_order_of_a_power_is_known() -> None:
    derivative = autograd.grad(lambda x: x**4)
    for wanted in (4 * 3.0**3, 12 * 3.0**2, 24 * 3.0, 24.0):
        assert_close(derivative(3.0), wanted)
        derivative = autograd.grad(derivative)


def test_a_checkpoint_computes_again_instead_of_keeping() -> None:
    calls: list[None] = []

    def wave(x: Native) -> Native:
        calls.append(None)
        return anp.sin(x) ** 2

    gradient = autograd.grad(lambda x: autograd.checkpoint(wave)(x) * x)(0.5)
    assert_close(gradient, np.sin(1.0) * 0.5 + np.sin(0.5) ** 2)
    assert len(calls) == 2


@primitive  # type: ignore[untyped-decorator]
def logsumexp(x: Array) -> Array:
    """The tutorial's black box."""
    largest = np.max(x)
    return np.asarray(largest + np.log(np.sum(np.exp(x - largest))))


defvjp(logsumexp, lambda value, x: lambda g: g * anp.exp(x - value))
defjvp(logsumexp, lambda g, value, x: anp.sum(g * anp.exp(x - value)))


def of_squares(y: Native) -> Native:
    return anp.sum(logsumexp(y**2))


def test_a_primitive_has_the_derivatives_it_is_given() -> None:
    y = np.random.default_rng(RNG_SEED).standard_normal(10)
    p = np.exp(y**2) / np.exp(y**2).sum()
    assert_close(autograd.grad(of_squares)(y), 2 * y * p)
    check_grads(of_squares, modes=["fwd", "rev"], order=2)(y)
    v = np.arange(10.0)
    # ∂(2 yᵢ pᵢ)/∂yⱼ vⱼ, with ∂pᵢ = pᵢ (2 yᵢ vᵢ - Σⱼ pⱼ 2 yⱼ vⱼ)
    moved = p * (2 * y * v - p @ (2 * y * v))
    wanted = 2 * v * p + 2 * y * moved
    assert_close(autograd.hessian_vector_product(of_squares)(y, v), wanted)
    assert_close(autograd.make_jvp(autograd.grad(of_squares))(y)(v)[1], wanted)


def test_a_primitive_is_trusted_with_the_derivative_it_is_given() -> None:
    """Nothing in the engine would notice that it is wrong."""

    @primitive  # type: ignore[untyped-decorator]
    def cube(x: Array) -> Array:
        return x**3

    defvjp(cube, lambda _, x: lambda g: g * 7 * x)
    assert autograd.grad(cube)(2.0) == 14.0


def test_a_primitive_without_a_derivative_has_none() -> None:
    @primitive  # type: ignore[untyped-decorator]
    def cube(x: Array) -> Array:
        return x**3

    with pytest.raises(NotImplementedError, match="VJP of cube"):
        autograd.grad(cube)(2.0)
    with pytest.raises(NotImplementedError, match="JVP of cube"):
        autograd.make_jvp(cube)(2.0)(1.0)
    assert cube(2.0) == 8.0


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"differentiate w\.r\.t\. type <class 'int'>"):
        autograd.grad(squares)(3)
    with pytest.raises(TypeError, match=r"differentiate w\.r\.t\. type .*int"):
        autograd.grad(squares)(np.array([1, 2]))
    assert autograd.grad(squares)(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]


def test_assignment_into_arrays_is_refused() -> None:
    def into_the_argument(x: Native) -> Native:
        x[0] = 1.0
        return anp.sum(x)

    def into_an_array(x: Native) -> Native:
        y = np.zeros(2)
        y[0] = x[0]
        return anp.sum(y)

    with pytest.raises(TypeError, match="does not support item assignment"):
        autograd.grad(into_the_argument)(POINT)
    with pytest.raises(ValueError, match="setting an array element"):
        autograd.grad(into_an_array)(POINT)


def test_a_value_that_does_not_depend_on_the_input_warns_and_has_gradient_zero() -> None:
    with pytest.warns(UserWarning, match="independent of input"):
        assert autograd.grad(lambda _: 3.0)(1.0) == 0.0


def test_the_trace_is_that_of_the_branches_taken() -> None:
    def power(x: Native) -> Native:
        result = x
        while result <= 10:
            result = result * x
        return result

    slopes = [autograd.grad(power)(start) for start in (2.0, 3.0, 11.0)]
    assert slopes == [32.0, 27.0, 1.0]


def test_the_trace_is_that_of_the_calls_of_a_recursion_and_a_closure() -> None:
    def power(x: Native, exponent: int) -> Native:
        return x if exponent == 1 else x * power(x, exponent - 1)

    def made(exponent: int) -> Callable[[Native], Native]:
        return lambda x: power(x, exponent)

    for exponent in (1, 2, 5):
        assert_close(autograd.grad(made(exponent))(1.5), exponent * 1.5 ** (exponent - 1))


def test_no_call_leaves_anything_behind() -> None:
    gradient = autograd.grad(squares)
    points = [POINT, -POINT, np.arange(5.0), POINT]
    answers = [gradient(point) for point in points]
    for point, answer in zip(points, answers, strict=True):
        np.testing.assert_array_equal(answer, 2 * point)
    np.testing.assert_array_equal(POINT, [2.0, 3.0])
    for one, other in pairwise(answers):
        assert not np.shares_memory(one, other)

    def fails(x: Native) -> Native:
        raise ArithmeticError(str(x.shape))

    with pytest.raises(ArithmeticError):
        autograd.grad(fails)(POINT)
    np.testing.assert_array_equal(gradient(POINT), 2 * POINT)


def test_a_vjp_may_be_called_again_with_another_cotangent() -> None:
    pull, _ = autograd.make_vjp(lambda x: x**2)(POINT)
    np.testing.assert_array_equal(pull(WAY), [4.0, -6.0])
    np.testing.assert_array_equal(pull(-2 * WAY), [-8.0, 12.0])
    np.testing.assert_array_equal(pull(WAY), [4.0, -6.0])


def test_an_inner_gradient_does_not_see_the_outer_variable() -> None:
    def outer(x: Native) -> Native:
        return x * autograd.grad(lambda y: x + y)(1.0)

    assert autograd.grad(outer)(2.0) == 1.0


def test_an_argument_that_is_used_twice_counts_twice() -> None:
    def twice(x: Native) -> Native:
        y = x * x
        return y + 2 * y + y * y

    assert autograd.grad(twice)(3.0) == 3 * 6.0 + 4 * 27.0
