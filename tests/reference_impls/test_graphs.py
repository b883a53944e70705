"""The graphs that the tutorials draw, as torch and autograd record them today."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from reference_impls import BACKENDS, Computation, draw
from reference_impls.engines.backend import Recording
from reference_impls.engines.hips import graph as hips
from reference_impls.engines.pytorch.graph import graph_of
from reference_impls.graphs import Graph, Node, graph_from
from tests.reference_impls.shared import BY_NAME, every_computation

RECORDING = [backend for backend in BACKENDS if isinstance(backend, Recording)]
every_recording_backend = pytest.mark.parametrize("backend", RECORDING, ids=lambda b: b.name)


def operations(graph: Graph) -> Counter[str]:
    return Counter(node.name for node in graph.nodes if node.kind == "operation")


def named_edges(graph: Graph) -> list[tuple[str, str]]:
    names = [node.name for node in graph.nodes]
    return [(names[parent], names[child]) for parent, child in graph.edges]


def leaves(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    return {name: torch.ones(shape, requires_grad=True) for name, shape in shapes.items()}


def of(name: str, implementation: str) -> Graph:
    computation = BY_NAME[name]
    (backend,) = (each for each in RECORDING if each.name == implementation)
    return backend.graph(computation, draw(computation, computation.tutorial_size, "float64", 0))


def tutorials_elu(z: torch.Tensor, alpha: float) -> torch.Tensor:
    """By operations of torch's own, with exp(z) - 1 in both branches, as the tutorial has it."""
    return torch.where(z > 0, z, alpha * (torch.exp(z) - 1))


def test_composite_elu_is_four_nodes_and_z_is_used_twice() -> None:
    """O22: the picture has SWhere, which torch calls Where by now; α is a number, and no node."""
    z = torch.tensor([-2.0, -1, 0, 1, 2, 3], requires_grad=True)
    graph = graph_of(tutorials_elu(z, 0.5), {"z": z})
    assert operations(graph) == Counter(["Where", "Mul", "Sub", "Exp"])
    assert named_edges(graph) == [
        *[("z", "Exp"), ("Exp", "Sub"), ("Sub", "Mul")],
        *[("z", "Where"), ("Mul", "Where")],
    ]


def test_custom_elu_is_one_node() -> None:
    """O25: the tutorial's class is ELUFunction; ours is EluFunction, and has a gradient in α."""
    graph = of("elu", "torch")
    assert operations(graph) == Counter(["EluFunction"])
    assert named_edges(graph) == [("z", "EluFunction"), ("alpha", "EluFunction")]
    assert operations(of("elu", "autograd")) == Counter(["elu_node"])


def test_the_mean_of_elu_mlp() -> None:
    """O28: as in the picture, with x and the six parameters at the ends."""
    computation = BY_NAME["elu_mlp"]
    primals = draw(computation, computation.tutorial_size, "float32", 0)
    named = {name: torch.tensor(primal, requires_grad=True) for name, primal in primals.items()}
    graph = graph_of(computation.by_torch(**named).mean(), named)
    wanted = {"Mean": 1, "Softmax": 1, "Addmm": 3, "EluFunction": 2, "T": 3}
    assert operations(graph) == Counter(wanted)
    assert {node.name for node in graph.nodes if node.kind == "primal"} == set(computation.wrt)


def test_scaled_linear() -> None:
    """M24: as in the picture, but that x is a primal here, and t a constant there."""
    graph = of("scaled_linear", "torch")
    assert operations(graph) == Counter(["Mul", "Add", "Mm", "Transpose"])
    assert named_edges(graph) == [
        *[("W", "Transpose"), ("x", "Mm"), ("Transpose", "Mm")],
        *[("Mm", "Add"), ("b", "Add"), ("Add", "Mul")],
    ]
    assert operations(of("scaled_linear", "autograd")) == Counter(
        ["multiply", "add", "dot", "transpose"]
    )


def test_linear_bce() -> None:
    """T04, T09: a vector times a matrix is Mm and Squeeze, where the drawing has one *.

    x and y are in the tutorial's drawing; being constants, they are not in what torch records.
    """
    given = leaves({"w": (5, 3), "b": (3,)})
    z = torch.matmul(torch.ones(5), given["w"]) + given["b"]
    graph = graph_of(binary_cross_entropy_with_logits(z, torch.zeros(3)), given)
    assert operations(graph) == Counter(["BinaryCrossEntropyWithLogits", "Add", "Squeeze", "Mm"])
    assert named_edges(graph) == [
        *[("w", "Mm"), ("Mm", "Squeeze"), ("Squeeze", "Add"), ("b", "Add")],
        ("Add", "BinaryCrossEntropyWithLogits"),
    ]


def test_a_layer_of_the_classifier_is_addmm_and_tanh() -> None:
    """M28: the tutorial's picture ends at LogSoftmax; what follows here is its loss."""
    loss = {"Mul": 1, "Sum": 1, "Neg": 1, "Div": 1}
    assert operations(of("mlp_classifier", "torch")) == Counter(
        {"T": 5, "Addmm": 5, "Tanh": 4, "LogSoftmax": 1} | loss
    )


def test_linear_regression() -> None:
    """O16: w and x to their product, b to the sum, and the loss of that."""
    graph = of("linear_regression", "torch")
    assert named_edges(graph) == [
        *[("w", "Mul"), ("Mul", "Add"), ("b", "Add")],
        *[("Add", "MseLoss"), ("MseLoss", "Div")],
    ]
    traced = operations(of("linear_regression", "autograd"))
    assert traced == Counter(["multiply", "add", "subtract", "square", "sum", "divide"])


@every_recording_backend
@every_computation
def test_every_graph_leads_from_its_primals_to_its_value(
    backend: Recording, computation: Computation
) -> None:
    primals = draw(computation, min(computation.sizes), "float64", 0)
    graph = backend.graph(computation, primals)
    starts = {node.name: node.shape for node in graph.nodes if node.kind == "primal"}
    assert starts == {name: primals[name].shape for name in computation.wrt}
    assert graph.nodes[-1].shape == backend.forward(computation, primals).shape
    assert all(parent < child for parent, child in graph.edges)
    used = {parent for parent, _ in graph.edges}
    assert used == set(range(len(graph.nodes) - 1))
    for position, node in enumerate(graph.nodes):
        assert bool(graph.parents(position)) == (node.kind == "operation")


def test_a_parent_that_is_used_twice_has_two_edges() -> None:
    given = leaves({"x": (2,)})
    assert graph_of(given["x"] * given["x"], given).edges == ((0, 1), (0, 1))
    traced = hips.graph_of(lambda x: x * x, {"x": np.ones(2)})
    assert traced.edges == ((0, 1), (0, 1))
    assert traced.parents(1) == (0, 0)


def test_of_a_constant_nothing_is_recorded() -> None:
    assert graph_of(torch.ones(2), {}) == Graph((), ())
    assert hips.graph_of(lambda x: x.shape[0], {"x": np.ones(2)}) == Graph((), ())


def test_a_leaf_of_another_name_is_called_leaf() -> None:
    given = leaves({"x": (2,), "hidden": (2,)})
    graph = graph_of(given["x"] + given["hidden"], {"x": given["x"]})
    assert [node.name for node in graph.nodes] == ["x", "Leaf", "Add"]


def test_a_deep_graph_needs_no_recursion() -> None:
    depth = 5_000
    graph = graph_from(
        depth, lambda n: [n - 1] if n else [], lambda n: Node(str(n), "operation", None)
    )
    assert [node.name for node in graph.nodes[:2]] == ["0", "1"]
    assert len(graph.edges) == depth
