import numpy as np
import numpy.typing as npt
import pytest
import torch

from reference_impls import Backend
from reference_impls.computations import composite_elu, elu
from tests.reference_impls.shared import BOUNDS, distance, every_backend, every_dtype, run_body

TUTORIAL_Z = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]


def nodes(output: torch.Tensor) -> set[str]:
    """The names of the nodes of torch's graph, its leaves left out."""
    ahead, found = [output.grad_fn], set()
    while ahead:
        node = ahead.pop()
        if node and "AccumulateGrad" not in node.name():
            found.add(node.name().rstrip("0123456789").removesuffix("Backward"))
            ahead.extend(parent for parent, _ in node.next_functions)
    return found


def test_torchs_graph_has_the_tutorials_four_nodes_and_the_clamp() -> None:
    z = torch.tensor(TUTORIAL_Z, requires_grad=True)
    alpha = torch.tensor(0.5)
    tutorials = {"Where", "Mul", "Sub", "Exp"}
    assert nodes(composite_elu.by_torch(z, alpha)) == tutorials | {"Clamp"}
    assert nodes(elu.by_torch(z, alpha)) == {"EluFunction"}


@every_backend
@every_dtype
def test_the_composite_and_the_custom_node_are_one_function(backend: Backend, dtype: str) -> None:
    primals: dict[str, npt.ArrayLike] = {"z": TUTORIAL_Z, "alpha": 0.5}
    u = np.random.default_rng(0).standard_normal(6)
    value, cotangents = run_body(backend, "composite_elu", primals, u, dtype)
    custom_value, custom = run_body(backend, "elu", primals, u, dtype)
    assert distance({"value": value}, {"value": custom_value}) <= BOUNDS[dtype]
    assert distance(cotangents, custom) <= BOUNDS[dtype]


@every_backend
@pytest.mark.parametrize(("dtype", "z"), [("float64", 800.0), ("float32", 100.0)])
def test_the_gradient_is_one_where_the_published_ones_is_not_a_number(
    backend: Backend, dtype: str, z: float
) -> None:
    published = torch.tensor(z, dtype=getattr(torch, dtype), requires_grad=True)
    output = torch.where(published > 0, published, 0.5 * (torch.exp(published) - 1))
    (slope,) = torch.autograd.grad(output, published)
    assert output.item() == z
    assert slope.isnan()
    value, cotangents = run_body(backend, "composite_elu", {"z": [z], "alpha": 0.5}, [1], dtype)
    assert [*value, *cotangents["z"], cotangents["alpha"]] == [z, 1, 0]


@every_backend
def test_a_little_below_zero_it_loses_the_digits_that_the_custom_node_keeps(
    backend: Backend,
) -> None:
    primals: dict[str, npt.ArrayLike] = {"z": [-1e-8], "alpha": 1.0}
    (composite,), _ = run_body(backend, "composite_elu", primals, [1], "float32")
    (custom,), _ = run_body(backend, "elu", primals, [1], "float32")
    assert composite == 0
    assert custom == np.float32(-1e-8)
