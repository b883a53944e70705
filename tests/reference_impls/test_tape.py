"""Three of the catalogue's computations on the tape, and the tutorial's loop as published."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import reference_impls.tape
from reference_impls import Arrays, Backend, draw
from reference_impls.tape import (
    Tape,
    Variable,
    expm1,
    softplus,
    total,
    where,
)
from tests.reference_impls.shared import (
    BY_NAME,
    distance,
    every_backend,
    gaussian_cotangent,
)
from verify.trust.findings.optimization import published_loop

BOUND = 1e-14

Variables = dict[str, Variable]


def linear_regression(v: Variables) -> Variable:
    residual = v["w"] * v["x"] + v["b"] - v["t"]
    scale = Variable(residual.tape, 1 / (2 * residual.value.size))
    return total(residual * residual) * scale


def linear_bce(v: Variables) -> Variable:
    z = v["x"] @ v["W"] + v["b"]
    return total(softplus(z) - v["y"] * z) * Variable(z.tape, 1 / z.value.size)


def elu(v: Variables) -> Variable:
    """z has three children: both selections, and through the first the exponential."""
    z = v["z"]
    positive = z.value > 0
    negative = where(positive, Variable(z.tape, 0.0), z)
    return where(positive, z, v["alpha"] * expm1(negative))


ON_TAPE = {each.__name__: each for each in (linear_regression, linear_bce, elu)}
on_tape = pytest.mark.parametrize("name", ON_TAPE)


def recorded(body: Callable[[Variables], Variable], primals: Arrays) -> tuple[Variables, Variable]:
    tape = Tape()
    variables = {name: Variable(tape, primal) for name, primal in primals.items()}
    return variables, body(variables)


@on_tape
@every_backend
@pytest.mark.parametrize("seed", range(3))
def test_the_tape_is_a_fourth_implementation(name: str, backend: Backend, seed: int) -> None:
    computation = BY_NAME[name]
    for size in computation.sizes[:2]:
        primals = draw(computation, size, "float64", seed)
        value, vjp = backend.make_vjp(computation, primals)
        u = gaussian_cotangent(computation, value)

        variables, end = recorded(ON_TAPE[name], primals)
        cotangents = end.tape.backward(u)
        found = {primal: cotangents[variables[primal]] for primal in computation.wrt}

        assert distance({"value": end.value}, {"value": value}) <= BOUND
        assert distance(found, vjp(u)) <= BOUND
        assert {key: a.shape for key, a in found.items()} == {
            key: primals[key].shape for key in found
        }


@every_backend
def test_what_is_used_twice_gets_the_sum_of_both(backend: Backend) -> None:
    """Of L = Σ y² + Σ y, with y = elu(z): three times y as a parent, and δy = 2 y + 1."""
    computation = BY_NAME["elu"]
    primals = draw(computation, 6, "float64", 0)
    y, vjp = backend.make_vjp(computation, primals)

    def body(v: Variables) -> Variable:
        y = elu(v)
        return total(y * y) + total(y)

    variables, end = recorded(body, primals)
    cotangents = end.tape.backward()
    found = {primal: cotangents[variables[primal]] for primal in computation.wrt}
    assert distance(found, vjp(2 * y + 1)) <= BOUND


def test_at_its_kink_elu_has_the_left_derivative_as_in_the_catalogue() -> None:
    z = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])  # the tutorial's own, with its 0
    variables, end = recorded(elu, {"z": z, "alpha": np.asarray(0.5)})
    slopes = end.tape.backward(np.ones(6))[variables["z"]]
    assert slopes == pytest.approx([0.5 * np.exp(-2), 0.5 * np.exp(-1), 0.5, 1, 1, 1], rel=1e-15)


def test_what_nothing_was_computed_from_has_a_gradient_of_zero() -> None:
    tape = Tape()
    x, unused = Variable(tape, 2.0), Variable(tape, [1.0, 1.0])
    x * x
    cotangents = tape.backward()
    assert cotangents[x] == 4
    assert cotangents[unused].tolist() == [0, 0]


def test_a_variable_repeated_along_an_axis_of_its_own_is_refused() -> None:
    tape = Tape()
    column, row = Variable(tape, np.ones((2, 1))), Variable(tape, np.ones((2, 3)))
    total(column * row)
    with pytest.raises(ValueError, match="reshape"):
        tape.backward()


def test_a_student_reads_it_in_one_sitting() -> None:
    source = Path(reference_impls.tape.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 100


# A finding about the tutorial (D7): its loop starts at N.


def five_times_a_square() -> Tape:
    """L = 5 x² at x = 3: δL = 1, δ(x²) = 5, δx = 5 · 6 = 30."""
    tape = Tape()
    five, x = Variable(tape, 5.0), Variable(tape, 3.0)
    five * (x * x)
    return tape


def test_from_the_last_but_one_the_loop_gives_1_5_30() -> None:
    tape = five_times_a_square()
    _, x, square, loss = tape.variables
    cotangents = tape.backward()
    assert [float(cotangents[v]) for v in (loss, square, x)] == [1, 5, 30]


def test_the_published_loop_gives_zeros() -> None:
    cotangents = published_loop(five_times_a_square(), np.asarray(1.0))
    assert [float(cotangent) for cotangent in cotangents.values()] == [0, 0, 0, 0]


@on_tape
def test_so_it_does_for_the_catalogue(name: str) -> None:
    computation = BY_NAME[name]
    primals = draw(computation, computation.tutorial_size, "float64", 0)
    _, end = recorded(ON_TAPE[name], primals)
    cotangents = published_loop(end.tape, np.ones_like(end.value))
    assert len(cotangents) == len(end.tape.variables)
    assert not any(cotangent.any() for cotangent in cotangents.values())
