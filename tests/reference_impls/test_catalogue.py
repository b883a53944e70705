import pkgutil
from importlib import import_module

import numpy as np
import pytest

from reference_impls import (
    CATALOGUE,
    COMPUTATIONS,
    Computation,
    Entry,
    computations,
    datasets,
)
from reference_impls.computation import Arrays, draw
from tests.reference_impls.shared import BY_NAME, every_computation

NAMES = [
    "relu",
    "sigmoid",
    "tanh",
    "elu",
    "composite_elu",
    "elu_mlp",
    "logsumexp",
    "linear",
    "scaled_linear",
    "perceptron",
    "linear_bce",
    "circles_classifier",
    "linear_regression",
    "polynomial_regression",
    "mlp_regression",
    "relu_regression",
    "two_layer_mlp",
    "mlp_classifier",
    "mlp_log_probabilities",
    "relu_classifier",
    "batch_norm",
    "conv_encoder",
    "least_squares",
    "clipped_least_squares",
    "exponential_loss",
    "quadratic",
    "rosenbrock",
    "logistic_regression",
    "donsker_varadhan",
    "ridge_argmin",
    "ridge_intercept_argmin",
    "elastic_net_argmin",
    "printed_elastic_net_argmin",
    "logistic_argmin",
    "equality_qp_argmin",
    "root_argmin",
    "timeseries_net",
]

MODULES = [module.name for module in pkgutil.iter_modules(computations.__path__)]

TUTORIAL_SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "elu": {"z": (6,), "alpha": ()},
    "composite_elu": {"z": (6,), "alpha": ()},
    "elu_mlp": {"x": (10, 512), "W1": (1024, 512), "W2": (1024, 1024), "W3": (10, 1024)},
    "logsumexp": {"x": (10,)},
    "linear": {"x": (1, 3), "W": (5, 3), "b": (5,)},
    "scaled_linear": {"x": (1, 3), "W": (5, 3), "b": (5,)},
    "linear_bce": {"x": (5,), "W": (5, 3), "b": (3,), "y": (3,)},
    "circles_classifier": {"x": (500, 2), "y": (500,), "W1": (3, 2), "W2": (1, 3), "b2": (1,)},
    "linear_regression": {"w": (), "b": (), "x": (100,), "t": (100,)},
    "polynomial_regression": {"w": (5,), "features": (100, 5), "t": (100,)},
    "mlp_regression": {"theta": (33,), "x": (1000, 1), "t": (1000,)},
    "relu_regression": {"theta": (33,), "x": (1000, 1), "t": (1000,)},
    "two_layer_mlp": {"x": (64, 10), "W1": (100, 10), "W2": (1, 100), "y": (64, 1)},
    "mlp_classifier": {"x": (512, 784), "y": (512, 10), "W1": (32, 784), "W5": (10, 64)},
    "mlp_log_probabilities": {"x": (1, 784), "W1": (32, 784), "W5": (10, 64)},
    "relu_classifier": {"x": (512, 784), "y": (512, 10), "W1": (32, 784), "W4": (10, 32)},
    "conv_encoder": {"x": (8, 1, 30), "W1": (4, 1, 5), "W2": (8, 4, 5), "W3": (16, 8, 5)},
    "least_squares": {"A": (1000, 20), "b": (1000,)},
    "clipped_least_squares": {"A": (1000, 20), "b": (1000, 3), "absolute": (), "relative": ()},
    "exponential_loss": {"w": (1,), "z": (1,)},
    "quadratic": {"x": (2,), "A": (2, 2)},
    "rosenbrock": {"x": (2,)},
    "logistic_regression": {"w": (20,), "X": (1000, 20), "y": (1000,), "lam": ()},
    "donsker_varadhan": {
        "Z": (1000, 2),
        "Z_ref": (1000, 2),
        "W1": (100, 2),
        "W2": (100, 100),
        "W3": (1, 100),
    },
    "ridge_argmin": {"x": (8, 16, 20), "y": (8, 16, 10), "lam": ()},
    "elastic_net_argmin": {"X": (1000, 20), "y": (1000,), "l1": (), "l2": ()},
    "printed_elastic_net_argmin": {"X": (1000, 20), "y": (1000,), "l1": (), "l2": ()},
    "timeseries_net": {
        "x": (8, 1, 30),
        "y": (8, 1, 10),
        "lam": (),
        "enc_W1": (4, 1, 5),
        "enc_W2": (8, 4, 5),
        "enc_W3": (16, 8, 5),
        "dec_W1": (8, 16, 5),
        "dec_W2": (4, 8, 5),
        "dec_W3": (1, 4, 5),
    },
}

DECADES = dict.fromkeys(NAMES, 3) | {
    # Engines form an M x M projector: 30,000 rows would take 7 GB of float64.
    "least_squares": 2,
    # Its data has a row and a column for each unknown.
    "quadratic": 2,
    "clipped_least_squares": 2,
    # So many unknowns, each with a row and a column of K.
    "equality_qp_argmin": 2,
    "root_argmin": 2,
    # Its channels grow with its batch: over these sizes the embedding grows sixty-fourfold.
    "timeseries_net": 0,
}


def tutorial_sample(name: str) -> Arrays:
    return draw(BY_NAME[name], BY_NAME[name].tutorial_size, "float64")


def test_the_catalogue_has_the_issues_computations() -> None:
    assert sorted(computation.name for computation in COMPUTATIONS) == sorted(NAMES)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_listed_under_its_own_name(name: str) -> None:
    module = import_module(f"reference_impls.computations.{name}")
    assert module.COMPUTATION in COMPUTATIONS
    assert module.COMPUTATION.name == name


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_an_entry_says_what_its_module_says(entry: Entry) -> None:
    computation = entry.load()
    assert entry == Entry(
        computation.name,
        computation.origin,
        computation.wrt,
        computation.sizes,
        is_argmin=computation.optimality is not None,
    )
    assert entry.tutorial_size == computation.tutorial_size


def test_the_computations_are_in_the_order_of_the_catalogue() -> None:
    assert [computation.name for computation in COMPUTATIONS] == [e.name for e in CATALOGUE]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_states_its_function_and_derivative(name: str) -> None:
    docstring = import_module(f"reference_impls.computations.{name}").__doc__
    assert docstring
    equations = [line for line in docstring.splitlines() if " = " in line]
    assert equations
    assert "̄" in docstring, "no cotangent: nothing with a bar over it"
    assert len(docstring) > 100


@every_computation
def test_sizes_are_distinct_and_span_decades(computation: Computation) -> None:
    sizes = computation.sizes
    assert len(set(sizes)) == len(sizes) >= 4
    assert max(sizes) / min(sizes) >= 10 ** DECADES[computation.name]
    assert computation.tutorial_size == sizes[0]


@every_computation
def test_a_sample_has_the_declared_arguments(computation: Computation) -> None:
    for size in computation.sizes:
        primals = draw(computation, size, "float64")
        assert set(computation.shapes) == set(primals)
        assert set(computation.wrt) <= set(primals)
        assert computation.wrt


@every_computation
def test_a_sample_is_of_finite_float64_arrays_of_the_declared_shapes(
    computation: Computation,
) -> None:
    size = min(computation.sizes)
    lengths: dict[str, int] = {}
    for name, primal in computation.sample(np.random.default_rng(0), size).items():
        assert isinstance(primal, np.ndarray)
        assert primal.dtype == np.float64
        assert np.isfinite(primal).all()
        assert primal.size
        axes = computation.shapes[name].split()
        if axes == ["..."]:
            continue
        assert len(axes) == primal.ndim
        for axis, length in zip(axes, primal.shape, strict=True):
            assert length == (int(axis) if axis.isdigit() else lengths.setdefault(axis, length))


@every_computation
def test_a_sample_grows_with_its_size(computation: Computation) -> None:
    smallest, next_larger = sorted(computation.sizes)[:2]
    entries = [
        sum(primal.size for primal in draw(computation, size, "float64").values())
        for size in (smallest, next_larger)
    ]
    assert entries[0] < entries[1]


@every_computation
def test_a_sample_depends_on_its_seed_and_size_alone(computation: Computation) -> None:
    size = min(computation.sizes)
    first, again, other = (draw(computation, size, "float64", seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@every_computation
def test_float32_samples_are_the_float64_ones_rounded(computation: Computation) -> None:
    size = min(computation.sizes)
    wide, narrow = draw(computation, size, "float64"), draw(computation, size, "float32")
    for name in wide:
        assert narrow[name].dtype == np.float32
        np.testing.assert_array_equal(narrow[name], wide[name].astype(np.float32))


@pytest.mark.parametrize("name", TUTORIAL_SHAPES)
def test_the_first_size_is_the_tutorials(name: str) -> None:
    primals = tutorial_sample(name)
    assert {key: primals[key].shape for key in TUTORIAL_SHAPES[name]} == TUTORIAL_SHAPES[name]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("mlp_classifier", 44_458), ("mlp_log_probabilities", 44_458), ("relu_classifier", 27_562)],
)
def test_a_classifier_has_the_tutorials_number_of_parameters(name: str, parameters: int) -> None:
    primals = tutorial_sample(name)
    assert sum(primals[each].size for each in BY_NAME[name].wrt) == parameters


@pytest.mark.parametrize("name", ["mlp_classifier", "relu_classifier"])
def test_a_classifier_is_given_real_digits(name: str) -> None:
    primals = tutorial_sample(name)
    data = datasets.digits()
    known = {image.tobytes(): label for image, label in zip(data.images, data.labels, strict=True)}
    for image, one_hot in zip(primals["x"], primals["y"], strict=True):
        assert one_hot.sum() == 1
        assert one_hot[known[image.tobytes()]] == 1


@pytest.mark.parametrize("name", ["conv_encoder", "timeseries_net"])
def test_networks_of_convolutions_are_given_real_prices(name: str) -> None:
    known = {segment[:30].tobytes() for segment in datasets.stock_segments().prices}
    assert all(row.tobytes() in known for row in tutorial_sample(name)["x"])


def test_the_prediction_is_held_against_the_prices_that_followed() -> None:
    known = {segment.tobytes() for segment in datasets.stock_segments().prices}
    primals = tutorial_sample("timeseries_net")
    segments = np.concatenate([primals["x"], primals["y"]], axis=-1)
    assert all(segment.tobytes() in known for segment in segments)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "elu", "composite_elu"])
def test_activations_are_sampled_on_both_sides_of_zero(name: str) -> None:
    (argument, *_) = tutorial_sample(name).values()
    assert argument.min() < 0 < argument.max()
