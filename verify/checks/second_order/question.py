"""What every implementation is asked of its second derivatives, and what it said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from reference_impls.computation import Array, Arrays, copies
from reference_impls.derivatives import SecondVjp
from reference_impls.implicit import ImplicitError
from verify.checks.check import Check, Verdict, one_line
from verify.checks.compare import contract_violation
from verify.oracles.estimate import Estimate

KIND = "second order"


UNSUPPORTED: Verdict = "unsupported"


REVERSE, FORWARD = "reverse over reverse", "forward over reverse"


FACTOR = 2.0
"""Of the tangents that are combined: a power of two, with which nothing is rounded anew."""


Hvp = Callable[[Arrays, Arrays], Arrays]
"""From primals and tangents v to S(v), both by argument: in the dtype of the primals."""


Gradient = Callable[[Arrays], Arrays]
"""From primals, in float64 and maybe complex, to Jᵀu."""


class OnOneGraph:
    """An HVP that is linearised once for all tangents at the same primals.

    It is cheaper than one that begins anew each time, and shows what a graph does when it is walked
    more than once. Primals are told apart by identity: they must not be written to.

    Args:
        linearise: from primals to v ↦ S(v) there.
    """

    def __init__(self, linearise: Callable[[Arrays], SecondVjp]) -> None:
        self._linearise = linearise
        self._primals: Arrays | None = None
        self._second: SecondVjp | None = None

    def __call__(self, primals: Arrays, tangents: Arrays) -> Arrays:
        """S(v) at the primals."""
        if self._second is None or primals is not self._primals:
            self._primals, self._second = primals, self._linearise(primals)
        return self._second(tangents)


@dataclass(frozen=True)
class Question:
    """What every implementation is asked.

    Attributes:
        primals: x, of the dtype; those that are not floating are handed on.
        wrt: of them, what to differentiate with respect to.
        dtype: ``float64`` or ``float32``.
        v: Gaussian, at the scale of each primal.
        w: the same.
    """

    primals: Arrays
    wrt: tuple[str, ...]
    dtype: str
    v: Arrays
    w: Arrays

    @property
    def floating(self) -> Arrays:
        """The primals that can be moved."""
        return {name: array for name, array in self.primals.items() if array.dtype.kind == "f"}

    @property
    def combined(self) -> Arrays:
        """The tangent v - 2w."""
        return {name: v - v.dtype.type(FACTOR) * self.w[name] for name, v in self.v.items()}

    @property
    def zero(self) -> Arrays:
        """The tangent 0."""
        return {name: np.zeros_like(v) for name, v in self.v.items()}


@dataclass(frozen=True)
class Truth:
    """What no engine computed.

    Attributes:
        estimate: of ⟨S(w), v⟩; None where the oracle could not be evaluated.
        of_v: S(v), where the complex step is valid.
        detail: why there is no estimate.
        rounding: of the gradient, over the step of a difference: what is left of a second
            derivative that is zero.
    """

    estimate: Estimate | None
    of_v: Arrays | None = None
    detail: str = ""
    rounding: float = 0.0


@dataclass(frozen=True)
class Answers:
    """What one implementation said.

    Attributes:
        name: whose.
        hvp: the mode that was asked everything: the first that works.
        others: S(v) by the other modes that work.
        of_v: S(v).
        of_w: S(w).
        combined: S(v - 2w).
        of_zero: S(0).
        again: S(v), asked for last.
    """

    name: str
    hvp: Hvp
    others: dict[str, Arrays]
    of_v: Arrays
    of_w: Arrays
    combined: Arrays
    of_zero: Arrays
    again: Arrays


def gaussian_tangent(primal: Array, dtype: str, rng: np.random.Generator) -> Array:
    """A Gaussian tangent at the scale of its primal."""
    size = float(np.sqrt(np.mean(np.square(primal, dtype=np.float64)))) if primal.size else 1.0
    return np.asarray((size or 1.0) * rng.standard_normal(primal.shape), dtype)


def ask_modes(
    question: Question, name: str, modes: Mapping[str, Hvp], troubles: list[Check]
) -> Answers | None:
    """What an implementation says; what is wrong with a mode before it is compared is appended."""
    answers: Answers | None = None
    tangents = [question.v, question.w, question.combined, question.zero, question.v]
    for mode, hvp in modes.items():
        try:
            said = [
                copies(hvp(question.primals, tangent))
                for tangent in (tangents if answers is None else tangents[:1])
            ]
            unlike = (_violation(question, each) for each in said)
            fault = next((fault for fault in unlike if fault), "")
        except (NotImplementedError, ImplicitError) as error:
            troubles.append(Check(name, KIND, mode, UNSUPPORTED, one_line(error)))
            continue
        except Exception as error:  # noqa: BLE001 -- whatever an implementation raises is its fault
            fault = one_line(error)
        if fault:
            troubles.append(Check(name, KIND, mode, "disagree", fault))
        elif answers is None:
            answers = Answers(name, hvp, {}, *said)
        else:
            answers.others[mode] = said[0]
    return answers


def _violation(question: Question, second: Arrays) -> str:
    value = np.zeros((), question.dtype)
    fault = contract_violation(value, second, question.primals, question.wrt)
    return f"of the second derivative, {fault.sentence}" if fault else ""
