"""SchNet at its published size, and where it differs from PyG's."""

from __future__ import annotations

import torch

from pyg_equivariant.nn.models import SchNet
from pyg_equivariant.nn.radial import GaussianBasis


def test_says_what_it_is() -> None:
    assert str(SchNet(16, 8, 2, 10, 4.0)) == (
        "SchNet(hidden_channels=16, num_filters=8, num_layers=2, num_radial=10, "
        "cutoff=4.0)"
    )


def test_starts_as_pyg_does() -> None:
    model = SchNet(16, 8, 2)
    assert not model.embedding.weight[0].any()  # the padding of PyG
    assert not model.linears[0].bias.any()
    bound = (6 / (16 + 16)) ** 0.5
    assert model.linears[0].weight.abs().max() <= bound
    assert model.linears[0].weight.abs().max() > 0.9 * bound
    assert isinstance(model.edges.basis, GaussianBasis)


def test_no_neighbor_is_dropped() -> None:
    """A dense cluster of 50 atoms: PyG's network keeps 32 neighbors of each."""
    pos = torch.rand(50, 3, dtype=torch.float64)
    model = SchNet(8, 6, 1, 7, cutoff=10.0).double()
    graph = model.graph(pos)
    assert graph.edge_index.shape == (2, 50 * 49)
    moved = model(torch.ones(50, dtype=torch.long), pos)
    fewer = model(
        torch.ones(50, dtype=torch.long), pos, edge_index=graph.edge_index[:, 1:]
    )
    assert not torch.equal(moved, fewer)


def test_edges_beyond_the_cutoff_do_not_count() -> None:
    """Where the cosine of PyG's network rises again."""
    model = SchNet(8, 6, 2, 7, cutoff=2.0).double()
    pos = torch.tensor([[0.0, 0, 0], [3.5, 0, 0]], dtype=torch.float64)
    z = torch.tensor([6, 8])
    far = model(z, pos, edge_index=torch.tensor([[0, 1], [1, 0]]))
    assert torch.equal(far, model(z, pos, edge_index=torch.zeros(2, 0).long()))
