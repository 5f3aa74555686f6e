"""Wigner matrices and turned features against e3nn's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pyg_equivariant.o3 import Irreps
from pyg_equivariant.o3._rotation import rand_matrix
from pyg_equivariant.o3._wigner import rotate, wigner_D

o3 = pytest.importorskip("e3nn.o3")


@pytest.fixture(autouse=True)
def _float64_by_default() -> Iterator[None]:
    """In e3nn the accuracy of a rotation follows torch's default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def R(generator: torch.Generator) -> torch.Tensor:
    R = rand_matrix(10, generator=generator, dtype=torch.float64)
    R[5:] *= -1
    return R


@pytest.mark.parametrize("l", range(12))
@pytest.mark.parametrize("p", [-1, 1])
def test_irreps(l: int, p: int, R: torch.Tensor) -> None:
    ir = o3.Irrep(l, p)
    assert (wigner_D(str(ir), R) - ir.D_from_matrix(R)).abs().max() < 1e-10


def test_features(R: torch.Tensor) -> None:
    irreps = Irreps("3x0e + 2x1o + 2x1e + 3x2e + 2x0o + 1x4o")
    x = torch.randn(10, irreps.dim, dtype=torch.float64)
    D = o3.Irreps(str(irreps)).D_from_matrix(R)
    expected = irreps.from_mul_ir((D @ irreps.to_mul_ir(x)[..., None])[..., 0])
    torch.testing.assert_close(rotate(irreps, x, R), expected)
