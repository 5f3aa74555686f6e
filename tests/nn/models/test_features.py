"""The scalars and the vectors among steerable features."""

from __future__ import annotations

import torch

from pyg_equivariant.nn.models import Features
from pyg_equivariant.o3 import Irreps


def test_takes_even_scalars_and_odd_vectors_in_order() -> None:
    irreps = Irreps("2x0e+1x0o+2x1o+1x1e+3x0e+1x1o+2x2e")
    x = irreps.randn(5, -1)
    blocks = x.split([block.dim for block in irreps], dim=-1)
    scalars, vec, pos, *_ = Features.of_irreps(x, irreps, torch.ones(5, 3))
    assert torch.equal(pos, torch.ones(5, 3))
    assert torch.equal(scalars, torch.cat([blocks[0], blocks[4]], dim=-1))
    assert vec.shape == (5, 3, 3)
    assert torch.equal(vec[..., :2].flatten(1), blocks[2])
    assert torch.equal(vec[..., 2], blocks[5])


def test_there_may_be_none() -> None:
    x, pos = torch.randn(5, 5), torch.zeros(5, 3)
    scalars, vec, *_ = Features.of_irreps(x, Irreps("1x2e"), pos)
    assert scalars.shape == (5, 0)
    assert vec is None
