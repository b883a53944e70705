from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pytest
import torch

from reference_impls import BACKENDS, COMPUTATIONS, DTYPES, Array, Arrays, Autograd, Backend, Torch
from reference_impls.computation import Computation, generator

BY_NAME = {computation.name: computation for computation in COMPUTATIONS}

DECOMPOSING = {"least_squares", "clipped_least_squares"}
"""By hand through a decomposition: neither analytic nor, in LAPACK, in extended precision."""

BOUNDS = {"float64": 1e-12, "float32": 2e-5}
"""The issue's: on the difference of two gradients, relative to the gradient's norm."""

every_computation = pytest.mark.parametrize("computation", COMPUTATIONS, ids=lambda c: c.name)
every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def norm(arrays: Iterable[Array]) -> float:
    """Returns the 2-norm of all entries together, summed in float64."""
    return float(np.sqrt(sum(np.sum(np.square(array, dtype=np.float64)) for array in arrays)))


def distance(one: Mapping[str, Array], other: Mapping[str, Array]) -> float:
    """Returns the norm of the difference relative to that of the second."""
    differences = (one[name].astype(np.float64) - other[name] for name in other)
    return norm(differences) / norm(other.values())


def gaussian(like: Array, rng: np.random.Generator) -> Array:
    return np.asarray(rng.standard_normal(like.shape), like.dtype)


def gaussian_cotangent(computation: Computation, value: Array) -> Array:
    return gaussian(value, generator(computation.name, value.size))


def gaussian_tangents(computation: Computation, primals: Arrays, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return {name: gaussian(primals[name], rng) for name in computation.wrt}


def run_body(
    backend: Backend,
    name: str,
    primals: Mapping[str, npt.ArrayLike],
    cotangent: npt.ArrayLike,
    dtype: str,
) -> tuple[Array, Arrays]:
    """Returns a body's value and VJP at primals that a backend would refuse, such as -inf."""
    computation = BY_NAME[name]
    arrays = {key: np.asarray(primal, dtype) for key, primal in primals.items()}
    u = np.asarray(cotangent, dtype)
    if isinstance(backend, Autograd):
        value, vjp = backend.pullback(computation, arrays)
        return np.asarray(value), vjp(u)
    if isinstance(backend, Torch):
        leaves = {key: torch.tensor(a, requires_grad=True) for key, a in arrays.items()}
        output, back = backend.pullback(computation, leaves)
        cotangents = back(torch.tensor(u))
        return backend.to_numpy(output), {k: backend.to_numpy(t) for k, t in cotangents.items()}
    value, vjp = computation.by_hand(**arrays)
    return np.asarray(value), vjp(u)
