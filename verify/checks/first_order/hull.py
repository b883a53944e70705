"""Gradients where there is none: at a kink, what lies between those on its sides is right.

Clarke's generalised gradient of φ at x is the convex hull of the limits of its gradients at points
that approach x (F. H. Clarke, *Optimization and Nonsmooth Analysis*, 1983, theorem 2.5.1). So at a
kink an implementation is held against its own gradients beside it, and these against values:

- ⟨∇φ(x ± δv), v⟩ is the derivative of φ(x + hv) at h = ±δ: there the dot test is what it always is;
- every entry of ∇φ(x) lies between the smallest and the largest of the limits along random rays.

The entries are taken one at a time, and a hull is smaller than the box around it: what passes here
may still be outside. At a tie of k there are k limits, each met by chance: rays are added as long
as they bring more entries inside, and are turned towards the entries that are outside still,
in turn, to make them the largest or smallest of a tie, or to have them in its middle.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from reference_impls.computation import Array, Arrays
from verify.checks.check import Worst
from verify.error_model.arrays import scale_of

STEP = 2.0**-30
"""Of a ray, in units of the primals: its square is less than rounding, even times a large second
derivative of the gradient; and rounding of the primals, or of what is made of them, is far less."""


STALE = 48
"""Rays in a row that bring no entry inside end the search: of a tie of three, one entry is missed
by so many once in 6,000 times, and the middle of five once in 260."""


MOST = 96
"""Rays, however many entries each of them brings inside: a hundred entries that are tied, and share
the gradient, have a hundred limits, each met on a ray of its own."""


PUSH = 64.0
"""How much more than the others, or less, those entries are moved that rays are turned towards."""


Gradient = Callable[[Arrays], Arrays]
"""From primals, in float64 where the implementation takes it, to Jᵀu there."""


@dataclass(frozen=True)
class Hull:
    """The smallest and the largest limit of every entry of the gradient, by argument.

    Attributes:
        lower: the smallest.
        upper: the largest.
        sums: the smallest and the largest sum of all entries of a limit, by argument.
        is_complete: did more rays bring no entry inside, so that what is outside stays there?
        is_settled: did they also leave the bounds where they were? Of a tie there are so many
            limits and no more; those of a norm at 0 are a sphere, whose ends no ray meets.
    """

    lower: Arrays
    upper: Arrays
    sums: Mapping[str, tuple[float, float]]
    is_complete: bool = True
    is_settled: bool = True

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

    @classmethod
    def of(cls, gradient: Arrays) -> "Hull":
        """Of one gradient alone."""
        sums = {name: float(array.sum()) for name, array in gradient.items()}
        return cls(gradient, gradient, {name: (each, each) for name, each in sums.items()})

    def without(self, got: Arrays, tolerance: float) -> dict[str, Array]:
        """Which entries of `got` are outside by more than this, as masks."""
        nearest = self.nearest(got)
        return {name: np.abs(got[name] - nearest[name]) > tolerance for name in got}

    def joined(self, other: Arrays) -> "Hull":
        """With one more gradient inside."""
        return Hull(
            {name: np.minimum(self.lower[name], other[name]) for name in other},
            {name: np.maximum(self.upper[name], other[name]) for name in other},
            {name: _widened(self.sums[name], float(other[name].sum())) for name in other},
        )

    def is_wider(self, other: "Hull", worst: Worst) -> bool:
        """Are the limits of one entry further apart than in another hull?"""
        name, flat = worst.argument, worst.flat
        return bool(self.width[name].flat[flat] > other.width[name].flat[flat] + worst.tolerance)


def _widened(bounds: tuple[float, float], value: float) -> tuple[float, float]:
    return min(bounds[0], value), max(bounds[1], value)


def limit(gradient: Gradient, primals: Arrays, ray: Arrays) -> Arrays:
    """The gradient's limit as x is approached along a ray, up to the square of `STEP`."""
    near, far = (
        gradient(primals | {name: primals[name] + k * STEP * ray[name] for name in ray})
        for k in (1, 2)
    )
    return {name: 2 * near[name] - far[name] for name in near}


def random_ray(primals: Arrays, wrt: Iterable[str], rng: np.random.Generator) -> Arrays:
    """A Gaussian direction of the primals' scales."""
    return {
        name: np.asarray(scale_of(primals[name]) * rng.standard_normal(primals[name].shape))
        for name in wrt
    }


def turned(ray: Arrays, sign: int) -> Arrays:
    """The same ray, or the one the other way."""
    return {name: sign * array for name, array in ray.items()}


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
    first = random_ray(primals, got, rng)
    hull = Hull.of(limit(gradient, primals, first))
    hull = hull.joined(limit(gradient, primals, turned(first, -1)))
    fewest, turn, stale = np.inf, 0, 0
    before = hull
    for _ in range(MOST):
        target = furthest(got, hull.nearest(got))
        outside = hull.without(got, target.tolerance)
        count = sum(int(np.count_nonzero(mask)) for mask in outside.values())
        # What has just brought an entry inside may bring the next one.
        turn, stale = (turn, 0) if count < fewest else (turn + 1, stale + 1)
        before = hull if stale == 0 else before
        fewest = min(fewest, count)
        if target.accepted or stale > STALE:
            return replace(hull, is_settled=not hull.is_wider(before, target))
        ray = random_ray(primals, got, rng)
        ray = {name: TURNS[turn % len(TURNS)](ray[name], outside[name], turn) for name in got}
        hull = hull.joined(limit(gradient, primals, ray))
    return replace(hull, is_complete=False)


def _fresh(ray: Array, outside: Array, turn: int) -> Array:
    """The ray as it is: of a tie, any entry may be the largest or the middle one."""
    del outside, turn
    return ray


def _up(ray: Array, outside: Array, turn: int) -> Array:
    """Those entries moved far more than all others, to be the largest of a tie."""
    del turn
    return np.where(outside, PUSH * np.abs(ray), ray)


def _down(ray: Array, outside: Array, turn: int) -> Array:
    """The same the other way, to be the smallest."""
    return _up(ray, outside, turn) * np.where(outside, -1.0, 1.0)


def _still(ray: Array, outside: Array, turn: int) -> Array:
    """Those entries moved far less than all others, to be in the middle."""
    del turn
    return np.where(outside, ray / PUSH, ray)


def _between(ray: Array, outside: Array, turn: int) -> Array:
    """The same, with half of the others above and half below, as a bit of their places says.

    Two entries along an axis differ in one of the bits of the sum of their indices, the lowest of
    their distance: what is tied with both is between them then.
    """
    places = sum(np.indices(ray.shape, sparse=True), np.zeros((), int))
    is_up = places >> (turn // len(TURNS)) & 1
    return _still(np.where(is_up, np.abs(ray), -np.abs(ray)), outside, turn)


TURNS = (_fresh, _up, _between, _fresh, _down, _still)
"""What rays are turned to, one after the other."""
