"""Which matrices count as rotations."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.o3._orthogonal import check_orthogonal, determinant
from pyg_equivariant.o3._rotation import rand_matrix


def test_determinant(generator: torch.Generator) -> None:
    A = torch.randn(2, 5, 3, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(determinant(A), torch.linalg.det(A))


def test_rounding_is_tolerated_and_deformation_is_not(
    generator: torch.Generator,
) -> None:
    R = rand_matrix(100, generator=generator)
    check_orthogonal(R, proper=True)
    check_orthogonal(R.double(), proper=True)
    check_orthogonal(R.bfloat16())
    check_orthogonal(-R)
    for deformed in (R.double() * (1 + 1e-4), R * (1 + 1e-3), R.bfloat16() * 1.2):
        with pytest.raises(ValueError, match="not orthogonal"):
            check_orthogonal(deformed)
    one_bad = R.double()
    one_bad[57] = torch.eye(3) * torch.tensor([1, 1, 0])
    with pytest.raises(ValueError, match=r"reaches 1\.0e\+00, expected at most 1e-05"):
        check_orthogonal(one_bad)


def test_values_of_meta_tensors_are_not_looked_at() -> None:
    check_orthogonal(torch.empty(4, 3, 3, device="meta"), proper=True)
    with pytest.raises(ValueError, match=r"\(4, 3, 2\)"):
        check_orthogonal(torch.empty(4, 3, 2, device="meta"))
