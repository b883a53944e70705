"""The trainings of the tutorials, one module each; `reference_impls.training` says what one is.

Their names are written down here, so that a list, or the answer to a mistyped name, need not wait
for the engines that the modules import; a test holds the two against each other.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_impls.training import Training

TRAINING_NAMES = ("line", "polynomial", "exponential", "two_layer", "network", "divergence")


def load_training(name: str) -> "Training":
    """Imports the module of a training, and with it the engines."""
    training: Training = import_module(f"{__name__}.{name}").TRAINING
    return training
