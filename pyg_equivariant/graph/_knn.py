"""Edges from the points of one set that are nearest to those of another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._lattice import lattice
from ._nearest import nearest
from ._points import check_both, check_neighbors, number_of_graphs, points
from ._wrap import wrap


@torch.no_grad()
def knn(
    pos_source: Tensor,
    pos_target: Tensor,
    k: int,
    batch_source: Tensor | None = None,
    batch_target: Tensor | None = None,
    cell: Tensor | None = None,
    pbc: Tensor | Sequence[bool] | bool | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Joins every target to the ``k`` sources, and periodic images, that are nearest.

    The bipartite sibling of :func:`knn_graph`, with the same rules: such as from the
    points of a cloud to some of them, see :func:`fps`. Points that coincide are joined.
    Edges run from sources to targets, as all of ours; PyG's ``knn`` gives the same
    pairs in the rows (target, source).

    Args:
        pos_source: positions that edges come from.
        pos_target: positions that edges go to.
        k: the number of sources of each target.
        batch_source: the graph of each source, in any order.
        batch_target: the graph of each target, in any order.
        cell: lattice vectors as rows, one cell for all graphs or one for each.
        pbc: along which lattice vectors each graph, or all graphs, repeat.

    Shapes:
        - **input:** pos_source :math:`(|V_s|, 3)`, pos_target :math:`(|V_t|, 3)`
        - **output:** edge_index (source, target) :math:`(2, |E|)` and edge_shift
          :math:`(|E|, 3)` or None, as in :func:`knn_graph`

    Raises:
        TypeError: ``k`` is no integer, or an argument no tensor.
        ValueError: positions, ``k`` or cell are none, or a graph is too far out or too
            large for float64.

    Example:
        >>> import torch
        >>> source = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
        >>> target = torch.tensor([[0.0, 1.0, 0.0]])
        >>> knn(source, target, k=2)
        (tensor([[0, 1],
                [0, 0]]), None)
    """
    check_neighbors(k)
    check_both(batch_source, batch_target)
    source = points(pos_source, batch_source, "_source")
    target = points(pos_target, batch_target, "_target")
    box = lattice(cell, pbc, number_of_graphs(source, target), source.pos)
    source, target = (wrap(x, box, box.shortest()) for x in (source, target))
    return nearest(source, target, box, k, loop=True)
