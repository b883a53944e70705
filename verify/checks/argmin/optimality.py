"""Is an `Optimality` what its documentation asks for? A wrong one would judge wrongly."""

import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.exceptions import ComplexWarning

from reference_impls.computation import Array, Arrays, Computation, Optimality
from verify.oracles.complex_step import complex_step, is_approached
from verify.oracles.estimate import Functional, Scalar

T = TypeVar("T")


ASIDE = 1e-2
"""How far beside the initial guess, relative to its largest entry, F is tried: at the guess itself
there may be a kink."""


class OptimalityError(ValueError):
    """A field of an `Optimality` is not what is wanted; the message is one line that names it."""


def check_optimality(computation: Computation, primals: Arrays, shape: tuple[int, ...]) -> None:
    """Refuse an optimality that is not as `Optimality` documents it.

    Args:
        computation: with an optimality.
        primals: float64.
        shape: of the computation's value.

    Raises:
        OptimalityError: a field is not as documented.
    """
    optimality = computation.optimality
    if optimality is None:
        return
    if (optimality.support is None) != (optimality.margin is None):
        given, missing = ("support", "margin") if optimality.support else ("margin", "support")
        raise _error(computation, missing, f"None beside a {given}", "both of them or neither")
    start = _start(computation, optimality, primals)
    F = _condition(computation, optimality, primals)
    wanted = f"a function of y, of shape {start.shape} as the start"
    found = np.shape(_called(computation, "condition", lambda: F(start), wanted))
    if found != start.shape:
        raise _error(
            computation, "condition", f"shape {found}", f"{start.shape}, that of the start"
        )
    value = _called(
        computation,
        "outcome",
        lambda: optimality.outcome(start, **primals),
        "a call as outcome(y, **primals)",
    )
    if np.shape(value) != shape:
        raise _error(computation, "outcome", f"shape {np.shape(value)}", f"{shape}, the value's")
    _check_analytic(computation, optimality, primals, start)


def _error(computation: Computation, field: str, got: str, wanted: str) -> OptimalityError:
    return OptimalityError(f"{computation.name}: optimality.{field}: got {got}, wanted {wanted}")


def _called(computation: Computation, field: str, call: Callable[[], T], wanted: str) -> T:
    try:
        return call()
    except Exception as error:
        line = f"{type(error).__name__}: {error}".splitlines()[0].strip()
        raise _error(computation, field, line, wanted) from error


def _start(computation: Computation, optimality: Optimality, primals: Arrays) -> Array:
    start = np.asarray(
        _called(
            computation, "start", lambda: optimality.start(**primals), "a call as start(**primals)"
        )
    )
    if start.ndim != 1 or not start.size:
        raise _error(computation, "start", f"shape {start.shape}", "(n,), the unknowns in a vector")
    if not np.issubdtype(start.dtype, np.number) or np.iscomplexobj(start):
        raise _error(computation, "start", f"an array of {start.dtype}", "real numbers")
    return start.astype(np.float64)


def _condition(
    computation: Computation, optimality: Optimality, primals: Arrays
) -> Callable[[Array], Array]:
    wanted = "a call as condition(**primals) that returns a function of y"
    F = _called(computation, "condition", lambda: optimality.condition(**primals), wanted)
    if not callable(F):
        raise _error(computation, "condition", f"a {type(F).__name__} from (**primals)", wanted)
    function: Callable[[Array], Array] = F
    return function


def _check_analytic(
    computation: Computation, optimality: Optimality, primals: Arrays, start: Array
) -> None:
    """Refuse an F that is not analytic: K and R, by the complex step, would be wrong in silence."""
    phi = _along(optimality, primals, computation.wrt, start)
    wanted = "functions that take complex numbers, such as x * x, not abs, real, conj or norm"
    with np.errstate(all="ignore"):
        if not np.isfinite(_called(computation, "condition", lambda: phi(0.0), wanted)):
            return  # outside the domain of F: nothing can be told
        stepped = _called(computation, "condition", lambda: _strictly(phi), wanted)
        if is_approached(phi, stepped):
            return
    found = (
        f"a derivative of {stepped:.6g} by the complex step that real differences do not confirm"
    )
    raise _error(computation, "condition", found, wanted)


def _strictly(phi: Functional) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ComplexWarning)
        return complex_step(phi).value


def _along(
    optimality: Optimality, primals: Arrays, wrt: tuple[str, ...], start: Array
) -> Functional:
    """φ(h) = ⟨w, F(y + h v, z + h v)⟩ in Gaussian directions, y beside the start."""
    rng = np.random.default_rng(0)
    size = np.abs(start).max() or 1.0
    beside = start + ASIDE * size * rng.standard_normal(start.shape)
    along, weights = size * rng.standard_normal(start.shape), rng.standard_normal(start.shape)
    tangents = {
        name: np.abs(primals[name]) * rng.standard_normal(primals[name].shape) for name in wrt
    }

    def phi(h: Scalar) -> Scalar:
        moved = primals | {name: primals[name] + h * tangents[name] for name in wrt}
        result: Scalar = np.sum(weights * optimality.condition(**moved)(beside + h * along)).item()
        return result

    return phi
