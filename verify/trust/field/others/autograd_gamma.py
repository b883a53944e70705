"""autograd-gamma: the incomplete gamma and beta functions, for autograd.

Their gradients have a closed form for the last argument, and are finite differences for the others.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from reference_impls.engines.hips.function import from_autograd
from verify.trust.field.sampled import Sampled, at, between


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    import autograd_gamma as gamma  # noqa: PLC0415 -- it may be absent

    def of_last(function: Callable[..., Any], *fixed: float) -> Any:  # noqa: ANN401 -- an adapter
        return from_autograd(lambda x: function(*np.asarray(fixed, x.dtype), x))

    positive, unit = (between(0.5, 6.0, (4,)),), (between(0.1, 0.9, (4,)),)
    return {
        "gammainc": Sampled(of_last(gamma.gammainc, 2.5), positive),
        "gammaincc": Sampled(of_last(gamma.gammaincc, 2.5), positive),
        "gammaincln": Sampled(of_last(gamma.gammaincln, 2.5), positive),
        "gammainccln": Sampled(of_last(gamma.gammainccln, 2.5), positive),
        "gammaincinv": Sampled(of_last(gamma.gammaincinv, 2.5), unit),
        "gammainccinv": Sampled(of_last(gamma.gammainccinv, 2.5), unit),
        "betainc": Sampled(of_last(gamma.betainc, 1.5, 2.5), unit),
        "betaincln": Sampled(of_last(gamma.betaincln, 1.5, 2.5), unit),
        "betaincinv": Sampled(of_last(gamma.betaincinv, 1.5, 2.5), unit),
        "gammainccln, at 100 and 150": Sampled(
            of_last(gamma.gammainccln, 2.5), (at([100.0, 150.0]),)
        ),
        "gammainc, both arguments": Sampled(
            from_autograd(gamma.gammainc), (between(0.5, 6.0, (4,), (4,)),)
        ),
    }
