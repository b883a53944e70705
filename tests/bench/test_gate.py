import numpy as np
import pytest

from bench import gate
from reference_impls import (
    BACKENDS,
    COMPUTATIONS,
    Array,
    Arrays,
    Computation,
    Manual,
    Torch,
    draw,
)
from reference_impls.engines.backend import seed_cotangent

TWO_LAYER_MLP = next(c for c in COMPUTATIONS if c.name == "two_layer_mlp")


def results(computation: Computation, dtype: str, name: str) -> tuple[Arrays, Arrays]:
    backend = next(backend for backend in BACKENDS if backend.name == name)
    primals = draw(computation, computation.tutorial_size, dtype)
    value, vjp = backend.make_vjp(computation, primals)
    return {"value": value}, vjp(seed_cotangent(value))


def excess(dtype: str, value: Arrays, cotangents: Arrays) -> float:
    size = TWO_LAYER_MLP.tutorial_size
    worst = gate.hold_against_reference(TWO_LAYER_MLP, size, dtype, value, cotangents)
    return worst.error / worst.tolerance


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


def test_manual_and_torch_must_vouch_for_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by_a_thousandth(self: Torch, *args: object) -> object:
        value, vjp = make_vjp(self, *args)  # type: ignore[arg-type]
        return value, lambda u: {name: 1.001 * g for name, g in vjp(u).items()}

    make_vjp = Torch.make_vjp
    monkeypatch.setattr(Torch, "make_vjp", off_by_a_thousandth)
    gate._reference.cache_clear()  # noqa: SLF001 -- what an earlier test has vouched for
    with pytest.raises(AssertionError, match="two_layer_mlp 64 float64: manual and torch disagree"):
        excess("float64", *results(TWO_LAYER_MLP, "float64", "manual"))
    gate._reference.cache_clear()  # noqa: SLF001 -- nor may a later one see this


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
