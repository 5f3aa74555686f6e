"""Small graphs on which layers go wrong."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data


def difficult_graphs(
    dtype: torch.dtype = torch.float64, generator: torch.Generator | None = None
) -> dict[str, Data]:
    """Small graphs with ``z``, ``pos``, ``edge_index`` and ``batch``, by name.

    ==================  ==========================================================
    ``asymmetric``      directed edges most of which have no reverse; node 5 isolated
    ``two_molecules``   a batch of two such graphs of different sizes
    ``coincident``      nodes 0 and 1 at one point, joined by edges
    ``collinear``       all nodes on the y axis
    ``planar``          all nodes in the plane z = 0
    ``no_edges``        three nodes, no edge
    ``single_node``     one node
    ``empty``           no node
    ==================  ==========================================================

    Args:
        dtype: of the positions.
        generator: source of the positions and of the atomic numbers.

    Example:
        >>> difficult_graphs()["asymmetric"]
        Data(edge_index=[2, 9], pos=[6, 3], z=[6], batch=[6])
    """

    def graph(pos: Tensor, edges: list[tuple[int, int]], sizes: list[int]) -> Data:
        edge_index = torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T.contiguous()
        z = torch.randint(1, 10, (len(pos),), generator=generator)
        batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        return Data(pos=pos.to(dtype), edge_index=edge_index, z=z, batch=batch)

    def points(n: int) -> Tensor:
        return torch.randn(n, 3, generator=generator, dtype=torch.float64)

    directed = [(0, 1), (1, 0), (2, 1), (3, 1), (4, 1), (0, 2), (3, 2), (2, 4), (3, 0)]
    second = [(6, 7), (8, 7), (7, 8), (9, 6)]
    both_ways = [(i, j) for i in range(4) for j in range(4) if i != j]
    coincident, collinear, planar = points(4), points(4), points(4)
    coincident[1] = coincident[0]
    collinear[:, [0, 2]] = 0
    planar[:, 2] = 0
    return {
        "asymmetric": graph(points(6), directed, [6]),
        "two_molecules": graph(points(11), directed + second, [6, 5]),
        "coincident": graph(coincident, both_ways, [4]),
        "collinear": graph(collinear, both_ways, [4]),
        "planar": graph(planar, both_ways, [4]),
        "no_edges": graph(points(3), [], [3]),
        "single_node": graph(points(1), [], [1]),
        "empty": graph(points(0), [], [0]),
    }
