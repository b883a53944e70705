"""statsmodels: log-likelihoods of discrete models, and their scores, which are their gradients."""

from functools import cache
from typing import Any

import numpy as np

from reference_impls.engines.manual.function import from_numpy
from verify.trust.field.sampled import Sampled, between


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    from statsmodels.discrete import discrete_model as discrete  # noqa: PLC0415 -- it may be absent

    rng = np.random.default_rng(0)
    exog = np.column_stack([np.ones(12), rng.standard_normal((12, 2))])
    is_so, count, choice = rng.integers(0, 2, 12), rng.integers(0, 6, 12), np.arange(12) % 3

    def sampled(model: Any, size: int) -> Sampled:  # noqa: ANN401 -- one of theirs
        draws = (between(0.1, 0.9, (size,)),)
        return Sampled(from_numpy(model.loglike, model.score), draws, ("float64",))

    one_far_out = discrete.Probit([1, 0, 1], [[0.0, -40.0], [1.0, 0.3], [1.0, 0.5]])
    tail = Sampled(
        from_numpy(one_far_out.loglike, one_far_out.score),
        (between(0.206, 0.214, (2,)),),  # some 8.4 standard deviations out
        ("float64",),
    )
    return {
        "Logit": sampled(discrete.Logit(is_so, exog), 3),
        "Probit": sampled(discrete.Probit(is_so, exog), 3),
        "Probit, in the tail": tail,
        "Poisson": sampled(discrete.Poisson(count, exog), 3),
        "NegativeBinomial": sampled(discrete.NegativeBinomial(count, exog), 4),
        "GeneralizedPoisson": sampled(discrete.GeneralizedPoisson(count, exog), 4),
        "MNLogit": sampled(discrete.MNLogit(choice, exog), 6),
    }
