"""Matrices of representations are what rotates features."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant import o3
from pyg_equivariant.o3 import Irrep, Irreps
from pyg_equivariant.testing import random_irreps


@pytest.mark.parametrize("seed", range(10))
def test_the_matrix_rotates_features(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = random_irreps(generator)
    kinds = {"generator": generator, "dtype": torch.float64}
    R = o3.rand_matrix(4, improper=seed % 2 == 1, **kinds)
    x = irreps.randn(4, -1, **kinds)
    D = irreps.D_from_matrix(R)
    found = (D @ x.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(found, o3.rotate(irreps, x, R))
    S = o3.rand_matrix(4, **kinds)
    torch.testing.assert_close(irreps.D_from_matrix(R @ S), D @ irreps.D_from_matrix(S))


def test_every_form_of_a_rotation(generator: torch.Generator) -> None:
    R = o3.rand_matrix(3, generator=generator, dtype=torch.float64)
    irreps = Irreps("2x0e+1x1o+2x2e")
    expected = irreps.D_from_matrix(R)
    for found in (
        irreps.D_from_angles(*o3.matrix_to_angles(R)),
        irreps.D_from_quaternion(o3.matrix_to_quaternion(R)),
        irreps.D_from_axis_angle(*o3.matrix_to_axis_angle(R)),
    ):
        torch.testing.assert_close(found, expected)


def test_no_irreps_have_an_empty_matrix() -> None:
    assert Irreps("").D_from_matrix(torch.eye(3)).shape == (0, 0)
    with pytest.raises(ValueError, match="orthogonal"):
        Irreps("1o").D_from_matrix(2 * torch.eye(3))


def test_an_irrep_has_them_too(generator: torch.Generator) -> None:
    R = o3.rand_matrix(3, improper=True, generator=generator, dtype=torch.float64)
    for ir in (Irrep("0o"), Irrep("2e"), Irrep("3e")):
        torch.testing.assert_close(ir.D_from_matrix(R), o3.wigner_D(ir, R))
