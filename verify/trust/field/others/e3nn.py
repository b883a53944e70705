"""e3nn: rotations, in the ways to write them, and spherical harmonics."""

import warnings
from functools import cache

import torch

from reference_impls.engines.pytorch.choice import from_torch
from verify.trust.field.sampled import Sampled, at, between, normal


@cache
def functions() -> dict[str, Sampled]:
    """Its functions, by name.

    Raises:
        ImportError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it compiles with `torch.jit`, which torch has deprecated
        from e3nn import o3  # noqa: PLC0415 -- it may be absent

    def harmonics(x: torch.Tensor) -> torch.Tensor:
        return o3.spherical_harmonics([0, 1, 2, 3], x, normalize=True)

    def to_axis_angle(rotation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return o3.matrix_to_axis_angle(_rotation_by(rotation))

    def to_angle(rotation: torch.Tensor) -> torch.Tensor:
        _, angle = o3.matrix_to_axis_angle(_rotation_by(rotation))
        return angle

    angles = (between(0.3, 1.2, (), (), ()),)
    return {
        "angles_to_matrix": Sampled(from_torch(o3.angles_to_matrix), angles),
        "angles_to_quaternion": Sampled(from_torch(o3.angles_to_quaternion), angles),
        "angles_to_xyz": Sampled(from_torch(o3.angles_to_xyz), (between(0.3, 1.2, (4,), (4,)),)),
        "xyz_to_angles": Sampled(from_torch(o3.xyz_to_angles), (normal((4, 3)),)),
        "axis_angle_to_matrix": Sampled(from_torch(o3.axis_angle_to_matrix), (normal((3,), ()),)),
        "compose_quaternion": Sampled(from_torch(o3.compose_quaternion), (normal((4,), (4,)),)),
        "quaternion_to_matrix": Sampled(from_torch(o3.quaternion_to_matrix), (normal((4,)),)),
        "spherical_harmonics": Sampled(from_torch(harmonics), (normal((2, 3)),)),
        "matrix_to_axis_angle": Sampled(from_torch(to_axis_angle), (between(0.3, 0.8, (3,)),)),
        "matrix_to_axis_angle, the angle at the identity": Sampled(
            from_torch(to_angle), (at([0.0, 0.0, 0.0]),)
        ),
    }


def _rotation_by(rotation: torch.Tensor) -> torch.Tensor:
    """By the angle |ω| about ω: its logarithm is skew."""
    x, y, z = rotation
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    return torch.linalg.matrix_exp(skew)
