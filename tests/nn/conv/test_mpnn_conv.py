"""Plain message passing against its formula."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn.conv import MPNNConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])


def test_says_what_it_is() -> None:
    assert str(MPNNConv((8, 4), 6, 7, 2)) == "MPNNConv((8, 4), 6, 7, edge_dim=2)"


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_is_the_formula(randomize, attention: bool, residual: bool, fuse: bool) -> None:
    conv = randomize(MPNNConv(8, 6, 8, 2, attention, residual))
    conv.fuse = fuse
    x = torch.randn(5, 8, dtype=torch.float64)
    edge_attr = torch.rand(6, 2, dtype=torch.float64)
    m = torch.zeros(5, 6, dtype=torch.float64)
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        message = conv.phi_m(torch.cat([x[i], x[j], edge_attr[e]]))
        if attention:
            message = message * conv.phi_a((x[i] - x[j]).abs()).sigmoid()
        m[i] += message
    expected = conv.phi_h(torch.cat([x, m], dim=-1)) + (x if residual else 0)
    found = conv(x, EDGE_INDEX, edge_attr)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_an_envelope_takes_edges_away(randomize) -> None:
    conv = randomize(MPNNConv(8, 6, 8))
    x = torch.randn(5, 8, dtype=torch.float64)
    keep = torch.tensor([1, 0, 1, 0, 1, 1]).bool()
    some = conv(x, EDGE_INDEX, edge_weight=keep.double())
    less = conv(x, EDGE_INDEX[:, keep])
    torch.testing.assert_close(some, less, rtol=1e-13, atol=1e-13)


def test_options_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match="attention=False"):
        MPNNConv((8, 4), 6, 8, attention=True)
    with pytest.raises(ValueError, match="residual=False"):
        MPNNConv(8, 6, 7, residual=True)
