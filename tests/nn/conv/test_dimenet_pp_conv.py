from __future__ import annotations

import pytest
import torch
from torch.nn.functional import silu

from pyg_equivariant.nn.conv.dimenet_pp_conv import DimeNetPPConv


def test_prints_its_sizes() -> None:
    conv = DimeNetPPConv(16, 42, 6)
    assert str(conv) == (
        "DimeNetPPConv(16, edge_dim=42, radial_dim=6, int_channels=64, "
        "basis_channels=8)"
    )


@pytest.mark.parametrize("fuse", [True, False])
def test_is_the_block_of_pyg(fuse: bool) -> None:
    from torch_geometric.nn.models.dimenet import InteractionPPBlock

    block = InteractionPPBlock(8, 5, 3, 3, 2, 1, 2, silu).double()
    conv = DimeNetPPConv(8, 6, 2, int_channels=5, basis_channels=3).double()
    names = {"layers_before_skip": "before", "layers_after_skip": "after"}
    weights = {}
    for name, value in block.state_dict().items():
        start, dot, rest = name.partition(".")
        weights[names.get(start, start) + dot + rest] = torch.randn_like(value)
    conv.load_state_dict(weights)
    for own, theirs in zip(weights, block.state_dict(), strict=True):
        block.state_dict()[theirs].copy_(weights[own])
    conv.fuse = fuse
    x, radial = torch.randn(7, 8).double(), torch.randn(7, 2).double()
    pairs, angles = torch.randint(7, (2, 11)), torch.randn(11, 6).double()
    expected = block(x, radial, angles, pairs[0], pairs[1])
    found = conv(x, pairs, angles, radial)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fuse", [True, False])
def test_messages_go_back_by_flow(fuse: bool) -> None:
    conv = DimeNetPPConv(6, 4, int_channels=6)
    x, edge_index = torch.randn(5, 6), torch.randint(5, (2, 9))
    attr = torch.randn(9, 4)
    expected = conv(x, edge_index, attr)
    conv.flow, conv.fuse = "target_to_source", fuse
    torch.testing.assert_close(conv(x, edge_index.flip(0), attr), expected)


def test_radial_features_are_asked_for() -> None:
    conv = DimeNetPPConv(6, 4, radial_dim=2)
    given = torch.randn(5, 6), torch.randint(5, (2, 9)), torch.randn(9, 4)
    with pytest.raises(ValueError, match="radial is missing: expected 2 numbers"):
        conv(*given)
    with pytest.raises(ValueError, match="one row of radial for each of the 5 nodes"):
        conv(*given, torch.randn(4, 2))
