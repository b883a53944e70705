"""What an implementation of an argmin is held against, by name."""

from enum import StrEnum


class EvidenceKind(StrEnum):
    """What an argmin is held against: the column ``against`` of ``verdicts.csv``.

    `verify.checks.argmin.hearing` says what each of them is. All but `K` have a column of their
    own in ``argmin.csv``.
    """

    K = "K"
    OPTIMALITY = "optimality"
    DEFINING_EQUATION = "K J + R"
    IMPLICIT_FUNCTION = "implicit function"
    FINITE_DIFFERENCES = "finite differences"
    UNROLLED = "unrolled"
    MANUAL = "manual"
    SCALED = "c · f"
    INITIAL_GUESS = "initial guess"
    GUESS_GRADIENT = "gradient for the guess"
    LINEARITY = "linearity"
    ONE_SIDE = "one side"
