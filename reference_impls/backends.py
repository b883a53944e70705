"""How each library differentiates: the only module that knows.

Three adapters, one per library, with NumPy at the boundary. `make_vjp` is for checking: arrays
in, arrays out. `prepare` is for timing: everything is converted and in place on the device before
the returned callable is first called, and what it returns stays there.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from autograd.core import make_vjp as autograd_make_vjp

from reference_impls.computation import Array, Arrays, Computation, Vjp
from reference_impls.validation import check_choice, check_cotangent, check_primals

OPERATORS = ("value", "gradient")

Native = Any
"""An array of the backend's own library, on the backend's own device."""


class Implementation(Protocol):
    """What a checker needs of one implementation: values and VJPs, NumPy in and out."""

    @property
    def name(self) -> str:
        """Of the implementation: ``autograd``, ``torch`` or ``manual`` in the catalogue."""
        ...

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    @property
    def takes_complex(self) -> bool:
        """Do its bodies compute on complex numbers, where the mathematics is analytic?"""
        ...

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """f's value and nothing else: no derivative code runs, and nothing is validated.

        The primals may be complex where `takes_complex`; elsewhere that raises TypeError.
        """
        ...

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """f's value at the primals, and the map from a cotangent u to Jᵀu.

        Args:
            computation: the function f.
            primals: finite NumPy arrays of one dtype, float64 or float32.

        Returns:
            The value, and a VJP that can be called any number of times with a cotangent of the
            value's shape and dtype; it returns one array per name in ``computation.wrt``, of that
            primal's shape and dtype.

        Raises:
            TypeError: wrong names or dtypes.
            ValueError: wrong shapes, empty arrays, NaN or infinity.
        """
        ...


class Backend(Implementation, Protocol):
    """One library on one device."""

    @property
    def body(self) -> str:
        """The field of `Computation` that holds this implementation."""
        ...

    def missing(self) -> str | None:
        """Why this backend cannot run here, or None if it can."""
        ...

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """A callable that computes one operator on native arrays already in place.

        ``"value"`` returns f's value and records nothing for differentiation. ``"gradient"``
        returns ``(value, cotangents)``, the VJP of `seed_cotangent`: for a scalar f, its value and
        gradient. Raises as `make_vjp` does, and ValueError for an unknown operator.
        """
        ...

    def to_numpy(self, native: Native) -> Array:
        """A native array brought to the boundary."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done everything it was asked to."""
        ...


def seed_cotangent(value: Array) -> Array:
    """The cotangent that timings use: 1 for a scalar, Gaussian otherwise, always the same.

    Not all-ones: a normalised output (softmax, batch normalisation) has a gradient of exactly
    zero along it, and nothing would be computed that could be checked.
    """
    if value.ndim == 0:
        return np.ones_like(value)
    return np.random.default_rng(0).standard_normal(value.shape).astype(value.dtype)


class Autograd:
    """HIPS autograd: traces `autograd.numpy` calls on boxed arrays.

    Bodies divide a sum by a Python integer where they mean a mean: the VJP of `anp.mean` divides by
    a NumPy integer, which turns a float32 cotangent into float64.
    """

    name = "autograd"
    device = "cpu"
    body = "by_autograd"
    takes_complex = True

    def missing(self) -> str | None:
        """Autograd is a dependency: it always runs."""
        return None

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """See `Backend.forward`."""
        return self.to_numpy(computation.by_autograd(**primals))

    def pullback(
        self, computation: Computation, primals: Mapping[str, Native]
    ) -> tuple[Native, Callable[[Native], dict[str, Native]]]:
        """`make_vjp` inside a traced body: primals may be boxes, and so may what comes back."""
        wrt = {name: primals[name] for name in computation.wrt}
        fixed = {name: primal for name, primal in primals.items() if name not in wrt}
        vjp, value = autograd_make_vjp(
            lambda varied: computation.by_autograd(**varied, **fixed), wrt
        )
        return value, vjp

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `Backend.make_vjp`."""
        native_value, pull = self.pullback(computation, check_primals(computation, primals))
        value = self.to_numpy(native_value)

        def vjp(cotangent: Array) -> Arrays:
            cotangents = pull(check_cotangent(computation, cotangent, value))
            return {name: self.to_numpy(cotangents[name]) for name in computation.wrt}

        return value, vjp

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """See `Backend.prepare`."""
        check_choice("operator", operator, OPERATORS)
        arrays = check_primals(computation, primals)
        if operator == "value":
            return lambda: computation.by_autograd(**arrays)
        cotangent = seed_cotangent(self.to_numpy(computation.by_autograd(**arrays)))

        def gradient() -> Native:
            value, pull = self.pullback(computation, arrays)
            return value, pull(cotangent)

        return gradient

    def to_numpy(self, native: Native) -> Array:
        """See `Backend.to_numpy`."""
        return np.asarray(native)

    def synchronize(self) -> None:
        """NumPy has finished by the time it returns."""


class Torch:
    """torch.autograd on one device."""

    name = "torch"
    body = "by_torch"
    takes_complex = False

    def __init__(self, device: str = "cpu") -> None:
        check_choice("device", device, ("cpu", "cuda"))
        self.device = device

    def missing(self) -> str | None:
        """Why torch cannot use its device here, or None."""
        if self.device == "cpu" or torch.cuda.is_available():
            return None
        if torch.version.cuda is None:
            return f"torch {torch.__version__} is built without CUDA"
        return f"torch {torch.__version__} finds no CUDA device"

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """See `Backend.forward`."""
        if any(np.iscomplexobj(primal) for primal in primals.values()):
            raise TypeError(f"{computation.name}: by_torch does not take complex numbers")
        tensors = {name: self._tensor(primal) for name, primal in primals.items()}
        return self.to_numpy(self._exactly(computation.by_torch)(**tensors))

    def pullback(
        self, computation: Computation, primals: Mapping[str, Native], *, create_graph: bool = False
    ) -> tuple[Native, Callable[[Native], dict[str, Native]]]:
        """`make_vjp` on tensors that require gradients; differentiable itself on request."""
        value = self._exactly(computation.by_torch)(**primals)
        varied = [primals[name] for name in computation.wrt]

        def vjp(cotangent: Native) -> dict[str, Native]:
            cotangents = self._exactly(torch.autograd.grad)(
                value,
                varied,
                cotangent,
                retain_graph=True,
                create_graph=create_graph,
                materialize_grads=True,
            )
            return dict(zip(computation.wrt, cotangents, strict=True))

        return value, vjp

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `Backend.make_vjp`."""
        tensors = self._leaves(computation, check_primals(computation, primals))
        native_value, pull = self.pullback(computation, tensors)
        value = self.to_numpy(native_value)

        def vjp(cotangent: Array) -> Arrays:
            cotangents = pull(self._tensor(check_cotangent(computation, cotangent, value)))
            return {name: self.to_numpy(cotangents[name]) for name in computation.wrt}

        return value, vjp

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """See `Backend.prepare`."""
        check_choice("operator", operator, OPERATORS)
        arrays = check_primals(computation, primals)
        if operator == "value":
            constants = {name: self._tensor(array) for name, array in arrays.items()}
            return self._exactly(lambda: computation.by_torch(**constants))
        tensors = self._leaves(computation, arrays)
        varied = [tensors[name] for name in computation.wrt]
        value_now = self.to_numpy(computation.by_torch(**tensors))
        cotangent = self._tensor(seed_cotangent(value_now))

        def gradient() -> Native:
            value = computation.by_torch(**tensors)
            # The graph is freed as it is walked, as in a training step.
            cotangents = torch.autograd.grad(value, varied, cotangent, materialize_grads=True)
            return value, dict(zip(computation.wrt, cotangents, strict=True))

        return self._exactly(gradient)

    def to_numpy(self, native: Native) -> Array:
        """See `Backend.to_numpy`."""
        # A copy: what a tensor computed must not change when its storage is used again.
        return np.array(native.detach().cpu().numpy())

    def synchronize(self) -> None:
        """See `Backend.synchronize`."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def _exactly(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        return compute if self.device == "cpu" else _without_tf32()(compute)

    def _tensor(self, array: Array) -> torch.Tensor:
        # A copy in row-major order: torch refuses negative strides.
        return torch.from_numpy(np.array(array, order="C")).to(self.device)

    def _leaves(self, computation: Computation, arrays: Arrays) -> dict[str, torch.Tensor]:
        tensors = {name: self._tensor(array) for name, array in arrays.items()}
        for name in computation.wrt:
            tensors[name].requires_grad_()
        return tensors


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Left to itself, cuDNN convolves float32 with eleven bits: three digits, where seven are due.

    (PyTorch's notes on CUDA semantics, *TensorFloat-32*. Matrix products are not, left to
    themselves, but a program may have set that.) Afterwards each switch is as it was, though set
    for itself where it had followed another.
    """
    before = [(switch, name, getattr(switch, name)) for switch, name, _ in _tf32_switches()]
    for switch, name, off in _tf32_switches():
        setattr(switch, name, off)
    try:
        yield
    finally:
        for switch, name, was in before:
            setattr(switch, name, was)


def _tf32_switches() -> list[tuple[Any, str, object]]:
    """What says whether convolutions and matrix products may be TF32: where, its name, and no."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cudnn, "conv"):  # since torch 2.9, which does not read the older ones beside these
        return [(each, "fp32_precision", "ieee") for each in (cudnn.conv, cudnn.rnn, matmul)]
    return [(cudnn, "allow_tf32", False), (matmul, "allow_tf32", False)]


class Manual:
    """Backpropagation derived on paper, in NumPy on the CPU or CuPy on a GPU.

    The bodies call plain `numpy` functions; on CuPy arrays these dispatch to CuPy (NEP 18).
    """

    name = "manual"
    body = "by_hand"
    takes_complex = True

    def __init__(self, device: str = "cpu") -> None:
        check_choice("device", device, ("cpu", "cuda"))
        self.device = device

    def missing(self) -> str | None:
        """Why CuPy cannot run here, or None."""
        if self.device == "cpu":
            return None
        if find_spec("cupy") is None:
            return "CuPy is not installed"
        try:
            count = self._module.cuda.runtime.getDeviceCount()
        except self._module.cuda.runtime.CUDARuntimeError as error:
            return f"CuPy finds no CUDA device ({error})"
        return None if count else "CuPy finds no CUDA device"

    def forward(self, computation: Computation, primals: Mapping[str, Array]) -> Array:
        """See `Backend.forward`."""
        native = {name: self._module.asarray(primal) for name, primal in primals.items()}
        return self.to_numpy(computation.by_hand(**native)[0])

    def make_vjp(self, computation: Computation, primals: Mapping[str, Array]) -> tuple[Array, Vjp]:
        """See `Backend.make_vjp`."""
        native_value, pull = computation.by_hand(**self._native(computation, primals))
        value = self.to_numpy(native_value)

        def vjp(cotangent: Array) -> Arrays:
            given = check_cotangent(computation, cotangent, value)
            cotangents = pull(self._module.asarray(given))
            return {name: self.to_numpy(cotangents[name]) for name in computation.wrt}

        return value, vjp

    def prepare(
        self, computation: Computation, primals: Mapping[str, Array], operator: str
    ) -> Callable[[], Native]:
        """See `Backend.prepare`."""
        check_choice("operator", operator, OPERATORS)
        native = self._native(computation, primals)
        if operator == "value":
            return lambda: computation.by_hand(**native)[0]
        value_now = self.to_numpy(computation.by_hand(**native)[0])
        cotangent = self._module.asarray(seed_cotangent(value_now))

        def gradient() -> Native:
            value, pull = computation.by_hand(**native)
            return value, pull(cotangent)

        return gradient

    def to_numpy(self, native: Native) -> Array:
        """See `Backend.to_numpy`."""
        return np.asarray(native if self.device == "cpu" else self._module.asnumpy(native))

    def synchronize(self) -> None:
        """See `Backend.synchronize`."""
        if self.device == "cuda":
            self._module.cuda.get_current_stream().synchronize()

    @property
    def _module(self) -> ModuleType:
        return np if self.device == "cpu" else import_module("cupy")

    def _native(self, computation: Computation, primals: Mapping[str, Array]) -> dict[str, Native]:
        arrays = check_primals(computation, primals)
        return {name: self._module.asarray(array) for name, array in arrays.items()}
