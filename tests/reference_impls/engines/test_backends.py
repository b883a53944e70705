from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from reference_impls import (
    BACKENDS,
    GPU_BACKENDS,
    OPERATORS,
    Array,
    Arrays,
    Autograd,
    Backend,
    Computation,
    Manual,
    Torch,
    draw,
)
from reference_impls.engines.backend import seed_cotangent
from reference_impls.engines.manual import backend as manual_backend
from tests.reference_impls.shared import (
    BOUNDS,
    BY_NAME,
    distance,
    every_backend,
    every_computation,
    every_dtype,
    gaussian_cotangent,
)


def small(computation: Computation, dtype: str = "float64") -> Arrays:
    return draw(computation, min(computation.sizes), dtype)


def copied(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}


def assert_equal(one: Arrays, other: Arrays) -> None:
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def every_second(array: Array) -> Array:
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array


def backwards(array: Array) -> Array:
    return np.flip(np.flip(array).copy())


def transposed(array: Array) -> Array:
    return np.array(array.T, order="C").T


LAYOUTS = [read_only, every_second, backwards, transposed]


@every_backend
def test_a_backend_names_itself_and_runs_on_the_cpu(backend: Backend) -> None:
    assert backend.name in {"autograd", "torch", "manual"}
    assert backend.device == "cpu"
    assert backend.missing() is None
    assert callable(backend.synchronize)
    backend.synchronize()


def test_there_is_one_backend_for_each_library_and_device() -> None:
    listed = [(backend.name, backend.device) for backend in (*BACKENDS, *GPU_BACKENDS)]
    assert len(set(listed)) == len(listed) == 5


@every_backend
@every_computation
def test_the_vjp_takes_and_returns_numpy_any_number_of_times(
    backend: Backend, computation: Computation
) -> None:
    value, vjp = backend.make_vjp(computation, small(computation))
    assert type(value) is np.ndarray
    cotangent = gaussian_cotangent(computation, value)
    first = copied(vjp(cotangent))
    assert list(first) == list(computation.wrt)
    vjp(-2 * cotangent)
    again = vjp(cotangent)
    assert all(type(array) is np.ndarray for array in again.values())
    assert_equal(first, again)


@every_backend
@every_computation
def test_the_vjp_is_linear(backend: Backend, computation: Computation) -> None:
    value, vjp = backend.make_vjp(computation, small(computation))
    one = gaussian_cotangent(computation, value)
    other = np.flip(one) + np.float64(0.5)
    assert all(not array.any() for array in vjp(np.zeros_like(value)).values())
    apart = {
        name: 3 * a - 2 * b
        for (name, a), b in zip(vjp(one).items(), vjp(other).values(), strict=True)
    }
    assert distance(vjp(3 * one - 2 * other), apart) <= BOUNDS["float64"]


@every_backend
@every_computation
def test_nothing_given_is_written_to_and_no_memory_is_shared(
    backend: Backend, computation: Computation
) -> None:
    primals = small(computation)
    before = copied(primals)
    value, vjp = backend.make_vjp(computation, primals)
    value_before = value.copy()
    cotangent = gaussian_cotangent(computation, value)
    cotangent_before = cotangent.copy()
    first, second = vjp(cotangent), vjp(cotangent)
    assert_equal(primals, before)
    np.testing.assert_array_equal(cotangent, cotangent_before)
    np.testing.assert_array_equal(value, value_before)

    returned = [value, *first.values(), *second.values()]
    for array in returned:
        assert not any(np.shares_memory(array, given) for given in (*primals.values(), cotangent))
    assert not any(np.shares_memory(a, b) for a, b in combinations(returned, 2))


@every_backend
def test_a_library_that_a_computation_is_not_written_for_is_left_out(backend: Backend) -> None:
    computation = Computation(
        name="unwritten",
        origin="none",
        sample=lambda rng, size: {"x": rng.standard_normal(size)},
        wrt=("x",),
        sizes=(3,),
    )
    assert backend.body_of(computation) is None
    with pytest.raises(NotImplementedError, match="is not written for this library"):
        backend.make_vjp(computation, small(computation))
    assert backend.body_of(backend.with_body(computation, np.sin)) is np.sin


def test_an_engine_that_hands_out_one_array_twice_is_not_let_through() -> None:
    def add(x: Any, y: Any) -> Any:  # noqa: ANN401 -- arrays of either engine
        return x + y

    addition = replace(BY_NAME["linear"], wrt=("x", "y"), by_autograd=add, by_torch=add, shapes={})
    for backend in (Autograd(), Torch()):
        value, vjp = backend.make_vjp(addition, {"x": np.ones(3), "y": np.ones(3)})
        cotangent = np.ones_like(value)
        cotangents = vjp(cotangent)
        arrays = [cotangent, cotangents["x"], cotangents["y"]]
        assert not any(np.shares_memory(a, b) for a, b in combinations(arrays, 2)), backend.name


@every_backend
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@every_computation
def test_the_layout_of_the_memory_does_not_matter(
    backend: Backend, computation: Computation, layout: Callable[[Array], Array]
) -> None:
    primals = small(computation)
    laid_out = {name: layout(primal) for name, primal in primals.items()}
    assert_equal(primals, laid_out)
    value, vjp = backend.make_vjp(computation, primals)
    other_value, other_vjp = backend.make_vjp(computation, laid_out)
    cotangent = gaussian_cotangent(computation, value)
    assert distance({"value": other_value}, {"value": value}) <= BOUNDS["float64"]
    assert distance(other_vjp(layout(cotangent)), vjp(cotangent)) <= BOUNDS["float64"]


@every_backend
@pytest.mark.parametrize("name", ["elu", "linear", "batch_norm", "conv_encoder"])
def test_arrays_of_stride_zero_are_read_as_they_look(backend: Backend, name: str) -> None:
    computation = BY_NAME[name]
    # One row of each argument and of the cotangent, repeated without being stored.
    repeated = {
        key: np.broadcast_to(primal[:1] if primal.ndim else primal, primal.shape)
        for key, primal in draw(computation, sorted(computation.sizes)[1], "float64").items()
    }
    value, vjp = backend.make_vjp(computation, copied(repeated))
    other_value, other_vjp = backend.make_vjp(computation, repeated)
    cotangent = np.broadcast_to(gaussian_cotangent(computation, value[:1]), value.shape)
    assert 0 in cotangent.strides
    assert distance({"value": other_value}, {"value": value}) <= BOUNDS["float64"]
    assert distance(other_vjp(cotangent), vjp(cotangent.copy())) <= BOUNDS["float64"]


@every_backend
@every_dtype
@every_computation
def test_what_is_timed_is_what_is_checked(
    backend: Backend, computation: Computation, dtype: str
) -> None:
    primals = small(computation, dtype)
    value, vjp = backend.make_vjp(computation, primals)
    prepared_value = backend.prepare(computation, primals, "value")
    prepared_gradient = backend.prepare(computation, primals, "gradient")
    for _ in range(2):
        np.testing.assert_array_equal(backend.to_numpy(prepared_value()), value)
        native_value, native = prepared_gradient()
        np.testing.assert_array_equal(backend.to_numpy(native_value), value)
        cotangents = {name: backend.to_numpy(native[name]) for name in computation.wrt}
        assert all(array.dtype == dtype for array in cotangents.values())
        assert_equal(cotangents, vjp(seed_cotangent(value)))


@every_backend
@every_computation
def test_the_same_call_gives_the_same_bits(backend: Backend, computation: Computation) -> None:
    primals = small(computation)
    values = [backend.make_vjp(computation, primals)[0] for _ in range(10)]
    assert len({array.tobytes() for array in values}) == 1


def test_the_value_that_is_timed_records_no_graph() -> None:
    computation = BY_NAME["linear"]
    value: Any = Torch().prepare(computation, small(computation), "value")()
    assert not value.requires_grad


@every_dtype
def test_the_seed_cotangent_is_one_for_a_scalar_and_gaussian_otherwise(dtype: str) -> None:
    scalar = seed_cotangent(np.zeros((), dtype))
    assert scalar.shape == ()
    assert scalar == 1
    array = seed_cotangent(np.zeros((100, 10), dtype))
    assert array.shape == (100, 10)
    assert abs(array.mean()) < 0.2  # six standard errors
    assert abs(array.std() - 1) < 0.2  # nine
    assert scalar.dtype == array.dtype == dtype
    np.testing.assert_array_equal(array, seed_cotangent(np.ones((100, 10), dtype)))


@every_backend
@pytest.mark.parametrize(
    ("given", "suggestion"), [("gradiant", "gradient"), ("Value", "value"), ("jvp", None)]
)
def test_an_unknown_operator_is_refused(
    backend: Backend, given: str, suggestion: str | None
) -> None:
    computation = BY_NAME["linear"]
    with pytest.raises(ValueError, match="unknown operator") as refusal:
        backend.prepare(computation, small(computation), given)
    wanted = f"unknown operator {given!r}: accepted are {', '.join(OPERATORS)}"
    assert str(refusal.value) == wanted + (f"; did you mean {suggestion!r}?" if suggestion else "")


@pytest.mark.parametrize("make", [Torch, Manual])
def test_an_unknown_device_is_refused(make: Callable[[str], Backend]) -> None:
    with pytest.raises(
        ValueError, match=r"unknown device 'cudo': accepted are cpu, cuda; .*'cuda'"
    ):
        make("cudo")


@pytest.mark.parametrize(
    ("built_with", "reason"),
    [(None, "is built without CUDA"), ("12.8", "finds no CUDA device")],
)
def test_torch_says_why_it_has_no_gpu(
    monkeypatch: pytest.MonkeyPatch, built_with: str | None, reason: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built_with)
    assert Torch("cuda").missing() == f"torch {torch.__version__} {reason}"


def test_manual_says_that_cupy_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manual_backend, "find_spec", lambda _: None)
    assert Manual("cuda").missing() == "CuPy is not installed"


@pytest.mark.parametrize(
    ("count", "reason"),
    [(1, None), (0, "CuPy finds no CUDA device"), (None, "CuPy finds no CUDA device (no driver)")],
)
def test_manual_says_why_cupy_has_no_gpu(
    monkeypatch: pytest.MonkeyPatch, count: int | None, reason: str | None
) -> None:
    class CUDARuntimeError(RuntimeError):
        pass

    def device_count() -> int:
        if count is None:
            raise CUDARuntimeError("no driver")
        return count

    runtime = SimpleNamespace(getDeviceCount=device_count, CUDARuntimeError=CUDARuntimeError)
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setattr(manual_backend, "find_spec", lambda _: "somewhere")
    monkeypatch.setattr(manual_backend, "import_module", lambda _: cupy)
    assert Manual("cuda").missing() == reason


def speak_as_before_2_9() -> None:
    torch.backends.cuda.matmul.allow_tf32 = True


def speak_as_since_2_9() -> None:
    for switch in switches():
        switch.fp32_precision = "tf32"


def switches() -> list[Any]:
    """Of convolutions, recurrent layers and matrix products; torch's types know of the last."""
    cudnn: Any = torch.backends.cudnn
    return [cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul]


def precisions() -> set[str]:
    return {switch.fp32_precision for switch in switches()}


@pytest.fixture
def _default_precisions() -> Iterator[None]:
    before = [switch.fp32_precision for switch in switches()]
    yield
    for switch, precision in zip(switches(), before, strict=True):
        switch.fp32_precision = precision


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch is older than 2.9")
@pytest.mark.usefixtures("_default_precisions")
@pytest.mark.parametrize("allow", [speak_as_before_2_9, speak_as_since_2_9])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_torch_on_a_gpu_forbids_tf32_forward_and_backward(
    device: str, allow: Callable[[], None]
) -> None:
    seen = []

    def look(*_: object) -> None:
        seen.append(precisions())

    def watched(**primals: torch.Tensor) -> Any:  # noqa: ANN401
        look()
        value = computation.by_torch(**primals)
        value.register_hook(look)
        return value

    computation = BY_NAME["mlp_regression"]
    tensors = {name: torch.tensor(primal) for name, primal in small(computation).items()}
    for name in computation.wrt:
        tensors[name].requires_grad_()
    allow()
    assert precisions() == {"tf32"}
    # The tensors stay where they are, as there may be no GPU.
    value, vjp = Torch(device).pullback(replace(computation, by_torch=watched), tensors)
    vjp(torch.ones_like(value))
    assert seen == [{"tf32" if device == "cpu" else "ieee"}] * 2
    assert precisions() == {"tf32"}


@pytest.mark.parametrize("backend", GPU_BACKENDS, ids=lambda b: f"{b.name}-cuda")
@every_dtype
@every_computation
def test_a_gpu_gives_what_the_cpu_gives(
    backend: Backend, computation: Computation, dtype: str
) -> None:
    reason = backend.missing()
    if reason:
        pytest.skip(reason)
    primals = small(computation, dtype)
    expected_value, expected_vjp = Manual().make_vjp(computation, primals)
    value, vjp = backend.make_vjp(computation, primals)
    cotangent = gaussian_cotangent(computation, expected_value)
    assert distance({"value": value}, {"value": expected_value}) <= BOUNDS[dtype]
    assert distance(vjp(cotangent), expected_vjp(cotangent)) <= BOUNDS[dtype]
