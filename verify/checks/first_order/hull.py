"""Gradients where there is none: at a kink, what lies between those on its sides is right.

Clarke's generalised gradient of φ at x is the convex hull of the limits of its gradients at points
that approach x (F. H. Clarke, *Optimization and Nonsmooth Analysis*, 1983, theorem 2.5.1). So at a
kink an implementation is held against its own gradients beside it, and these against values:

- ⟨∇φ(x ± δv), v⟩ is the derivative of φ(x + hv) at h = ±δ: there the dot test is what it always is;
- every entry of ∇φ(x) lies between the smallest and the largest of the limits along random rays.

The entries are taken one at a time, and a hull is smaller than the box around it: what passes here
may still be outside. At a tie of k there are k limits, each met by chance: rays are added as long
as they bring more entries inside, and are then turned towards the entries that are outside still.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Arrays
from verify.checks.check import Worst
from verify.error_model.arrays import scale_of

STEP = 2.0**-30
"""Of a ray, in units of the primals: its square is less than rounding, even times a large second
derivative of the gradient; and rounding of the primals, or of what is made of them, is far less."""


ROUNDS = 24
"""Of rays, each in both directions."""


PUSH = 64.0
"""How much more than the others those entries are moved that rays are turned towards."""


Gradient = Callable[[Arrays], Arrays]
"""From primals, in float64 where the implementation takes it, to Jᵀu there."""


@dataclass(frozen=True)
class Hull:
    """The smallest and the largest limit of every entry of the gradient, by argument."""

    lower: Arrays
    upper: Arrays

    @property
    def width(self) -> Arrays:
        """How far two right answers may be apart."""
        return {name: self.upper[name] - self.lower[name] for name in self.lower}

    def between(self, name: str, flat: int) -> str:
        """Both limits of an entry, in words."""
        return f"{self.lower[name].flat[flat]:.6g} and {self.upper[name].flat[flat]:.6g}"

    def nearest(self, got: Arrays) -> Arrays:
        """What `got` should have been: itself, inside; the nearer bound, outside."""
        return {
            name: np.clip(array.astype(np.float64), self.lower[name], self.upper[name])
            for name, array in got.items()
        }

    def joined(self, other: Arrays) -> "Hull":
        """With one more gradient inside."""
        return Hull(
            {name: np.minimum(self.lower[name], other[name]) for name in other},
            {name: np.maximum(self.upper[name], other[name]) for name in other},
        )


def limit(gradient: Gradient, primals: Arrays, ray: Arrays) -> Arrays:
    """The gradient's limit as x is approached along a ray, up to the square of `STEP`."""
    near, far = (
        gradient(primals | {name: primals[name] + k * STEP * ray[name] for name in ray})
        for k in (1, 2)
    )
    return {name: 2 * near[name] - far[name] for name in near}


def hull_around(
    gradient: Gradient,
    primals: Arrays,
    got: Arrays,
    furthest: Callable[[Arrays, Arrays], Worst],
    rng: np.random.Generator,
) -> Hull:
    """The hull of the gradients beside x, as far as it is needed to tell where `got` is.

    Args:
        gradient: of the implementation.
        primals: x, float64.
        got: its gradient at x.
        furthest: from `got` and the nearest entries of a hull, the one furthest outside.
        rng: of the rays.
    """
    scales = {name: scale_of(primals[name]) for name in got}
    hull: Hull | None = None
    target: Worst | None = None
    for turn in range(ROUNDS):
        ray = {
            name: np.asarray(scales[name] * rng.standard_normal(primals[name].shape))
            for name in got
        }
        if hull and target and turn >= ROUNDS // 2:
            nearest = hull.nearest(got)
            for name in got:
                ray[name][np.abs(got[name] - nearest[name]) > target.tolerance] *= PUSH
        for sign in (1, -1):
            found = limit(gradient, primals, {name: sign * array for name, array in ray.items()})
            hull = hull.joined(found) if hull else Hull(found, found)
        target = furthest(got, hull.nearest(got)) if hull else None
        if target and target.accepted and turn > 0:
            break
    return hull or Hull(got, got)
