"""Channels mixed at the nodes give what channels mixed at the edges give."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels import NodeFirst
from pyg_equivariant.kernels.tensor_product import reference
from pyg_equivariant.o3 import Irreps, TensorProductPaths

GRAPHS = {"some": (6, 5, 40), "many": (30, 40, 700), "none": (3, 2, 0)}


def edges_of(graph: str) -> tuple[torch.Tensor, int, int]:
    sources, targets, edges = GRAPHS[graph]
    ends = torch.randint(sources, (edges,)), torch.randint(targets, (edges,))
    return torch.stack(ends), sources, targets


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("others", ["0x0e", "2x0e", "1x0e+1x1o"])
def test_is_the_map_of_gathered_features(graph: str, others: str) -> None:
    irreps, sh = Irreps("5x0e+3x1o+2x2e"), Irreps.spherical_harmonics(3)
    both = irreps + irreps + Irreps(others).remove_zero_multiplicities()
    product = TensorProductPaths.fully_connected(both, sh, "7x0e+3x1o+2x2e")
    multiply = NodeFirst(product, len(irreps))
    edge_index, sources, targets = edges_of(graph)
    count = edge_index.shape[1]
    shapes = (targets, irreps.dim), (sources, irreps.dim), (count, Irreps(others).dim)
    tensors = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in (*shapes, (count, sh.dim), (product.weight_numel,))
    ]

    def at_nodes(x_i, x_j, e, y, w):
        return multiply(x_i, x_j, e if e.shape[1] else None, y, w, edge_index)

    def at_edges(x_i, x_j, e, y, w):
        j, i = edge_index
        x = torch.cat([x_i[i], x_j[j], e], dim=-1)
        return reference.tensor_product(product, x, y, w)

    results = []
    for function in (at_nodes, at_edges):
        torch.manual_seed(1)
        out = function(*tensors)
        scalar = (out * torch.randn_like(out)).sum() + 0 * tensors[2].sum()
        first = torch.autograd.grad(scalar, tensors, create_graph=True)
        scalar = sum((f * torch.randn_like(f)).sum() for f in first)
        scalar = scalar + sum(0 * t.sum() for t in tensors)
        results.append([out, *first, *torch.autograd.grad(scalar, tensors)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-10)


def test_ends_of_other_irreps_are_refused() -> None:
    product = TensorProductPaths.fully_connected("2x0e+2x1o", "0e+1o", "2x0e")
    with pytest.raises(ValueError, match="twice the first"):
        NodeFirst(product, 1)
