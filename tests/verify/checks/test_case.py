from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reference_impls import DTYPES, Array, Arrays, Computation, Manual
from reference_impls.computation import Vjp
from reference_impls.function import Implementation, implementations
from tests.verify.shared import cases_of, noises_of
from verify.checks.case import CatalogueCase, Stream, case_at, shape_of_value
from verify.checks.noises import Noises
from verify.error_model.measurement import DRAWS

SIZE = 50


def sample(rng: np.random.Generator, size: int) -> Arrays:
    return {"x": 1e3 * rng.standard_normal(size), "w": 1e-3 * rng.standard_normal((size, 2))}


def product(x: Array, w: Array) -> tuple[Array, Vjp]:
    return x @ w, lambda u: {"x": w @ u, "w": np.outer(x, u)}


PRODUCT = Computation(
    name="product",
    origin="x w",
    sample=sample,
    wrt=("x", "w"),
    sizes=(SIZE,),
    by_hand=product,
)


class OnGpu(Manual):
    """The same, where a report names another device."""

    def __init__(self) -> None:
        super().__init__()
        self.device = "cuda"


def case(dtype: str = "float64", **changes: Any) -> CatalogueCase:  # noqa: ANN401 - fields of a computation
    (found,) = cases_of(replace(PRODUCT, **changes), SIZE, 0, [dtype], [Manual()])
    return found


def noises(**changes: Any) -> Noises:  # noqa: ANN401 - fields of a computation
    return noises_of(case(**changes), [Manual()])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_case_has_the_shapes_and_the_dtype_of_its_primals(dtype: str) -> None:
    found = case(dtype)
    arrays = [*found.primals.values(), found.cotangent]
    arrays += [tangent for each in found.directions for tangent in each.values()]
    assert {str(array.dtype) for array in arrays} == {dtype}
    assert found.cotangent.shape == (2,)
    for tangents in found.directions:
        assert {name: each.shape for name, each in tangents.items()} == {
            "x": (SIZE,),
            "w": (SIZE, 2),
        }
    allowed = noises_of(found, [Manual()]).allowed
    assert {name: each.shape for name, each in allowed.cotangents.items()} == {
        "x": (SIZE,),
        "w": (SIZE, 2),
    }


def test_every_direction_is_as_large_as_its_primal_and_unlike_the_others() -> None:
    first, second = case().directions
    for name, primal in case().primals.items():
        size = np.linalg.norm(primal)
        assert 0.5 <= np.linalg.norm(first[name]) / size <= 2
        assert abs(np.sum(first[name] * second[name])) < 0.5 * size**2


def test_no_direction_leads_away_from_infinity_and_zeros_are_left_by_one() -> None:
    def minimum(x: Array) -> tuple[Array, Vjp]:
        return np.minimum(x, 1), lambda u: {"x": u * (x < 1)}

    def endless(_: np.random.Generator, size: int) -> Arrays:
        return {"x": np.where(np.arange(size) % 2, np.inf, 0.0)}

    found = case(by_hand=minimum, wrt=("x",), sample=endless)
    for tangents in found.directions:
        assert not tangents["x"][1::2].any()
        assert 0.5 <= np.std(tangents["x"][::2]) <= 2


def test_an_implementation_is_named_with_its_device_where_that_is_not_the_cpu() -> None:
    assert Implementation(PRODUCT, Manual()).name == "manual"
    assert Implementation(PRODUCT, OnGpu()).name == "manual/cuda"


def only(dtype: str, f: Callable[..., tuple[Array, Vjp]] = product) -> Callable[..., Any]:
    def by_hand(**primals: Array) -> tuple[Array, Vjp]:
        if any(str(array.dtype) != dtype for array in primals.values()):
            raise TypeError(f"wanted {dtype}")
        return f(**primals)

    return by_hand


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_of_code_for_a_single_dtype_is_how_its_results_change_with_the_input(
    dtype: str,
) -> None:
    primals = {name: array.astype(dtype) for name, array in case().primals.items()}
    computation = replace(PRODUCT, by_hand=only(dtype))
    functions = implementations(computation, [Manual()])
    shape = shape_of_value(functions, primals)
    at_primals = case_at("product", ("x", "w"), (SIZE, 0), primals, shape)
    found = Noises.of(at_primals, functions)
    assert set(found.each) == {"manual"}
    # A sum of fifty products, each of them moved by about a rounding of either factor.
    terms = np.sqrt(np.square(primals["x"]) @ np.square(primals["w"]))
    ratio = found.allowed.value["value"] / terms
    assert (ratio > 0.2).all()
    assert (ratio < 10).all()


@pytest.mark.parametrize("power", [-25, 25])
def test_noise_of_numbers_that_float32_does_not_have_is_measured_without_it(power: int) -> None:
    def scaled(x: Array, w: Array) -> tuple[Array, Vjp]:
        value, vjp = product(x, w)
        factor = x.dtype.type(10.0**power)
        return factor**2 * value, lambda u: {
            name: factor**2 * array for name, array in vjp(u).items()
        }

    plain, found = noises().allowed, noises(by_hand=scaled).allowed
    for name, noise in found.cotangents.items():
        ratio = np.median(noise) / 10.0 ** (2 * power) / np.median(plain.cotangents[name])
        assert 0.1 < ratio < 10


def test_whoever_gives_no_numbers_has_no_noise_and_nothing_is_allowed() -> None:
    assert case(by_hand=raises).cotangent.shape == ()
    found = noises(by_hand=raises)
    assert found.each == {}
    assert not any(array.any() for array in found.allowed.errors.values())


def raises(**_: Array) -> Any:  # noqa: ANN401 - it gives nothing
    raise ArithmeticError


@pytest.mark.parametrize("wrong", [np.full(SIZE, np.nan), np.zeros(SIZE + 1), None])
def test_of_whoever_gives_no_gradient_the_noise_of_the_values_is_measured(
    wrong: Array | None,
) -> None:
    def spoilt(x: Array, w: Array) -> tuple[Array, Vjp]:
        value, vjp = product(x, w)
        if wrong is None:
            return value, lambda _: raises()
        return value, lambda u: vjp(u) | {"x": wrong.astype(x.dtype)}

    found, right = noises(by_hand=spoilt), noises()
    assert found.each == {}
    ratio = found.allowed.value["value"] / right.allowed.value["value"]
    assert (ratio > 0.2).all()
    assert (ratio < 5).all()
    assert 0.1 < found.allowed.functional / right.allowed.functional < 10
    assert not any(array.any() for array in found.allowed.cotangents.values())
    assert found.allowed.pairings.shape == (2,)


@pytest.mark.parametrize("size", [1, 2, 5, 50])
def test_of_few_numbers_noise_is_measured_at_more_points(size: int) -> None:
    calls: list[str] = []

    def square(x: Array) -> tuple[Array, Vjp]:
        calls.append(str(x.dtype))
        return x * x, lambda u: {"x": 2 * u * x}

    computation = replace(PRODUCT, by_hand=square, wrt=("x",))
    x = np.random.default_rng(0).standard_normal(size)
    at_x = case_at("square", ("x",), (size, 0), {"x": x}, (size,))
    Noises.of(at_x, implementations(computation, [Manual()]), probes=2)
    assert calls.count("float32") == max(2, -(-DRAWS // (2 * size)))


def test_the_shape_of_a_value_is_that_of_most_implementations_and_costs_few_of_them() -> None:
    calls: list[str] = []

    class Says(Manual):
        def __init__(self, name: str, length: int | None) -> None:
            super().__init__()
            self.name, self.length = name, length

        def make_vjp(self, _: Computation, __: Any) -> tuple[Array, Vjp]:  # noqa: ANN401 - unread
            calls.append(self.name)
            if self.length is None:
                raise ArithmeticError
            return np.zeros(self.length), lambda _: {}

    def shape(*lengths: int | None) -> tuple[int, ...]:
        calls.clear()
        said = [Says(str(position), length) for position, length in enumerate(lengths)]
        return shape_of_value(implementations(PRODUCT, said), case().primals)

    assert shape(2, 3, 3) == (3,)
    assert shape(2, 2, 3) == (2,)
    assert calls == ["0", "1"]  # the third cannot outvote two
    assert shape(None, 3, 2, 2) == (2,)
    assert shape(None, None) == ()


def test_every_stream_of_a_case_draws_other_numbers() -> None:
    case = case_at("product", ("x",), (SIZE, 0), sample(np.random.default_rng(0), SIZE), (2,))
    drawn = {case.generator(stream).random() for stream in Stream}
    assert len(drawn) == len(Stream.__members__) == max(Stream)
