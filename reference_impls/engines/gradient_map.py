r"""What backends with second derivatives have in common: two computations derived from f.

Both take the cotangent u as one more primal. The *gradient map* is x ↦ Jᵀu, as one vector in the
order of ``wrt``; its derivatives are the second ones of f. The *pairing* is
φ(u) = ⟨J(x)ᵀ u, v⟩ for a fixed tangent v; its gradient is the JVP J v.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from reference_impls.computation import Array, Arrays, Computation, Native

COTANGENT = "cotangent"
"""The name of u among the primals."""


def pairing_of(computation: Computation) -> Computation:
    """Returns φ without its body, which each backend writes in its own library."""
    return _derived(computation, f"⟨Jᵀu, v⟩ of {computation.name}", (COTANGENT,))


def gradient_map_of(computation: Computation) -> Computation:
    """Returns x ↦ Jᵀu without its body."""
    return _derived(computation, f"Jᵀu of {computation.name}", computation.wrt)


def _derived(computation: Computation, origin: str, wrt: tuple[str, ...]) -> Computation:
    shapes = {**computation.shapes, COTANGENT: "..."} if computation.shapes else {}
    return replace(computation, origin=origin, wrt=wrt, shapes=shapes, optimality=None)


def check_shape(computation: Computation, cotangent: Native, value: Native) -> None:
    """Raises ValueError for a cotangent without the value's shape."""
    if tuple(cotangent.shape) != tuple(value.shape):
        raise ValueError(
            f"{computation.name}: cotangent has shape {tuple(cotangent.shape)}, "
            f"but the value has shape {tuple(value.shape)}"
        )


def as_vector(arrays: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    """Returns the arrays of these names, end to end."""
    return np.concatenate([np.ravel(arrays[name]) for name in names])


def by_argument(vector: Array, like: Mapping[str, Array]) -> Arrays:
    """Returns a vector's entries in arrays of these names and shapes."""
    ends = np.cumsum([array.size for array in like.values()])
    pieces = np.split(vector, ends[:-1])
    return {
        name: piece.reshape(array.shape)
        for (name, array), piece in zip(like.items(), pieces, strict=True)
    }
