"""The trainings of the tutorials; `reference_impls.training` says what one is.

A module has one, `TRAINING`, or several of one theme, in a tuple `TRAININGS`. Their names are
written down here, so that a list, or the answer to a mistyped name, need not wait for the engines
that the modules import; a test holds the two against each other.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_impls.training import Training

MODULES: dict[str, tuple[str, ...]] = {
    "timeseries": ("timeseries", "timeseries_returns"),
    "rosenbrock": (
        "rosenbrock_newton",
        "rosenbrock_bfgs",
        "rosenbrock_lbfgs",
        "rosenbrock_armijo",
        "rosenbrock_near_one",
        "rosenbrock_near_minus_one",
    ),
    "line": ("line",),
    "polynomial": ("polynomial",),
    "exponential": ("exponential",),
    "two_layer": ("two_layer",),
    "network": ("network",),
    "relu_network": ("relu_network",),
    "classifier": ("classifier",),
    "split_classifier": ("split_classifier",),
    "circles": ("circles",),
    "circles_linear": ("circles_linear",),
    "circles_two_neurons": ("circles_two_neurons",),
    "divergence": ("divergence",),
    "logistic": (
        "logistic_gradient",
        "logistic_momentum",
        "logistic_adam",
        "logistic_armijo",
        "logistic_newton",
        "logistic_bfgs",
        "logistic_lbfgs",
        "logistic_scaled",
        "logistic_normalised",
    ),
    "ravine": (
        "ravine_exact_search",
        "ravine_fixed_rate",
        "ravine_rate_too_large",
        "ravine_heavy_ball",
        "ravine_newton",
        "ravine_1_norm",
    ),
}
"""By module, the names of its trainings. Those that take longest come first, so that processes
which share the work end together."""

TRAINING_NAMES = tuple(name for names in MODULES.values() for name in names)


def load_training(name: str) -> "Training":
    """Imports the module of a training, and with it the engines."""
    (module,) = (module for module, names in MODULES.items() if name in names)
    return next(each for each in trainings_of(module) if each.name == name)


def trainings_of(module: str) -> tuple["Training", ...]:
    """The trainings of a module, which it imports."""
    loaded = import_module(f"{__name__}.{module}")
    trainings: tuple[Training, ...] = getattr(loaded, "TRAININGS", ()) or (loaded.TRAINING,)
    return trainings
