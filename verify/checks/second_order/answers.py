"""What an implementation answers, in each of its modes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reference_impls.computation import Arrays, copies
from reference_impls.implicit import ImplicitError
from verify.checks.check import Check, Verdict, one_line
from verify.checks.compare import contract_violation
from verify.checks.second_order.question import Hvp, Question

KIND = "second order"
"""The kind of all checks here."""


UNSUPPORTED: Verdict = "unsupported"


REVERSE, FORWARD = "reverse over reverse", "forward over reverse"
"""An engine's modes: S as the VJP of the gradient map, and as its JVP."""


@dataclass(frozen=True)
class Answers:
    """What one implementation answered.

    Attributes:
        name: its label.
        hvp: the mode that was asked everything: the first that works.
        of_v: S(v).
        of_w: S(w).
        combined: S(v - 2w).
        of_zero: S(0).
        again: S(v), asked for once more after the others.
        others: S(v) by the other modes that work.
    """

    name: str
    hvp: Hvp
    of_v: Arrays
    of_w: Arrays
    combined: Arrays
    of_zero: Arrays
    again: Arrays
    others: Mapping[str, Arrays] = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """What came of asking one implementation.

    Attributes:
        answers: None if no mode works.
        troubles: a check for each mode that gave nothing that could be compared.
    """

    answers: Answers | None
    troubles: Sequence[Check]


def ask_modes(question: Question, name: str, modes: Mapping[str, Hvp]) -> Heard:
    """Ask the first mode that works everything, and the others for S(v).

    Args:
        question: primals and tangents.
        name: the implementation's label.
        modes: its ways to compute S(v), by name.
    """
    answers: Answers | None = None
    troubles: list[Check] = []
    everything = [question.v, question.w, question.combined, question.zero, question.v]
    for mode, hvp in modes.items():
        tangents = everything if answers is None else [question.v]
        said = _ask(question, name, mode, hvp, tangents)
        if isinstance(said, Check):
            troubles.append(said)
        elif answers is None:
            of_v, of_w, combined, of_zero, again = said
            answers = Answers(name, hvp, of_v, of_w, combined, of_zero, again)
        else:
            answers = replace(answers, others={**answers.others, mode: said[0]})
    return Heard(answers, troubles)


def _ask(
    question: Question, name: str, mode: str, hvp: Hvp, tangents: Sequence[Arrays]
) -> list[Arrays] | Check:
    """S of each of the tangents, or what is wrong with the mode."""
    try:
        said = [copies(hvp(question.primals, each)) for each in tangents]
        value = np.zeros((), question.dtype)  # it has none, and this one is right
        violations = [
            contract_violation(value, each, question.primals, question.wrt) for each in said
        ]
    except (NotImplementedError, ImplicitError) as error:
        return Check(name, KIND, mode, UNSUPPORTED, one_line(error))
    except Exception as error:  # noqa: BLE001 -- whatever an implementation raises is its fault
        return Check(name, KIND, mode, "disagree", one_line(error))
    violation = next((each for each in violations if each), None)
    if violation:
        detail = f"of the second derivative, {violation.sentence}"
        return Check(name, KIND, mode, "disagree", detail, fault=violation.fault)
    return said
