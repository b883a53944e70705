from functools import partial

import numpy as np
import pytest
import torch

from reference_impls.engines.pytorch.choice import from_torch
from reference_impls.words import described, kind_of, name_of


def squares(x: float) -> float:
    return x * x


class Named:
    def __init__(self, name: object) -> None:
        self.name = name

    def __call__(self, x: float) -> float:
        return squares(x)

    def method(self, x: float) -> float:
        return self(x)


def test_functions_have_the_names_that_users_gave_them() -> None:
    assert name_of(squares) == "squares"
    assert name_of(partial(squares)) == "squares"
    assert name_of(from_torch(torch.sin)) == "sin"
    assert name_of(Named("mine").method) == "method"
    assert name_of(Named) == "Named"
    assert name_of(Named("mine")) == "mine"


@pytest.mark.parametrize("name", ["", None, 3, np.ones(2)])
def test_a_name_that_is_no_words_gives_way_to_the_types(name: object) -> None:
    assert name_of(Named(name)) == "Named"


@pytest.mark.parametrize(
    ("value", "kind", "with_article"),
    [
        (None, "NoneType", "None"),
        (3, "int", "an int"),
        (3.0, "float", "a float"),
        ((1, 2), "tuple", "a tuple of 2"),
        ([], "list", "a list of 0"),
        ({"x": 1}, "dict", "a dict of 1"),
        (np.ones(2), "numpy.ndarray of float64", "a numpy.ndarray of float64"),
        (torch.ones(2), "torch.Tensor of float32", "a torch.Tensor of float32"),
        (squares, "function", "a function"),
    ],
)
def test_values_are_described_by_type_and_dtype_or_length(
    value: object, kind: str, with_article: str
) -> None:
    assert kind_of(value) == kind
    assert described(value) == with_article
