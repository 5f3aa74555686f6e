"""Matrices of representations are what rotates features."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant import o3
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import random_irreps


@pytest.mark.parametrize("seed", range(10))
def test_the_matrix_rotates_features(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = random_irreps(generator)
    kinds = {"generator": generator, "dtype": torch.float64}
    R = o3.rand_matrix(4, improper=seed % 2 == 1, **kinds)
    x = irreps.randn(4, -1, **kinds)
    D = o3.D_from_matrix(irreps, R)
    found = (D @ x.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(found, o3.rotate(irreps, x, R))
    S = o3.rand_matrix(4, **kinds)
    torch.testing.assert_close(
        o3.D_from_matrix(irreps, R @ S), D @ o3.D_from_matrix(irreps, S)
    )


def test_every_form_of_a_rotation(generator: torch.Generator) -> None:
    R = o3.rand_matrix(3, generator=generator, dtype=torch.float64)
    irreps = Irreps("2x0e+1x1o+2x2e")
    expected = o3.D_from_matrix(irreps, R)
    for found in (
        o3.D_from_angles(irreps, *o3.matrix_to_angles(R)),
        o3.D_from_quaternion(irreps, o3.matrix_to_quaternion(R)),
        o3.D_from_axis_angle(irreps, *o3.matrix_to_axis_angle(R)),
    ):
        torch.testing.assert_close(found, expected)


def test_no_irreps_have_an_empty_matrix() -> None:
    assert o3.D_from_matrix("", torch.eye(3)).shape == (0, 0)
    with pytest.raises(ValueError, match="orthogonal"):
        o3.D_from_matrix("1o", 2 * torch.eye(3))
