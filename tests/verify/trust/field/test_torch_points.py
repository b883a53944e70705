"""What is known of torch at points of our own, without this harness."""

import mpmath
import numpy as np
import pytest
import torch

from verify import check, from_torch
from verify.trust.field.torch_points import RANK_TWO


def test_the_gradient_of_digamma_is_right_to_nine_digits_and_no_more() -> None:
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(torch.digamma(x), x)
    true = float(mpmath.psi(1, 2))
    assert np.isclose(true, np.pi**2 / 6 - 1, rtol=1e-15)
    assert 1e-10 < abs(gradient.item() / true - 1) < 1e-9


def test_the_gradient_of_det_is_zero_where_its_cofactors_are_not() -> None:
    matrix = torch.tensor(RANK_TWO, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(torch.linalg.det(matrix), matrix)
    assert not gradient.any()
    assert mpmath.det(mpmath.matrix(RANK_TWO)[1:, 1:]) == -2  # that of the first entry


def test_the_gradient_of_hypot_at_zero_is_no_subgradient() -> None:
    zero = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(torch.hypot(zero, zero.detach()), zero)
    assert gradient.isnan()


def test_two_values_for_one_place_both_have_a_gradient() -> None:
    values = torch.ones(3, dtype=torch.float64, requires_grad=True)
    put = torch.zeros(3, dtype=torch.float64).index_put((torch.tensor([1, 0, 1]),), values)
    (gradient,) = torch.autograd.grad(put[1], values)
    assert gradient.tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("x", [2.0, 2.3])
def test_a_mistake_in_the_tenth_digit_is_seen_at_every_seed(x: float, seed: int) -> None:
    """torch's trigamma: two rows of differences tell eight digits, and the third confirms them."""
    report = check(from_torch(torch.digamma), np.asarray([x]), seed=seed)
    assert report.verdict == "disagree", str(report)
