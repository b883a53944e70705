"""The regression of `network` with ReLU, the tutorial's other activation, in place of tanh.

Seed 0 magnifies rounding: after some 150 steps two implementations part, after 300 they are 1 %
apart, and yet they end within 0.1 % of one another, at the noise. Seeds 1 to 3 end in local minima,
at 18, 56 and 167, and agree to nine digits there.
"""

from dataclasses import replace

from reference_impls.computations.relu_regression import COMPUTATION, NETWORK
from reference_impls.training import Expected
from reference_impls.trainings import network

FIRST = (314.644435695869, 333.180808068000, 362.194049794235, 308.387389909104)
LAST = (8.2, 18.4, 56.4, 167.3)


TRAINING = replace(
    network.TRAINING,
    name="relu_network",
    origin=COMPUTATION.origin,
    loss=COMPUTATION,
    expected=(
        *(
            Expected(quantity="first loss", value=loss, tolerance=1e-10 * loss, seed=seed)
            for seed, loss in enumerate(FIRST)
        ),
        *(
            Expected(quantity="last loss", value=loss, tolerance=0.05 * loss, seed=seed)
            for seed, loss in enumerate(LAST)
        ),
    ),
    curves=network.curves_of(NETWORK),
    seeds=(0,),
)
