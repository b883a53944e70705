import pickle
from collections import ChainMap, OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import torch
from autograd.misc import flatten as autograd_flatten
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from reference_impls.implicit.trees import refill
from reference_impls.nested import flatten


class Layer(NamedTuple):
    weights: Any
    bias: Any


def tutorial_trees() -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0, 3.0)],
        [rng.standard_normal(shape) for shape in ((3, 3), (4, 4), (3, 3))],
        {"weights": [1.0, 2.0, 3.0, 4.0], "biases": [1.0, 2.0]},
        {
            "layer1": {"weights": [1.0, 2.0, 3.0, 4.0], "biases": [1.0, 2.0]},
            "layer2": {"weights": [5.0, 6.0, 7.0, 8.0], "biases": [6.0, 7.0]},
        },
    ]


def random_tree(rng: np.random.Generator, depth: int) -> Any:  # noqa: ANN401
    kind = rng.integers(6 if depth else 3)
    if kind == 0:
        return float(rng.standard_normal())
    if kind < 3:
        return rng.standard_normal(rng.integers(0, 4, size=rng.integers(4)))
    children = [random_tree(rng, depth - 1) for _ in range(rng.integers(4))]
    if kind == 3:
        return children
    if kind == 4:
        return tuple(children)
    keys = rng.permutation(["b", "a", "d", "c"]).tolist()
    return dict(zip(keys, children, strict=False))


TREES = [
    *tutorial_trees(),
    # A number goes first because autograd's flatten warns about a tree without leaves.
    *([1.0, random_tree(np.random.default_rng(seed), depth=4)] for seed in range(50)),
]

EVERY_CONTAINER = {
    "z": Layer(weights=np.array([[1.0, 2.0], [3.0, 4.0]]), bias=5.0),
    "a": [np.array(6.0), (np.zeros((0, 3)), {2: 7, 1: np.array([8.0])}), [], {}, ()],
}


def assert_same_tree(actual: Any, expected: Any) -> None:  # noqa: ANN401
    """The containers are of the same types, and the leaves of the same shapes and values."""
    if isinstance(expected, dict):
        assert type(actual) is dict
        assert list(actual) == list(expected)
        actual, expected = list(actual.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        assert type(actual) is type(expected)
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert_same_tree(a, b)
    else:
        assert actual.shape == np.shape(expected)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("tree", TREES)
def test_the_vector_is_that_of_autograd(tree: Any) -> None:  # noqa: ANN401
    vector, _ = flatten(tree)
    expected, _ = autograd_flatten(tree)
    assert vector.dtype == expected.dtype
    np.testing.assert_array_equal(vector, expected)


@pytest.mark.parametrize("tree", [*TREES, EVERY_CONTAINER])
def test_there_and_back_is_the_identity(tree: Any) -> None:  # noqa: ANN401
    vector, unflatten = flatten(tree)
    restored = unflatten(vector)
    assert_same_tree(restored, tree)
    again, unflatten_again = flatten(restored)
    assert again.dtype == vector.dtype
    np.testing.assert_array_equal(again, vector)
    assert unflatten_again == unflatten


@pytest.mark.parametrize("tree", TREES)
def test_another_vector_unflattens_as_in_autograd(tree: Any) -> None:  # noqa: ANN401
    vector, unflatten = flatten(tree)
    _, expected = autograd_flatten(tree)
    other = np.random.default_rng(1).standard_normal(vector.size)
    assert_same_tree(unflatten(other), expected(other))


def test_torch_lays_out_and_cuts_the_same() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    tree = [parameter.detach().numpy() for parameter in model.parameters()]
    vector, unflatten = flatten(tree)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, parameters_to_vector(model.parameters()).detach())

    other = torch.randn(vector.size, generator=torch.Generator().manual_seed(0))
    vector_to_parameters(other, model.parameters())
    for actual, expected in zip(unflatten(other), model.parameters(), strict=True):
        assert torch.equal(actual, expected)


def energy(tree: Any) -> Any:  # noqa: ANN401
    """A function of every leaf of EVERY_CONTAINER, for any array library."""
    layer, (scalar, (nothing, numbers), *_) = tree["z"], tree["a"]
    return (
        (layer.weights**2).sum() * layer.bias
        + scalar**3
        + nothing.sum()
        + numbers[2] * (numbers[1] ** 2).sum()
    )


# The vector is [a: 6 | 8 (key 1), 7 (key 2) | z: 1, 2, 3, 4 | 5]; its weights sum to 30 squared.
ENERGY_GRADIENT = [3 * 6**2, 2 * 8 * 7, 8**2, *(2 * 5 * w for w in (1, 2, 3, 4)), 30]


def autograd_gradient(vector: Any, unflatten: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    return autograd.grad(lambda v: energy(unflatten(v)))(vector)


def torch_gradient(vector: Any, unflatten: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    tensor = torch.tensor(vector, requires_grad=True)
    (gradient,) = torch.autograd.grad(energy(unflatten(tensor)), tensor)
    return gradient


def complex_step_gradient(vector: Any, unflatten: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    steps = vector + 1e-30j * np.eye(vector.size)
    return np.array([energy(unflatten(point)).imag / 1e-30 for point in steps])


@pytest.mark.parametrize("gradient", [autograd_gradient, torch_gradient, complex_step_gradient])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_derivatives_pass_through_every_container(
    gradient: Callable[[Any, Callable[[Any], Any]], Any], dtype: type[np.floating[Any]]
) -> None:
    vector, unflatten = flatten(EVERY_CONTAINER)
    actual = gradient(vector.astype(dtype), unflatten)
    np.testing.assert_allclose(actual, ENERGY_GRADIENT, rtol=1e-6)


def test_second_derivatives_pass_through_under_autograd() -> None:
    vector, unflatten = flatten({"w": np.array([1.0, 2.0]), "b": 3.0})
    hessian = autograd.hessian(lambda v: anp.sum(unflatten(v)["w"] ** 3) * unflatten(v)["b"])
    expected = [[0, 3, 12], [3, 18, 0], [12, 0, 36]]
    np.testing.assert_allclose(hessian(vector), expected)


@pytest.mark.parametrize("dtype", [np.longdouble, np.complex128, np.float16])
def test_leaves_are_of_the_vector_s_dtype(dtype: type[np.generic]) -> None:
    _, unflatten = flatten([np.zeros((2, 1)), 0.0])
    matrix, scalar = unflatten(np.array([1, 2, 3], dtype) / dtype(3))
    assert matrix.dtype == scalar.dtype == dtype
    np.testing.assert_array_equal(matrix, np.array([[1], [2]], dtype) / dtype(3))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_python_numbers_take_the_dtype_of_the_arrays(dtype: type[np.floating[Any]]) -> None:
    vector, _ = flatten([1, 0.5, np.zeros(2, dtype), dtype(3)])
    assert vector.dtype == dtype
    assert vector.tolist() == [1, 0.5, 0, 0, 3]


def test_numbers_alone_are_float64() -> None:
    assert flatten((1, 2))[0].dtype == np.float64


@pytest.mark.parametrize("tree", [{}, [], (), [[], {"a": ()}]])
def test_an_empty_tree_is_an_empty_vector(tree: Any) -> None:  # noqa: ANN401
    vector, unflatten = flatten(tree)
    assert vector.dtype == np.float64
    assert vector.shape == (0,)
    assert unflatten(vector) == tree


def test_a_bare_leaf_is_a_tree() -> None:
    vector, unflatten = flatten(np.array([[1.0, 2.0]]))
    assert vector.tolist() == [1, 2]
    assert unflatten(vector).tolist() == [[1, 2]]


def test_entries_are_in_row_major_order_whatever_the_strides() -> None:
    array = np.arange(24.0).reshape(4, 6)
    for view in (array.T, np.asfortranarray(array), array[::-2, ::3], array[:, None, 0]):
        vector, unflatten = flatten([view])
        np.testing.assert_array_equal(vector, np.array(view.tolist()).ravel())
        np.testing.assert_array_equal(unflatten(vector)[0], view)


def test_the_vector_shares_no_memory_with_the_leaves() -> None:
    leaf = np.zeros(3)
    for tree in (leaf, [leaf], {"a": leaf.reshape(1, 3)}):
        vector, _ = flatten(tree)
        assert not np.shares_memory(vector, leaf)


def test_the_way_back_does_not_follow_later_changes_of_the_tree() -> None:
    tree: dict[str, list[float]] = {"a": [1.0, 2.0]}
    vector, unflatten = flatten(tree)
    tree["a"].append(3.0)
    unflatten(vector)["a"].clear()
    assert unflatten(vector) == {"a": [1.0, 2.0]}


def test_the_way_back_can_be_sent_to_another_process() -> None:
    vector, unflatten = flatten(EVERY_CONTAINER)
    sent = pickle.loads(pickle.dumps(unflatten))  # noqa: S301 - our own bytes
    assert_same_tree(sent(vector), EVERY_CONTAINER)


WANTED = "wanted an int, a float, a floating-point NumPy array, or a dict, list or tuple of these"


@pytest.mark.parametrize(
    ("leaf", "got"),
    [
        (None, "NoneType"),
        ("text", "str"),
        (True, "bool"),
        (1j, "complex"),
        (np.arange(3), "numpy.ndarray of int64"),
        (np.zeros(2, np.complex64), "numpy.ndarray of complex64"),
        (np.array([True]), "numpy.ndarray of bool"),
        (np.array([None]), "numpy.ndarray of object"),
        (np.int32(1), "numpy.int32 of int32"),
        (torch.zeros(2), "torch.Tensor of float32"),
        ({1.0}, "set"),
    ],
)
def test_a_leaf_of_another_kind_is_named(leaf: object, got: str) -> None:
    with pytest.raises(TypeError) as caught:
        flatten({"layer1": [0.0, 1.0, leaf], "layer2": None})
    assert str(caught.value) == f"params['layer1'][2]: got {got}, {WANTED}"


def test_a_wrong_bare_leaf_is_named() -> None:
    with pytest.raises(TypeError, match=r"^params: got NoneType, wanted"):
        flatten(None)
    with pytest.raises(TypeError, match=r"^initial\['a'\]: got NoneType, wanted"):
        flatten({"a": None}, "initial")


class Frozen(dict[str, Any]):
    def __setitem__(self, key: str, value: object) -> None:
        raise TypeError(f"{key} is frozen at {value}")


@pytest.mark.parametrize(
    ("mapping", "kind"),
    [
        (OrderedDict(b=1.0, a=2.0), OrderedDict),
        (defaultdict(float, b=1.0, a=2.0), defaultdict),
        (ChainMap({"b": 1.0, "a": 2.0}), dict),
        (Frozen(b=1.0, a=2.0), dict),
    ],
)
def test_other_mappings_keep_their_type_or_become_dicts(
    mapping: Mapping[str, float], kind: type[Mapping[str, float]]
) -> None:
    vector, unflatten = flatten([mapping])
    assert vector.tolist() == [2.0, 1.0]
    restored = unflatten(vector + 1)
    assert type(restored[0]) is kind
    assert list(restored[0].items()) == [("b", 2.0), ("a", 3.0)]
    assert dict(mapping) == {"b": 1.0, "a": 2.0}


def test_a_copied_mapping_keeps_what_else_it_has() -> None:
    state = torch.nn.Linear(2, 1).state_dict()
    restored = refill(state, [1.0, 2.0])
    assert restored == {"bias": 1.0, "weight": 2.0}
    assert restored._metadata is state._metadata  # type: ignore[attr-defined]  # noqa: SLF001


def test_mixed_dtypes_are_named_with_both_paths() -> None:
    with pytest.raises(TypeError) as caught:
        flatten({"b": np.zeros(1), "a": Layer(1.0, (np.float32(2),))})
    assert str(caught.value) == "params['b']: got float64, wanted float32 as in params['a'][1][0]"


def test_keys_that_do_not_sort_are_named() -> None:
    with pytest.raises(TypeError) as caught:
        flatten([{1: 0.0, "a": 0.0}])
    assert str(caught.value) == "params[0]: got the keys [1, 'a'], wanted keys that sort"


@pytest.mark.parametrize("shape", [(2,), (4,), (), (3, 1), (1, 3)])
@pytest.mark.parametrize("zeros", [np.zeros, torch.zeros])
def test_a_vector_of_another_shape_is_refused(
    zeros: Callable[[tuple[int, ...]], Any], shape: tuple[int, ...]
) -> None:
    _, unflatten = flatten([1.0, np.zeros(2)])
    with pytest.raises(ValueError, match="vector: ") as caught:
        unflatten(zeros(shape))
    assert str(caught.value) == f"vector: got shape {shape}, wanted (3,)"


def test_a_list_is_not_a_vector() -> None:
    _, unflatten = flatten([1.0, 2.0])
    with pytest.raises(TypeError, match=r"vector: got list, wanted an array of shape \(2,\)"):
        unflatten([1.0, 2.0])
