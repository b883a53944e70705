import autograd.numpy as anp
import numpy as np
import pytest
from autograd.extend import defvjp, primitive

from reference_impls import Array
from reference_impls.engines.hips.function import from_autograd
from tests.reference_impls.engines.shared import B, U, X, assert_close


def _half_square(x: Array) -> Array:
    return x * x / 2


half_square = primitive(_half_square)
defvjp(half_square, lambda _, x: lambda u: u * x)


def test_an_autograd_primitive_without_a_jvp_has_no_forward_mode() -> None:
    adapter = from_autograd(half_square)
    for call in (
        lambda: adapter.jvp((X,), (U,)),
        lambda: adapter.hvp((X,), U, (U,), "forward over reverse"),
    ):
        # Its VJP is written in autograd's own operations, which do have one.
        with pytest.raises(NotImplementedError, match=r"^_half_square: JVP of _half_square .*$"):
            call()
    assert_close(adapter.hvp((X,), U, (X,), "reverse over reverse")[0], U * X)


scaled = primitive(lambda x, b: x * b)
defvjp(
    scaled,
    lambda _, _x, b: lambda u: (u * b).astype(np.float64),
    lambda _, x, _b: lambda u: u * x,
)


def test_autograd_hides_neither_an_unreduced_broadcast_nor_a_dtype() -> None:
    x, b, u = (array.astype(np.float32) for array in (X, B, U))
    gx, gb = from_autograd(scaled)(x, b)[1](u)
    assert gx.dtype == np.float64
    assert_close(gb, u * x)
    named = from_autograd(lambda p: anp.sum(scaled(p["x"], p["b"]) * 2))(p={"x": x, "b": b})
    gradients = named[1](np.ones_like(named[0]))["p"]
    assert gradients["x"].dtype == np.float64
    assert gradients["b"].shape == (3, 4)


def test_autograd_adds_up_a_primal_that_is_used_twice() -> None:
    assert_close(from_autograd(lambda x: x * x + x)(X)[1](U)[0], U * (2 * X + 1))
    assert_close(from_autograd(lambda x: x[0] * x[1])(X)[1](U[0])[0][2], np.zeros(4))


def test_autograd_functions_that_write_to_their_input_are_seen_to() -> None:
    writing = primitive(lambda x: np.multiply(x, 2, out=x) + 1)
    defvjp(writing, lambda _, _x: lambda u: u)
    x = X.copy()
    from_autograd(writing)(x)
    assert np.array_equal(x, 2 * X)
