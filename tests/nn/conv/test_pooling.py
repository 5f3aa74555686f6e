"""Convolutions from all points to some are poolings, as equivariant as they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import pooling_graph
from pyg_equivariant.nn import (
    EdgeEmbedding,
    EGNNConv,
    GaussianBasis,
    PaiNNConv,
    SchNetConv,
    SEGNNConv,
    TFNConv,
)
from pyg_equivariant.testing import assert_equivariant

IRREPS = "4x0e+2x0o+3x1o+2x1e+2x2e"
CONVS: dict[str, Callable[[], torch.nn.Module]] = {
    "SchNetConv": lambda: SchNetConv(4, 5, 8, 6),
    "TFNConv": lambda: TFNConv(IRREPS, "0e+1o+2e", "3x0e+2x1e+2x2o", edge_dim=6),
    "SEGNNConv": lambda: SEGNNConv(
        IRREPS, "0e+1o+2e", "3x0e+2x1o+2x1e", "3x0e+2x1o+2x1e", edge_dim=6
    ),
}


@pytest.fixture
def embed() -> EdgeEmbedding:
    return EdgeEmbedding(None, GaussianBasis(6, 3.0), irreps_sh="0e+1o+2e").double()


@pytest.mark.parametrize("name", CONVS)
def test_pooling_is_equivariant(
    name: str, embed: EdgeEmbedding, generator: torch.Generator
) -> None:
    conv = CONVS[name]().double()
    pos = torch.randn(30, 3, generator=generator).double()
    batch = torch.arange(30) % 2
    x = torch.randn(30, conv.irreps_in.dim, generator=generator).double()

    def pooled(x: Tensor, pos: Tensor) -> Tensor:
        index, coarse = pooling_graph(pos, batch, ratio=0.2, k=7)
        return conv.on_edges((x, x[index]), embed.embed(coarse))

    out = pooled(x, pos)
    assert out.shape == (6, conv.irreps_out.dim)
    given = [conv.irreps_in, "pos"]
    assert_equivariant(pooled, given, conv.irreps_out, [x, pos])
    # It depends on the features around each center, and on no others
    _, coarse = pooling_graph(pos, batch, ratio=0.2, k=7)
    j, i = coarse.edge_index
    far = torch.tensor([n for n in range(30) if n not in j[i == 0].tolist()])
    changed = x.clone()
    changed[far] += 1
    difference = (pooled(changed, pos) - out).abs().amax(1)
    assert difference[0] < 1e-12
    assert difference[1:].max() > 1e-3


def test_the_gradient_reaches_points_and_features(
    embed: EdgeEmbedding, generator: torch.Generator
) -> None:
    conv = CONVS["SEGNNConv"]().double()
    pos = torch.randn(12, 3, generator=generator).double().requires_grad_()
    x = torch.randn(12, conv.irreps_in.dim, generator=generator).double()
    x.requires_grad_()
    index, coarse = pooling_graph(pos, num_points=2, k=12)
    conv.on_edges((x, x[index]), embed.embed(coarse)).square().sum().backward()
    assert (pos.grad.abs().sum(1) > 0).all()
    assert (x.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("name", CONVS)
def test_features_of_one_set_are_refused(
    name: str, embed: EdgeEmbedding, generator: torch.Generator
) -> None:
    conv = CONVS[name]().double()
    pos = torch.randn(12, 3, generator=generator).double()
    x = torch.randn(12, conv.irreps_in.dim, generator=generator).double()
    index, coarse = pooling_graph(pos, num_points=2, k=3)
    edges = embed.embed(coarse)
    with pytest.raises(ValueError, match=r"from 12 nodes to 2 others: expected x as"):
        conv.on_edges(x, edges)
    with pytest.raises(ValueError, match=r"so many rows of x, got \[12, 12\]"):
        conv.on_edges((x, x), edges)
    conv.on_edges((x, x[index]), edges)


@pytest.mark.parametrize("conv", [PaiNNConv(4, 6), EGNNConv(4, 8, 4, edge_dim=6)])
def test_layers_of_one_set_refuse_two(
    conv: torch.nn.Module, embed: EdgeEmbedding
) -> None:
    pos = torch.rand(12, 3)
    edges = embed.float().embed(pooling_graph(pos, num_points=2, k=3)[1])
    with pytest.raises(ValueError, match="others, which this layer does not take"):
        conv.on_edges(torch.rand(12, 4), edges)


def test_radial_rows_are_not_shared(embed: EdgeEmbedding) -> None:
    """Numbers of sources and targets are those of two sets: no edge has a reverse."""
    pos = torch.rand(6, 3).double()
    coarse = pooling_graph(pos, num_points=6, k=6)[1]
    edges = embed.embed(coarse, by_pair=True)
    assert edges.pair is None
    assert torch.equal(edges.edge_attr, embed.embed(coarse).edge_attr)
