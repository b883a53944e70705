"""Numbers that the tutorials print, held against what they must satisfy.

They were drawn without a seed, so they cannot be computed anew. But a layer's output, weights and
bias determine its input, probabilities sum to one, and a gradient that is zero shows its rounding.
"""

import numpy as np
import torch

from reference_impls import Array, Backend
from reference_impls.computations import elu_mlp
from tests.reference_impls.shared import every_backend, norm, run_body

LAST_DIGIT = 5e-5
"""Half a unit of the last digit that torch prints."""

WEIGHTS = np.array(
    [
        [-0.0539, 0.0425, 0.3778],
        [-0.4717, 0.1436, -0.4493],
        [0.2278, -0.2985, -0.2353],
        [0.0305, -0.1864, -0.5171],
        [-0.1947, -0.1781, -0.3550],
    ]
)
BIAS = np.array([-0.2540, 0.5406, -0.1456, -0.0992, 0.2658])
OUTPUT = np.array([-0.5117, 1.4815, -0.3080, 0.2384, 0.6938])

OWN_WEIGHTS = np.array(
    [
        [0.6184, -1.3998, -0.3757],
        [0.8692, 0.6723, 0.7671],
        [-0.5638, -1.0807, -0.6356],
        [-0.7414, -0.9982, 0.6884],
        [-0.1062, 1.3147, -0.4994],
    ]
)
OWN_BIAS = np.array([-0.3234, 1.4104, -0.1391, 1.0728, 0.6665])
OWN_OUTPUT = np.array([-3.8027, 0.4861, 1.4844, 2.2856, 5.4585])


def the_input() -> Array:
    """Of both layers, from what the first one returns: five equations for three entries."""
    found, *_ = np.linalg.lstsq(WEIGHTS, OUTPUT - BIAS)
    return np.asarray(found)


@every_backend
def test_a_layer_returns_what_the_tutorial_prints_for_one_input(backend: Backend) -> None:
    primals = {"x": the_input()[None], "W": WEIGHTS, "b": BIAS}
    (got,), _ = run_body(backend, "linear", primals, np.ones((1, 5)), "float64")
    # Two of the five equations are left to disagree, by the last digits of all that is printed.
    np.testing.assert_allclose(got, OUTPUT, rtol=0, atol=LAST_DIGIT)


@every_backend
def test_the_layer_times_three_returns_what_the_tutorial_prints_for_the_same_input(
    backend: Backend,
) -> None:
    primals = {"x": the_input()[None], "W": OWN_WEIGHTS, "b": OWN_BIAS}
    (got,), _ = run_body(backend, "scaled_linear", primals, np.ones((1, 5)), "float64")
    # The input is known to a few last digits, and three rows of weights magnify that.
    np.testing.assert_allclose(got, OWN_OUTPUT, rtol=0, atol=30 * LAST_DIGIT)
    assert np.abs(got / 3 - OWN_OUTPUT).max() > 1  # and not without the three


LOG_PROBABILITIES = torch.tensor(
    [[-2.2258, -2.3713, -2.4023, -2.2198, -2.3206, -2.2607, -2.3160, -2.3575, -2.3782, -2.1983]],
    dtype=torch.float64,
)


def test_the_printed_log_probabilities_are_of_probabilities() -> None:
    # Each is off by half a last digit at most, as a part of itself, and together they make 1.
    assert abs(LOG_PROBABILITIES.exp().sum().item() - 1) <= LAST_DIGIT


def test_the_printed_loss_is_that_of_class_eight_and_of_no_other() -> None:
    losses = [
        torch.nn.functional.nll_loss(LOG_PROBABILITIES, torch.tensor([label])).item()
        for label in range(10)
    ]
    assert [label for label, loss in enumerate(losses) if abs(loss - 2.3782) <= LAST_DIGIT] == [8]


PRINTED_NORMS = {
    "W1": 3.0498824798996793e-07,
    "b1": 1.9646263282879772e-08,
    "W2": 5.69895860280667e-07,
    "b2": 5.812371739466471e-08,
    "W3": 7.324277930820244e-07,
    "b3": 1.7035910104823415e-07,
}


def test_the_printed_norms_of_a_gradient_that_is_zero_are_float32s_rounding() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [torch.nn.Linear(*widths) for widths in ((512, 1024), (1024, 1024), (1024, 10))]
        primals = {"x": torch.randn(10, 512)}
        cotangent = torch.randn(10, 10)
    for number, layer in enumerate(layers, start=1):
        primals[f"W{number}"], primals[f"b{number}"] = layer.weight, layer.bias
    value = elu_mlp.by_torch(**primals)
    varied = [primals[name] for name in PRINTED_NORMS]
    zeros = torch.autograd.grad(value.sum(), varied, retain_graph=True)
    others = torch.autograd.grad(value, varied, cotangent)
    for name, zero, other in zip(PRINTED_NORMS, zeros, others, strict=True):
        # What one rounding makes of a gradient that is not zero: there is nothing else in either.
        rounding = float(np.finfo(np.float32).eps) * norm([other.numpy()])
        for size in (norm([zero.numpy()]), PRINTED_NORMS[name]):
            assert rounding / 20 <= size <= 20 * rounding, name
