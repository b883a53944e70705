"""JAXopt: L-BFGS and implicit differentiation by conjugate gradients, compiled by XLA."""

from collections.abc import Callable
from functools import partial

from reference_impls.computation import Native

STEPS = 1000
INNER_TOLERANCE = 1e-10
LINEAR_TOLERANCE = 1e-12


def argmin(objective: Callable[..., Native], initial: Native, *parameters: Native) -> Native:
    """Returns the minimizer of `objective(y, *parameters)` near `initial`, in JAX arrays."""
    import jaxopt  # noqa: PLC0415 -- optional

    solver = jaxopt.LBFGS(
        objective,
        maxiter=STEPS,
        tol=INNER_TOLERANCE,
        implicit_diff_solve=partial(jaxopt.linear_solve.solve_cg, tol=LINEAR_TOLERANCE),
    )
    return solver.run(initial, *parameters).params
