"""A stand-in for CuPy's arrays, stricter than they are, where there is no GPU."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from reference_impls import Array, Arrays


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that NumPy's functions accept (NEP 13, NEP 18) and cannot turn into NumPy's own.

    Like CuPy's, it mixes with numbers but not with NumPy arrays, its reductions are arrays of no
    axes, and it has no more attributes than a body may use. Unlike CuPy's, it has no truth value,
    which would wait for the device.

    Every operation writes its name into a log, which the results share.
    """

    def __init__(self, data: Array, log: list[str]) -> None:
        self._data = data
        self._log = log

    shape = property(lambda self: self._data.shape)
    dtype = property(lambda self: self._data.dtype)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)

    def __array__(self, *_: Any) -> Array:  # noqa: ANN401
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __bool__(self) -> bool:
        raise TypeError("a branch would wait for the device")

    def __array_ufunc__(
        self,
        ufunc: np.ufunc,
        method: str,
        *inputs: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        self._log.append(ufunc.__name__)
        results = getattr(ufunc, method)(*_bare(inputs), **_bare(options))
        return options["out"][0] if "out" in options else self._like(results)

    def __array_function__(
        self,
        function: Callable[..., Any],
        _types: Iterable[type],
        arguments: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Any:  # noqa: ANN401
        if "device" in options:  # NumPy hands it on, asked for or not
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument 'device'")
        self._log.append(function.__name__)
        return self._like(function(*_bare(arguments), **_bare(options)))

    def __getitem__(self, index: Any) -> "DeviceArray":  # noqa: ANN401
        return self._method("__getitem__", index)

    def __len__(self) -> int:
        return len(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __float__(self) -> float:
        return float(self._data)

    def tolist(self) -> Any:  # noqa: ANN401
        return self._data.tolist()

    @property
    def T(self) -> "DeviceArray":  # noqa: N802 -- NumPy's name
        return self._method("transpose")

    def reshape(self, *shape: Any) -> "DeviceArray":  # noqa: ANN401
        return self._method("reshape", *shape)

    def ravel(self) -> "DeviceArray":
        return self._method("ravel")

    def astype(self, dtype: Any) -> "DeviceArray":  # noqa: ANN401
        return self._method("astype", dtype)

    def sum(self, **options: Any) -> "DeviceArray":  # noqa: ANN401
        return self._method("sum", **options)

    def max(self, **options: Any) -> "DeviceArray":  # noqa: ANN401
        return self._method("max", **options)

    def _method(self, name: str, *arguments: Any, **options: Any) -> "DeviceArray":  # noqa: ANN401
        self._log.append(name)
        result = getattr(self._data, name)(*_bare(arguments), **_bare(options))
        return DeviceArray(np.asarray(result), self._log)

    def _like(self, results: Any) -> Any:  # noqa: ANN401
        if isinstance(results, tuple):
            return tuple(self._like(result) for result in results)
        return DeviceArray(np.asarray(results), self._log)


def to_device(arrays: Arrays, log: list[str]) -> dict[str, DeviceArray]:
    return {name: DeviceArray(array, log) for name, array in arrays.items()}


def from_device(array: DeviceArray) -> Array:
    """The one way back, as `cupy.asnumpy` is; refuses what has left the device by itself."""
    assert type(array) is DeviceArray, f"got {type(array).__name__}, wanted a DeviceArray"
    return array._data  # noqa: SLF001


def _bare(argument: Any) -> Any:  # noqa: ANN401
    if isinstance(argument, DeviceArray):
        return argument._data  # noqa: SLF001
    if isinstance(argument, np.ndarray):
        raise TypeError("a NumPy array among device arrays")
    if isinstance(argument, tuple | list):
        return type(argument)(_bare(part) for part in argument)
    if isinstance(argument, dict):
        return {name: _bare(part) for name, part in argument.items()}
    return argument
