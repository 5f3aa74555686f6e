"""The layer of radial fields against its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pyg_equivariant.graph import edge_vectors
from pyg_equivariant.nn.conv import RadialFieldConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])


@pytest.fixture
def inputs() -> dict[str, Any]:
    pos, vel = torch.randn(2, 5, 3, dtype=torch.float64)
    edge_attr = torch.rand(6, 2, dtype=torch.float64)
    return {"pos": pos, "vel": vel, "edge_attr": edge_attr, "edge_index": EDGE_INDEX}


def test_says_what_it_is() -> None:
    assert str(RadialFieldConv(6, edge_dim=2)) == "RadialFieldConv(6, edge_dim=2)"


@pytest.mark.parametrize("fuse", [True, False])
def test_is_the_formula(randomize, inputs: dict[str, Any], fuse: bool) -> None:
    conv = randomize(RadialFieldConv(6, edge_dim=2, velocity=True))
    conv.fuse = fuse
    pos, vel = inputs["pos"], inputs["vel"]
    moved, degree = torch.zeros_like(pos), torch.zeros(5, 1, dtype=torch.float64)
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        away = pos[i] - pos[j]
        given = torch.cat([away.norm().view(1), inputs["edge_attr"][e]])
        moved[i] += away * conv.lin_phi(conv.phi(given)).tanh()
        degree[i] += 1
    expected = pos + moved / degree.clamp(min=1)
    expected = expected + vel * conv.psi(vel.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(conv(**inputs), expected, rtol=1e-12, atol=1e-12)
    assert (expected - pos).detach().abs().max() > 0.01


def test_edge_vectors_may_stand_for_positions(randomize, inputs: Any) -> None:
    conv = randomize(RadialFieldConv(6, edge_dim=2, velocity=True))
    edge_vec = edge_vectors(inputs["pos"], EDGE_INDEX)
    found = conv(**inputs, edge_vec=edge_vec)
    torch.testing.assert_close(found, conv(**inputs), rtol=0, atol=1e-14)


def test_an_envelope_takes_edges_away_smoothly(randomize) -> None:
    conv = randomize(RadialFieldConv(6))
    pos = torch.randn(5, 3, dtype=torch.float64)
    keep = torch.tensor([1, 0, 1, 0, 1, 1]).bool()
    some = conv(pos, EDGE_INDEX, edge_weight=keep.double())
    less = conv(pos, EDGE_INDEX[:, keep], edge_weight=keep.double()[keep])
    torch.testing.assert_close(some, less, rtol=1e-13, atol=1e-13)
    assert not torch.allclose(some, conv(pos, EDGE_INDEX))


def test_moves_little_at_first_and_leaves_the_callers_positions() -> None:
    conv, pos = RadialFieldConv(6).double(), torch.randn(5, 3, dtype=torch.float64)
    before = pos.clone()
    moved = conv(pos, EDGE_INDEX)
    assert torch.equal(pos, before)
    assert 0 < float((moved - pos).detach().abs().max()) < 1e-2


def test_velocities_come_if_and_only_if_promised(inputs: Any) -> None:
    pos = inputs["pos"]
    with pytest.raises(ValueError, match="vel is missing"):
        RadialFieldConv(6, velocity=True).double()(pos, EDGE_INDEX)
    with pytest.raises(ValueError, match="vel is given"):
        RadialFieldConv(6).double()(pos, EDGE_INDEX, vel=pos)
