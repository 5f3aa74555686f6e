"""What both normalizations of steerable features do alike."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import EquivariantInstanceNorm, EquivariantLayerNorm
from pyg_equivariant.nn.norm import EquivariantNorm
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import random_irreps

BOTH = [EquivariantLayerNorm, EquivariantInstanceNorm]
both = pytest.mark.parametrize("kind", BOTH)


def filled(kind: type[EquivariantNorm], irreps: Irreps) -> EquivariantNorm:
    module = kind(irreps).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


@both
@pytest.mark.parametrize("seed", range(10))
def test_blocks_are_normalized_one_by_one_in_any_order(
    kind: type[EquivariantNorm], seed: int
) -> None:
    irreps = random_irreps(torch.Generator().manual_seed(seed), max_blocks=5)
    module = filled(kind, irreps)
    x = irreps.randn(6, -1, dtype=torch.float64)
    weights = module.weight.split([mul for mul, _ in irreps]) if irreps else []
    y, start = irreps.split(module(x)), 0
    for k, block in enumerate(irreps):
        alone = kind(Irreps([block])).double()
        n = block.mul * block.ir.is_scalar()
        with torch.no_grad():
            alone.weight.copy_(weights[k])
            alone.bias.copy_(module.bias[start : start + n])
        expected = alone(irreps.split(x)[k].flatten(-2))
        torch.testing.assert_close(y[k].flatten(-2), expected, rtol=1e-10, atol=1e-10)
        start += n


@both
def test_blocks_without_channels_change_nothing(kind: type[EquivariantNorm]) -> None:
    module = filled(kind, Irreps("0x1o+2x0e+0x0e+1x1o+0x2e"))
    plain = kind("2x0e+1x1o").double()
    plain.load_state_dict(module.state_dict())
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.equal(module(x), plain(x))
    (grad,) = torch.autograd.grad(module(x).square().sum(), x)
    assert grad.isfinite().all()
    empty = kind("0x0e+0x1o")
    assert empty(torch.zeros(4, 0)).shape == (4, 0)


@both
def test_half_precision_stays(kind: type[EquivariantNorm]) -> None:
    for affine in (True, False):
        module = kind("4x0e+4x1o", affine=affine).half()
        assert module(torch.randn(3, 16).half()).dtype == torch.float16


@both
def test_eps_is_positive(kind: type[EquivariantNorm]) -> None:
    with pytest.raises(ValueError, match="eps is a positive number, got 0"):
        kind("1o", eps=0)
