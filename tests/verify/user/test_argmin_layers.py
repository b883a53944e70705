"""The argmin and root layers of both engines, given to `check` as anybody's function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import torch

from reference_impls.computation import Array
from reference_impls.engines.hips.argmin import autograd_argmin, autograd_root
from reference_impls.engines.pytorch.argmin import torch_argmin, torch_root
from reference_impls.implicit.adjoint import Root
from reference_impls.implicit.solvers import ConjugateGradients
from reference_impls.nested import Tree, map_located
from verify import Report, check, from_autograd, from_torch

Native = Any


@dataclass(frozen=True)
class Library:
    """One engine's layers, its NumPy, and its adapter."""

    np: Any
    argmin: Callable[..., Native]
    root: Callable[..., Native]
    adapt: Callable[..., Any]

    def zeros(self, like: Native, *shape: int) -> Native:
        """Where the search for a solution starts, in the dtype of a parameter."""
        return self.np.zeros(shape, dtype=like.dtype)


LIBRARIES = {
    "torch": Library(torch, torch_argmin, torch_root, from_torch),
    "autograd": Library(anp, autograd_argmin, autograd_root, from_autograd),
}

Layer = Callable[..., Native]

RNG = np.random.default_rng(14)


def draw(*shape: int) -> Array:
    return RNG.standard_normal(shape)


def different_shapes(of: Library) -> Layer:
    """Ridge regression: x (5, 3), y (5, 2) and a penalty, which is a number."""

    def cost(W: Native, x: Native, y: Native, penalty: Native) -> Native:
        return ((x @ W - y) ** 2).sum() + of.np.exp(penalty) * (W**2).sum()

    return lambda x, y, penalty: of.argmin(cost, of.zeros(x, 3, 2), x, y, penalty)


def batched(of: Library) -> Layer:
    """A batch of problems as the argmin of their sum; the weights (4, 1) are broadcast."""

    def cost(y: Native, a: Native, w: Native) -> Native:
        return (of.np.exp(w) * (y - a) ** 2 + y**2).sum()

    return lambda a, w: of.argmin(cost, of.zeros(a, 4, 3), a, w)


def nested(of: Library) -> Layer:
    """Unknowns and parameters in dicts and lists."""

    def cost(y: Native, params: Native) -> Native:
        shift, scales = params["rest"]
        first = ((y["u"] - params["a"]) ** 2).sum() + (y["v"][0] ** 2).sum()
        return first + ((y["v"][0] - shift * y["u"].sum() * of.np.exp(scales)) ** 2).sum()

    def layer(params: Native) -> Native:
        start = {"u": of.zeros(params["a"], 3), "v": [of.zeros(params["a"], 2)]}
        y = of.argmin(cost, start, params)
        return y["u"].sum() * y["v"][0]

    return layer


def constrained(of: Library) -> Layer:
    """The point of a plane that is nearest by a weighted distance."""

    def cost(y: Native, a: Native, c: Native) -> Native:
        return ((y - a) ** 2 * of.np.exp(a)).sum() + 0 * c.sum()

    def plane(y: Native, a: Native, c: Native) -> Native:
        return of.np.reshape((y * a).sum(), (1,)) - c

    return lambda a, c: of.argmin(cost, of.zeros(a, 3), a, c, constraint=plane)


def root(of: Library) -> Layer:
    """Of a condition whose K is not symmetric."""
    return lambda A, b: of.root(lambda y, A, b: A @ y + y**3 - b, of.zeros(b, 3), A, b)


def by_conjugate_gradients(of: Library) -> Layer:
    """Without K, behind an argument that is an object of its own."""

    def cost(y: Native, a: Native, w: Native) -> Native:
        return (w**2 * (y - a) ** 2 + y**2).sum()

    solver = ConjugateGradients()
    return lambda a, w: of.argmin(cost, of.zeros(a, 2), a, w, solver=solver)


def in_a_loss(of: Library) -> Layer:
    """Two layers, one behind the other, as part of a loss."""

    def cost(y: Native, a: Native, b: Native) -> Native:
        return ((y - a) ** 2).sum() + b * (y**2).sum()

    def loss(a: Native, b: Native) -> Native:
        y = of.argmin(cost, of.zeros(a, 3), a, b)
        return (of.np.sin(of.argmin(cost, of.zeros(a, 3), y, b**2)) * a).sum()

    return loss


def layer_in_a_layer(of: Library) -> Layer:
    """The objective of one has the other in it."""

    def inner(y: Native, z: Native, a: Native) -> Native:
        return ((y - z) ** 2).sum() + (a**2 * y**2).sum()

    def outer(z: Native, a: Native, b: Native) -> Native:
        y = of.argmin(inner, of.zeros(a, 1), z, a)
        return ((y - b) ** 2).sum() + (z**2).sum()

    solver = ConjugateGradients()
    return lambda a, b: of.argmin(outer, of.zeros(a, 1), a, b, solver=solver)


def all_at_once(of: Library) -> Layer:
    """A batch of points (2, 3), each on a plane of its own, and an offset, in dicts and lists."""

    def cost(y: Native, params: Native, penalty: Native) -> Native:
        targets, weights = params["data"]
        near = (of.np.exp(weights) * (y["points"] - targets) ** 2).sum()
        offset = y["offset"]
        return near + of.np.exp(penalty) * (offset - y["points"].sum()) ** 2 + offset**2

    def planes(y: Native, params: Native, penalty: Native) -> Native:
        return [(y["points"] @ params["normal"]) - params["level"] + 0 * penalty]

    def layer(params: Native, penalty: Native) -> Native:
        start = {"points": of.zeros(penalty, 2, 3), "offset": of.zeros(penalty)}
        return of.argmin(cost, start, params, penalty, constraint=planes)["points"]

    return layer


LAYERS: dict[str, tuple[Callable[[Library], Layer], tuple[Tree, ...]]] = {
    "different shapes": (different_shapes, (draw(5, 3), draw(5, 2), np.array(0.3))),
    "batched": (batched, (draw(4, 3), draw(4, 1))),
    "nested": (nested, ({"a": draw(3), "rest": [draw(2), draw(2)]},)),
    "constrained": (constrained, (draw(3), np.array([0.4]))),
    "all at once": (
        all_at_once,
        (
            {"data": [draw(2, 3), draw(2, 1)], "normal": draw(3), "level": draw(2)},
            np.array(-0.4),
        ),
    ),
    "root": (root, (draw(3, 3) + 3 * np.eye(3), draw(3))),
    "by conjugate gradients": (by_conjugate_gradients, (draw(2), 1 + draw(2) ** 2)),
    "in a loss": (in_a_loss, (draw(3), np.array(2.0))),
    "layer in a layer": (layer_in_a_layer, (draw(1), draw(1))),
}

each_library = pytest.mark.parametrize("library", LIBRARIES)


def checked(library: str, name: str, dtype: str = "float64", order: int = 1) -> Report:
    make, primals = LAYERS[name]
    of = LIBRARIES[library]
    cast = map_located(lambda _, leaf: leaf.astype(dtype), primals, ("primals",))
    return check(of.adapt(make(of)), cast, order=order)


@each_library
@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_in_both_orders(library: str, name: str) -> None:
    report = checked(library, name, order=2)
    assert report.verdict == "agree", str(report)
    assert "second order" in {each.kind for each in report.checks}


@each_library
@pytest.mark.parametrize(
    "name", ["different shapes", "batched", "nested", "constrained", "all at once", "root"]
)
def test_layers_agree_in_single_precision(library: str, name: str) -> None:
    report = checked(library, name, "float32")
    assert report.verdict == "agree", str(report)


class Ridge(torch.nn.Module):
    """A layer behind a linear one, with a penalty that is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3, dtype=torch.float64)
        self.penalty = torch.nn.Parameter(torch.tensor(0.2, dtype=torch.float64))

    def forward(self, x: Native, y: Native) -> Native:
        return different_shapes(LIBRARIES["torch"])(self.linear(x), y, self.penalty)


def test_a_layer_in_a_module_agrees_and_its_parameters_are_checked() -> None:
    x, y = (torch.tensor(draw(5, columns)) for columns in (4, 2))
    report = check(Ridge(), (x, y), order=2)
    assert report.verdict == "agree", str(report)
    assert {"linear.weight", "linear.bias", "penalty"} <= set(report.parameters)


@each_library
@pytest.mark.parametrize("name", ["x", "penalty"])
def test_a_layer_is_differentiated_in_one_of_its_parameters(library: str, name: str) -> None:
    make, primals = LAYERS["different shapes"]
    of = LIBRARIES[library]
    report = check(of.adapt(make(of)), primals, wrt=name, order=2)
    assert report.verdict == "agree", str(report)
    assert report.wrt == (name,)


right_vjp = Root.vjp

Cotangents = Sequence[Native]


def lost_minus(found: Cotangents, _: Sequence[Native]) -> Cotangents:
    return [-each for each in found]


def damped(found: Cotangents, _: Sequence[Native]) -> Cotangents:
    return [each / 1.01 for each in found]


def dropped(found: Cotangents, _: Sequence[Native]) -> Cotangents:
    return [*found[:-1], 0 * found[-1]]


def not_summed(found: Cotangents, leaves: Sequence[Native]) -> Cotangents:
    """That of w (4, 1), in the shape of a (4, 3)."""
    return [*found[:-1], found[-1] + 0 * leaves[-2]]


PLANTED_IN = ("different shapes", "batched", "nested", "constrained", "all at once", "root")

MISTAKES = [
    *((mistake, name) for mistake in (lost_minus, damped, dropped) for name in PLANTED_IN),
    (dropped, "by conjugate gradients"),
]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Cotangents]], None]:
    """Spoils the gradients of a layer, as its engine asks for them."""

    def spoil(mistake: Callable[..., Cotangents]) -> None:
        def vjp(
            self: Root,
            x: Native,
            leaves: Sequence[Native],
            cotangent: Native,
            wanted: Any,  # noqa: ANN401 -- an array, a tensor or a box
        ) -> Cotangents:
            return mistake(right_vjp(self, x, leaves, cotangent, wanted), leaves)

        monkeypatch.setattr(Root, "vjp", vjp)

    return spoil


@each_library
@pytest.mark.parametrize(("mistake", "name"), MISTAKES)
def test_planted_mistakes_are_convicted(
    library: str,
    mistake: Callable[..., Cotangents],
    name: str,
    plant: Callable[[Callable[..., Cotangents]], None],
) -> None:
    plant(mistake)
    assert checked(library, name).verdict == "disagree"


@each_library
def test_a_gradient_that_is_not_summed_is_convicted(
    library: str, plant: Callable[[Callable[..., Cotangents]], None]
) -> None:
    plant(not_summed)
    report = checked(library, "batched")
    assert report.verdict == "disagree"
    assert {each.fault for each in report.checks if each.fault} & {
        "un-reduced broadcast",
        "wrong shape",
    }


@each_library
def test_k_for_its_transpose_is_convicted(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_transposed(self: Root, *arguments: Any) -> Native:  # noqa: ANN401 -- an array, a tensor or a box
        _, _, cotangent = arguments
        to_numpy = self.engine.to_numpy
        return self.engine.from_numpy(self.inverse(to_numpy(cotangent)))

    monkeypatch.setattr(Root, "_adjoint", not_transposed)
    assert checked(library, "root").verdict == "disagree"
    assert checked(library, "different shapes").verdict == "agree"  # there K is symmetric


@each_library
@pytest.mark.parametrize("name", ["different shapes", "batched", "all at once", "root"])
def test_an_adjoint_without_a_graph_is_convicted_at_order_two_alone(
    library: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Root._adjoint  # noqa: SLF001 -- it is replaced by a wrong one, and put back

    def detached(self: Root, *arguments: Any) -> Native:  # noqa: ANN401 -- an array, a tensor or a box
        return self.engine.constant(right(self, *arguments))

    monkeypatch.setattr(Root, "_adjoint", detached)
    assert checked(library, name).verdict == "agree"
    assert checked(library, name, order=2).verdict == "disagree"
