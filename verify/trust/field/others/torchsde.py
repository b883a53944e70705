"""torchsde: solvers of stochastic differential equations, along one path of the noise.

The path is drawn in float64, and is the same in both dtypes.
"""

from functools import cache
from typing import Any

import torch

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, between


class _Equation(torch.nn.Module):
    """dy = a sin(y) dt + b cos(y) dW."""

    noise_type = "diagonal"

    def __init__(self, sde_type: str, drift: torch.Tensor, diffusion: torch.Tensor) -> None:
        super().__init__()
        self.sde_type = sde_type
        self.drift, self.diffusion = drift, diffusion

    def f(self, _: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Drift, as the library calls it."""
        return self.drift * torch.sin(y)

    def g(self, _: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Diffusion, as the library calls it."""
        return self.diffusion * torch.cos(y)


class _Cast:
    """A path that was drawn in float64, in the dtype of what moves along it."""

    levy_area_approximation = "none"

    def __init__(self, path: Any, like: torch.Tensor) -> None:  # noqa: ANN401 -- one of theirs
        self.path = path
        self.shape, self.dtype, self.device = like.shape, like.dtype, like.device

    def __call__(self, start: torch.Tensor, end: torch.Tensor, **_: bool) -> torch.Tensor:
        """What the path gains from one time to another."""
        return self.path(start, end).to(self.dtype)


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    import torchsde  # noqa: PLC0415 -- it may be absent

    def sampled(sde_type: str, dt: float, method: str, adjoint: str | None = None) -> Sampled:
        def end(y0: torch.Tensor, drift: torch.Tensor, diffusion: torch.Tensor) -> torch.Tensor:
            equation = _Equation(sde_type, drift, diffusion)
            times = torch.tensor([0.0, 1.0], dtype=y0.dtype)
            path = torchsde.BrownianInterval(0.0, 1.0, y0.shape, torch.float64, entropy=3)
            asked = {"bm": _Cast(path, y0), "dt": dt, "method": method}
            if adjoint is None:
                return torchsde.sdeint(equation, y0, times, **asked)[-1]
            asked |= {"adjoint_method": adjoint, "adjoint_params": (drift, diffusion)}
            return torchsde.sdeint_adjoint(equation, y0, times, **asked)[-1]

        return Sampled(from_torch(end), (between(0.2, 0.8, (1, 2), (2,), (2,)),))

    reversible = ("reversible_heun", "adjoint_reversible_heun")
    return {
        "sdeint, euler": sampled("ito", 0.1, "euler"),
        "sdeint, milstein": sampled("ito", 0.1, "milstein"),
        "sdeint, heun": sampled("stratonovich", 0.1, "heun"),
        "sdeint, reversible_heun": sampled("stratonovich", 0.1, "reversible_heun"),
        "sdeint_adjoint, reversible_heun, dt 0.125": sampled("stratonovich", 0.125, *reversible),
        "sdeint_adjoint, reversible_heun, dt 0.1": sampled("stratonovich", 0.1, *reversible),
    }
