import numpy as np
import pytest
import torch

from bench.argmin.adam import Adam


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_it_is_torchs_step_by_step(decay: float) -> None:
    rng = np.random.default_rng(0)
    ours = rng.standard_normal(20)
    theirs = torch.tensor(ours)
    adam = Adam(ours, rate=0.01, decay=decay, eps=1e-6)
    reference = torch.optim.Adam([theirs], lr=0.01, weight_decay=decay, eps=1e-6)
    for step in range(50):
        # Some entries vanish for a while, and all of them become small.
        gradient = rng.standard_normal(20) * (rng.random(20) < 0.8) * 10.0 ** -(step / 5)
        theirs.grad = torch.tensor(gradient)
        reference.step()
        adam.step(gradient)
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12)


def test_parameters_are_updated_in_place_and_the_gradient_is_not() -> None:
    vector, gradient = np.ones(3), np.ones(3)
    view = vector[1:]
    Adam(vector, rate=0.1, decay=0.1, eps=1e-8).step(gradient)
    assert view == pytest.approx([0.9, 0.9])
    assert gradient.tolist() == [1, 1, 1]
