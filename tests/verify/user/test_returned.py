import numpy as np
import pytest
import torch

from reference_impls.nested import Tree
from verify.checks.check import RefusalError
from verify.user.arguments import Arguments
from verify.user.returned import gradients_from

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
B = np.array([0.5, 0.25, 0.125])


def scale(x: Tree, b: Tree = None, n: Tree = None) -> Tree:
    """Never called: these tests are about what is returned."""
    raise AssertionError(x, b, n)


def of(primals: Tree, wrt: str | None = None) -> Arguments:
    return Arguments.of(scale, primals, wrt)


class TestGradients:
    @pytest.mark.parametrize(
        ("primals", "returned"),
        [
            ({"x": X, "b": B}, {"b": B, "x": X}),
            ((X, B), (X, B)),
            ((X, B), [X, B]),
            (X, X),
            (X, (X,)),
            ((X,), X),
            ((X,), [X]),
            ([X, B], [X, B]),
            ([X], [X]),
            ([X, B], ([X, B],)),
            ({"x": {"W": X, "n": 3}, "b": [B, None]}, {"x": {"W": X}, "b": [B]}),
            ((X, 3, B), (X, None, B)),
        ],
    )
    def test_are_found_wherever_the_primals_are(self, primals: Tree, returned: Tree) -> None:
        found = gradients_from(returned, of(primals))
        for (name, array), wanted in zip(found.items(), of(primals).arrays.values(), strict=True):
            assert np.array_equal(array, wanted), name

    def test_are_wanted_for_wrt_alone(self) -> None:
        assert list(gradients_from({"b": B}, of({"x": X, "b": B}, "b"))) == ["b"]
        assert list(gradients_from((None, B), of((X, B), "b"))) == ["b"]

    def test_a_number_will_do_for_a_number(self) -> None:
        arguments = of({"x": np.array(2.0, np.float32)})
        assert gradients_from({"x": 3.0}, arguments, dtype=np.float32)["x"].dtype == np.float32
        assert gradients_from({"x": np.float64(3)}, arguments)["x"].dtype == np.float64

    def test_of_another_shape_or_precision_are_for_the_checks_to_judge(self) -> None:
        found = gradients_from({"x": B.astype(np.float16)}, of({"x": X}))["x"]
        assert found.shape == (3,)
        assert found.dtype == np.float16
        assert gradients_from({"x": X + 0j}, of({"x": X}))["x"].dtype == complex

    @pytest.mark.parametrize(
        ("primals", "returned", "said"),
        [
            ({"x": X}, None, "it gave None, wanted a dict of gradients"),
            ({"x": X}, X, "it gave a numpy.ndarray of float64, wanted a dict of gradients"),
            ({"x": X}, (X,), "it gave a tuple of 1, wanted a dict of gradients"),
            ({"x": X, "b": B}, {"x": X}, "it gave no gradient for b (got x)"),
            ({"x": X}, {}, "it gave no gradient for x (got none)"),
            (
                {"x": X},
                {"xs": X},
                "it gave a gradient for 'xs', which is none of x; did you mean 'x'?",
            ),
            ((X, B), X, "it gave a numpy.ndarray of float64, wanted a tuple of 2, for x, b"),
            ((X, B), (X,), "it gave a tuple of 1, wanted a tuple of 2, for x, b"),
            ((X, B), None, "it gave None, wanted a tuple of 2, for x, b"),
            ({"x": [X, B]}, {"x": [X]}, "it gave no gradient for x[1] (got x)"),
            ({"x": {"W": X}}, {"x": X}, "it gave no gradient for x['W'] (got x)"),
            (
                X,
                {"x": X},
                "it gave a dict of 1 for x, wanted an array of shape (2, 3), as x is no dict",
            ),
            ({"x": X}, {"x": None}, "it gave None for x, wanted an array of shape (2, 3)"),
            ({"x": X}, {"x": 0}, "it gave an int for x, wanted an array of shape (2, 3)"),
            ({"x": X}, {"x": 0.0}, "it gave a float for x, wanted an array of shape (2, 3)"),
            (
                {"x": X},
                {"x": X.tolist()},
                "it gave a list of 2 for x, wanted an array of shape (2, 3)",
            ),
            (
                {"x": X},
                {"x": X.astype(int)},
                "it gave a numpy.ndarray of int64 for x, wanted a number or an array of float64",
            ),
            (
                {"x": np.array(2.0)},
                {"x": 3},
                "it gave an int for x, wanted a number or an array of float64",
            ),
            (
                {"x": X},
                {"x": torch.ones(2, 3)},
                "it gave a tensor for x; wrap a torch function in from_torch",
            ),
        ],
    )
    def test_that_cannot_be_compared_are_refused(
        self, primals: Tree, returned: Tree, said: str
    ) -> None:
        with pytest.raises(RefusalError) as caught:
            gradients_from(returned, of(primals), "it gave")
        assert str(caught.value) == said

    def test_a_masked_array_is_no_gradient(self) -> None:
        masked = np.ma.masked_array(X, X > 2)
        with pytest.raises(
            RefusalError, match=r"^it gave a masked array for x, wanted one without"
        ):
            gradients_from({"x": masked}, of({"x": X}), "it gave")
