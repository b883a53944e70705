"""What can be wrong with a problem."""


class ImplicitError(ArithmeticError):
    """The problem has no solution here that can be differentiated."""


class OutputShapeError(ImplicitError):
    """The objective is not scalar, or the condition has not one entry per unknown."""


class NotConvergedError(ImplicitError):
    """No point was found where F is zero to within the tolerance."""


class SingularError(ImplicitError):
    """K is singular, or not positive definite where a minimum is wanted."""


class NotSymmetricError(ImplicitError):
    """A linear solver for symmetric K was asked for, and K is not."""


class ConstraintRankError(ImplicitError):
    """The rows of the constraints' Jacobian are linearly dependent."""


class RankDeficientWarning(UserWarning):
    """The pseudo-inverse dropped singular values of K."""
