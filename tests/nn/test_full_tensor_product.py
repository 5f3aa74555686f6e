"""All products of two copies."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import FullTensorProduct
from pyg_equivariant.o3 import Irrep
from pyg_equivariant.testing import assert_equivariant, random_irreps


@pytest.mark.parametrize("seed", range(10))
def test_equivariance(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps = [random_irreps(generator, max_blocks=3, max_mul=3) for _ in range(2)]
    assert_equivariant(FullTensorProduct(*irreps).double(), generator=generator)


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_lost(seed: int) -> None:
    """Lengths of products are products of lengths."""
    generator = torch.Generator().manual_seed(seed)
    irreps = [random_irreps(generator, max_blocks=2, max_mul=3) for _ in range(2)]
    module = FullTensorProduct(*irreps, irrep_normalization="none").double()
    assert module.irreps_out.dim == irreps[0].dim * irreps[1].dim
    x, y = (each.randn(4, -1, dtype=torch.float64) for each in irreps)
    # a coupling has length one, of 2l + 1 rows
    blocks = module.irreps_out.split(module(x, y))
    found = torch.zeros(4, dtype=torch.float64)
    for (_, ir), block in zip(module.irreps_out, blocks, strict=True):
        found += ir.dim * block.square().sum((-1, -2))
    torch.testing.assert_close(found, x.square().sum(-1) * y.square().sum(-1))


def test_leading_dimensions_broadcast() -> None:
    module = FullTensorProduct("2x1o", "1x0e+3x1o")
    x, y = torch.randn(5, 1, 6), torch.randn(4, 10)
    assert module(x, y).shape == (5, 4, 60)
    torch.testing.assert_close(module(x, y)[2, 3], module(x[2, 0], y[3]))


def test_only_what_is_asked_for() -> None:
    whole = FullTensorProduct("2x0e+2x1o", "1x0e+1x1o")
    some = FullTensorProduct("2x0e+2x1o", "1x0e+1x1o", filter_ir_out=["1o"])
    assert some.irreps_out == whole.irreps_out.filter(keep="1o")
    x, y = torch.randn(3, 8), torch.randn(3, 4)
    blocks = zip(whole.irreps_out, whole.irreps_out.split(whole(x, y)), strict=True)
    kept = [block for (_, ir), block in blocks if ir == Irrep("1o")]
    torch.testing.assert_close(some(x, y), some.irreps_out.join(kept))
    none = FullTensorProduct("", "1x0e")
    assert none(torch.zeros(3, 0), torch.zeros(3, 1)).shape == (3, 0)


def test_derivatives() -> None:
    module = FullTensorProduct("2x0e+1x1o", "2x1o").double()
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    y = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x, y))
    assert torch.autograd.gradgradcheck(module, (x, y))
