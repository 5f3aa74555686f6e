"""Edges from one set of points to another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._cell_list import cell_list
from ._lattice import lattice
from ._points import check_both, check_search, number_of_graphs, points
from ._search import search
from ._wrap import wrap


@torch.no_grad()
def radius(
    pos_source: Tensor,
    pos_target: Tensor,
    cutoff: float,
    batch_source: Tensor | None = None,
    batch_target: Tensor | None = None,
    cell: Tensor | None = None,
    pbc: Tensor | Sequence[bool] | bool | None = None,
    max_num_neighbors: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Joins every target to all sources, and periodic images, closer than ``cutoff``.

    The bipartite sibling of :func:`radius_graph`, with the same rules: such as from
    the atoms of a protein to those of a ligand. Points that coincide are joined.

    Args:
        pos_source: positions that edges come from.
        pos_target: positions that edges go to.
        cutoff: the distance below which points are joined.
        batch_source: the graph of each source.
        batch_target: the graph of each target.
        cell: lattice vectors as rows, one cell for all graphs or one for each.
        pbc: along which lattice vectors each graph, or all graphs, repeat.
        max_num_neighbors: keep at most so many edges into each target, the nearest,
            and warn if others are dropped.

    Shapes:
        - **input:** pos_source :math:`(|V_s|, 3)`, pos_target :math:`(|V_t|, 3)`
        - **output:** edge_index (source, target) :math:`(2, |E|)` and edge_shift
          :math:`(|E|, 3)` or None, as in :func:`radius_graph`

    Raises:
        ValueError: positions, cutoff or cell are none, or a periodic graph is too far
            out or too large for float64.

    Example:
        >>> import torch
        >>> source = torch.tensor([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
        >>> target = torch.tensor([[0.0, 1.0, 0.0]])
        >>> radius(source, target, cutoff=2.0)
        (tensor([[0],
                [0]]), None)
    """
    check_search(cutoff, max_num_neighbors)
    check_both(batch_source, batch_target)
    source = points(pos_source, batch_source, "_source")
    target = points(pos_target, batch_target, "_target")
    box = lattice(cell, pbc, number_of_graphs(source, target), source.pos)
    source, target = wrap(source, box, cutoff), wrap(target, box, cutoff)
    found = cell_list(source, target, box, cutoff)
    return search(source, target, box, cutoff, found, most=max_num_neighbors, loop=True)
