"""The libraries whose functions are checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from verify.trust.field.sampled import subjects_of
from verify.trust.field.subject import LeftOut, Subject


@dataclass(frozen=True)
class Library:
    """A library of functions with gradients.

    Attributes:
        name: of its distribution.
        module: in `verify.trust.field`, loaded when used. Its ``functions()`` are a table of
            `Sampled`; or their names, where its ``subjects(…)`` draws the points.
    """

    name: str
    module: str

    def functions(self) -> list[str]:
        """The names of its functions.

        Raises:
            ImportError: it, or something that it needs for its samples, is not installed.
        """
        return list(self._loaded().functions())

    def subjects(
        self, function: str, seed: int, dtype: str, most_entries: int
    ) -> Iterator[Subject | LeftOut]:
        """A function at every point that it is checked at.

        Args:
            function: its name.
            seed: of the points.
            dtype: ``float64`` or ``float32``.
            most_entries: points with more numbers are left out.
        """
        loaded = self._loaded()
        if hasattr(loaded, "subjects"):
            return loaded.subjects(function, seed, dtype, most_entries)  # type: ignore[no-any-return]
        sampled = loaded.functions()[function]
        return subjects_of(self.name, function, sampled, seed, dtype, most_entries)

    def _loaded(self) -> Any:  # noqa: ANN401 -- a module
        return import_module(f"verify.trust.field.{self.module}")


LIBRARIES = (
    Library("torch", "torch_operators"),
    Library("torch", "torch_points"),
    Library("autograd", "autograd_primitives"),
    Library("autograd-gamma", "others.autograd_gamma"),
    Library("brevitas", "others.brevitas"),
    Library("e3nn", "others.e3nn"),
    Library("gpytorch", "others.gpytorch"),
    Library("pytorch-revgrad", "others.pytorch_revgrad"),
    Library("pytorch-wavelets", "others.pytorch_wavelets"),
    Library("scikit-learn", "others.scikit_learn"),
    Library("snntorch", "others.snntorch"),
    Library("spikingjelly", "others.spikingjelly"),
    Library("statsmodels", "others.statsmodels"),
    Library("torchsde", "others.torchsde"),
)
