"""Generators make rotations."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.o3 import axis_angle_to_matrix, so3_generators, wigner_D

DOUBLE = {"dtype": torch.float64}


@pytest.mark.parametrize("l", range(6))
def test_exponentials_are_wigner_matrices(l: int) -> None:
    X = so3_generators(l, **DOUBLE)
    omega = torch.randn(4, 3, **DOUBLE)
    found = torch.linalg.matrix_exp(torch.einsum("bi,imn->bmn", omega, X))
    R = axis_angle_to_matrix(omega, omega.norm(dim=-1))
    torch.testing.assert_close(found, wigner_D(l, R))


@pytest.mark.parametrize("l", range(9))
def test_algebra(l: int) -> None:
    X = so3_generators(l, **DOUBLE)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        torch.testing.assert_close(X[i] @ X[j] - X[j] @ X[i], X[k])
    casimir = -l * (l + 1) * torch.eye(2 * l + 1, **DOUBLE)
    torch.testing.assert_close((X @ X).sum(0), casimir)


def test_no_such_degree() -> None:
    with pytest.raises(ValueError, match="-1"):
        so3_generators(-1)
