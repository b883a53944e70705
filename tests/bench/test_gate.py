from dataclasses import replace
from typing import TYPE_CHECKING, Any

import autograd
import numpy as np
import pytest
import torch

from bench import gate
from reference_impls import (
    BACKENDS,
    CATALOGUE,
    COMPUTATIONS,
    DTYPES,
    Array,
    Arrays,
    Backend,
    Computation,
    Entry,
    Manual,
    Torch,
    Vjp,
    draw,
)
from reference_impls.engines.backend import seed_cotangent
from verify.checks.check import Worst

if TYPE_CHECKING:
    from collections.abc import Callable

TWO_LAYER_MLP = next(c for c in COMPUTATIONS if c.name == "two_layer_mlp")


def results(
    computation: Computation, dtype: str, name: str, size: int | None = None
) -> tuple[Arrays, Arrays]:
    backend = next(backend for backend in BACKENDS if backend.name == name)
    primals = draw(computation, size or computation.tutorial_size, dtype)
    value, vjp = backend.make_vjp(computation, primals)
    return {"value": value}, vjp(seed_cotangent(value))


def excess(dtype: str, value: Arrays, cotangents: Arrays) -> float:
    size = TWO_LAYER_MLP.tutorial_size
    worst = gate.hold_against_reference(TWO_LAYER_MLP, size, dtype, value, cotangents)
    return worst.error / worst.tolerance


@pytest.mark.parametrize("lacking", [["manual"], ["torch"], ["manual", "autograd"]])
def test_a_computation_may_lack_bodies(lacking: list[str]) -> None:
    fields = {"manual": "by_hand", "torch": "by_torch", "autograd": "by_autograd"}
    absent: Any = {fields[name]: None for name in lacking}
    relu = next(c for c in COMPUTATIONS if c.name == "relu")
    partial, size = replace(relu, name="partial", **absent), min(relu.sizes)
    for backend in (each for each in BACKENDS if each.name not in lacking):
        primals = draw(partial, size, "float64")
        native, vjp = backend.make_vjp(partial, primals)
        found = {"value": native}, vjp(seed_cotangent(native))
        assert gate.hold_against_reference(partial, size, "float64", *found).accepted
        wrong = {name: 1.01 * array for name, array in found[1].items()}
        assert not gate.hold_against_reference(partial, size, "float64", found[0], wrong).accepted


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["autograd", "torch", "manual"])
class TestGate:
    def test_lets_every_implementation_through(self, name: str, dtype: str) -> None:
        assert excess(dtype, *results(TWO_LAYER_MLP, dtype, name)) <= 1

    def test_stops_a_wrong_value(self, name: str, dtype: str) -> None:
        value, cotangents = results(TWO_LAYER_MLP, dtype, name)
        assert excess(dtype, {"value": value["value"] * np.asarray(1.001, dtype)}, cotangents) > 1

    def test_stops_one_wrong_entry_of_one_cotangent(self, name: str, dtype: str) -> None:
        value, cotangents = results(TWO_LAYER_MLP, dtype, name)
        wrong = cotangents["W1"].copy()
        wrong[3, 4] += np.abs(wrong).max() / 1000
        assert excess(dtype, value, cotangents | {"W1": wrong}) > 1

    def test_stops_nan(self, name: str, dtype: str) -> None:
        value, cotangents = results(TWO_LAYER_MLP, dtype, name)
        wrong = cotangents["b2"] * np.nan
        assert not excess(dtype, value, cotangents | {"b2": wrong}) <= 1


def test_manual_and_torch_must_vouch_for_the_reference() -> None:
    def off_by_a_thousandth(**primals: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = TWO_LAYER_MLP.by_torch(**primals)
        return 1.001 * value

    wrong = replace(TWO_LAYER_MLP, by_torch=off_by_a_thousandth)
    found = results(wrong, "float64", "manual")
    with pytest.raises(AssertionError, match="two_layer_mlp 64 float64: manual and torch disagree"):
        gate.hold_against_reference(wrong, wrong.tutorial_size, "float64", *found)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_implementation_of_the_catalogue_is_let_through(entry: Entry) -> None:
    computation = entry.load()
    for size in sorted({min(computation.sizes), computation.tutorial_size}):
        for dtype in DTYPES:
            for backend in BACKENDS:
                found = results(computation, dtype, backend.name, size)
                worst = gate.hold_against_reference(computation, size, dtype, *found)
                assert worst.accepted, f"{backend.name} {dtype} {size}: {worst}"


RIDGE = next(c for c in COMPUTATIONS if c.name == "ridge_argmin")


class TestLayerGate:
    @pytest.fixture
    def primals(self) -> Arrays:
        return draw(RIDGE, 1, "float64")

    @pytest.fixture
    def result(self, primals: Arrays) -> tuple[Array, Arrays]:
        value, vjp = Torch().make_vjp(RIDGE, primals)
        return value, vjp(seed_cotangent(value))

    def test_lets_the_general_operator_through(
        self, primals: Arrays, result: tuple[Array, Arrays]
    ) -> None:
        errors = gate.layer_errors(RIDGE, primals, *result)
        assert not errors.wrong
        assert max(errors.value, errors.gradient) < 1e-12

    @pytest.mark.parametrize(
        ("factors", "said"),
        [
            ({"x": -1, "y": -1, "lam": -1}, "gradient off by 2.0e+00"),  # lost minus
            ({"lam": 0}, "lam off by 1.0e+00"),  # forgotten, and small beside the others
            ({"y": 1.002}, "gradient off by"),
            ({"x": np.nan}, "x off by nan"),
        ],
        ids=["sign", "argument", "two in a thousand", "nan"],
    )
    def test_stops_a_wrong_gradient(
        self,
        primals: Arrays,
        result: tuple[Array, Arrays],
        factors: dict[str, float],
        said: str,
    ) -> None:
        value, cotangents = result
        wrong = {name: factors.get(name, 1) * array for name, array in cotangents.items()}
        assert said in gate.layer_errors(RIDGE, primals, value, wrong).wrong

    def test_stops_a_wrong_value(self, primals: Arrays, result: tuple[Array, Arrays]) -> None:
        value, cotangents = result
        errors = gate.layer_errors(RIDGE, primals, 1.01 * value, cotangents)
        assert errors.wrong == "value off by 1.0e-02"

    def test_the_closed_form_is_held_against_another(self, primals: Arrays) -> None:
        value, vjp = Manual().make_vjp(RIDGE, primals)
        cotangents = vjp(seed_cotangent(value))
        errors = gate.layer_errors(RIDGE, primals, value, cotangents, against=Torch())
        assert 0 < errors.gradient < 1e-12


TANH = next(c for c in COMPUTATIONS if c.name == "tanh")


def slipped(backend: Backend, output: str, amount: float, dtype: str) -> Computation:
    """Make tanh wrong by an amount: in one implementation's value or gradient, in one dtype."""

    def slip(value: Any, x: Any, constant: Any) -> Any:  # noqa: ANN401 -- as each engine has it
        if str(x.dtype).removeprefix("torch.") != dtype:
            return value
        return value + amount * (1 if output == "value" else x - constant)

    def by_hand(x: Array) -> tuple[Array, Vjp]:
        value, vjp = TANH.by_hand(x)
        off_in_gradient = amount if output == "gradient" and x.dtype == dtype else 0.0
        off_in_value = amount if output == "value" and x.dtype == dtype else 0.0
        return value + x.dtype.type(off_in_value), lambda u: {
            "x": vjp(u)["x"] + x.dtype.type(off_in_gradient) * u
        }

    def by_torch(x: torch.Tensor) -> torch.Tensor:
        slip_of_x: torch.Tensor = slip(TANH.by_torch(x), x, x.detach())
        return slip_of_x

    def by_autograd(x: Any) -> Any:  # noqa: ANN401 -- autograd's boxes
        return slip(TANH.by_autograd(x), x, autograd.tracer.getval(x))

    bodies: dict[str, Callable[..., Any]] = {
        "manual": by_hand,
        "torch": by_torch,
        "autograd": by_autograd,
    }
    return backend.with_body(TANH, bodies[backend.name])


def worst_of_tanh(computation: Computation, dtype: str, backend: Backend) -> Worst:
    size = min(computation.sizes)
    found = results(computation, dtype, backend.name, size)
    return gate.hold_against_reference(computation, size, dtype, *found)


@pytest.mark.parametrize("amount", [1e3, 1.5, 1e-2, 1e-4])
@pytest.mark.parametrize("output", ["value", "gradient"])
@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
class TestSlipInOneDtype:
    """Noise is the difference between the dtypes: nobody may be excused by such a difference."""

    def test_in_float32_it_is_stopped(self, backend: Backend, output: str, amount: float) -> None:
        slip = slipped(backend, output, amount, "float32")
        assert not worst_of_tanh(slip, "float32", backend).accepted

    def test_in_float32_it_stops_nobody_else(
        self, backend: Backend, output: str, amount: float
    ) -> None:
        slip = slipped(backend, output, amount, "float32")
        for dtype in DTYPES:
            for other in BACKENDS:
                if dtype == "float64" or other != backend:
                    assert worst_of_tanh(slip, dtype, other).accepted

    def test_in_float64_it_is_stopped(self, backend: Backend, output: str, amount: float) -> None:
        slip = slipped(backend, output, amount, "float64")
        if backend.name == "autograd":
            assert not worst_of_tanh(slip, "float64", backend).accepted
        else:
            with pytest.raises(AssertionError, match="manual and torch disagree"):
                worst_of_tanh(slip, "float64", backend)
