"""The scalars and the vectors among steerable features."""

from __future__ import annotations

import torch

from pyg_equivariant.nn.models._irreps_features import scalars_and_vectors
from pyg_equivariant.o3 import Irreps


def test_takes_even_scalars_and_odd_vectors_in_order() -> None:
    irreps = Irreps("2x0e+1x0o+2x1o+1x1e+3x0e+1x1o+2x2e")
    x = irreps.randn(5, -1)
    blocks = x.split([block.dim for block in irreps], dim=-1)
    scalars, vec = scalars_and_vectors(x, irreps)
    assert torch.equal(scalars, torch.cat([blocks[0], blocks[4]], dim=-1))
    assert vec.shape == (5, 3, 3)
    assert torch.equal(vec[..., :2].flatten(1), blocks[2])
    assert torch.equal(vec[..., 2], blocks[5])


def test_there_may_be_none() -> None:
    scalars, vec = scalars_and_vectors(torch.randn(5, 5), Irreps("1x2e"))
    assert scalars.shape == (5, 0)
    assert vec is None
