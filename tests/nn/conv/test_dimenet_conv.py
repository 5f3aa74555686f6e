from __future__ import annotations

import pytest
import torch
from torch.nn.functional import silu

from pyg_equivariant.nn.conv.dimenet_conv import DimeNetConv


@pytest.mark.parametrize("fuse", [True, False])
def test_is_the_block_of_pyg(fuse: bool) -> None:
    from torch_geometric.nn.models.dimenet import InteractionBlock

    block = InteractionBlock(8, 4, 3, 2, 1, 2, silu).double()
    conv = DimeNetConv(8, 6, 2, num_bilinear=4).double()
    names = {"layers_before_skip": "before", "layers_after_skip": "after"}
    weights = {}
    for name, value in block.state_dict().items():
        start, dot, rest = name.partition(".")
        weights[names.get(start, start) + dot + rest] = value
    weights["bilinear.weight"] = weights.pop("W").flatten(1)
    conv.load_state_dict(weights)
    conv.fuse = fuse
    x, radial = torch.randn(7, 8).double(), torch.randn(7, 2).double()
    pairs, angles = torch.randint(7, (2, 11)), torch.randn(11, 6).double()
    expected = block(x, radial, angles, pairs[0], pairs[1])
    found = conv(x, pairs, angles, radial)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
