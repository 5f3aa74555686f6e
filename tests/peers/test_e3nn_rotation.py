"""Conversions between forms of rotations against e3nn's of the same names."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.o3 import _rotation
from pyg_equivariant.o3._rotation import rand_matrix

o3 = pytest.importorskip("e3nn.o3")
FORMS = ("matrix", "quaternion", "axis_angle", "angles")


def as_tuple(rotation: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return rotation if isinstance(rotation, tuple) else (rotation,)


@pytest.mark.parametrize(("source", "target"), permutations(FORMS, 2))
def test_conversions(source: str, target: str, generator: torch.Generator) -> None:
    R = rand_matrix(100, generator=generator, dtype=torch.float64)
    rotation = (R,) if source == "matrix" else getattr(o3, f"matrix_to_{source}")(R)
    name = f"{source}_to_{target}"
    expected = as_tuple(getattr(o3, name)(*as_tuple(rotation)))
    actual = as_tuple(getattr(_rotation, name)(*as_tuple(rotation)))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("axis", "xyz")
def test_matrices_about_the_axes(axis: str) -> None:
    angle = torch.linspace(-7, 7, 20, dtype=torch.float64)
    name = f"matrix_{axis}"
    expected = getattr(o3, name)(angle)
    torch.testing.assert_close(getattr(_rotation, name)(angle), expected)


def test_gimbal_pole() -> None:
    R = _rotation.matrix_y(torch.tensor([0.4, -3.0], dtype=torch.float64))
    expected = o3.matrix_to_angles(R)
    torch.testing.assert_close(_rotation.matrix_to_angles(R), expected)
