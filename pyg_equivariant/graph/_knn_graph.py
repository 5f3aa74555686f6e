"""The graph that joins every point to its nearest neighbors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._lattice import lattice
from ._nearest import nearest
from ._points import check_flow, check_neighbors, number_of_graphs, points
from ._wrap import wrap


@torch.no_grad()
def knn_graph(
    pos: Tensor,
    k: int,
    batch: Tensor | None = None,
    cell: Tensor | None = None,
    pbc: Tensor | Sequence[bool] | bool | None = None,
    loop: bool = False,
    flow: str = "source_to_target",
) -> tuple[Tensor, Tensor | None]:
    r"""Joins every point to the ``k`` points, and periodic images, that are nearest.

    With the rules of :func:`radius_graph`: distances are compared in float64, edges
    sorted by target, source and shift, and the same however the search goes about it;
    points may lie outside of their cell; memory grows with ``k`` times the number of
    points. Gradients go through :func:`edge_vectors`. Every point has exactly ``k``
    edges, or as many as there are others in its graph where these are fewer (a
    periodic graph never runs out of images).

    The graph is not symmetric, and who is a neighbor jumps as points move: networks on
    it are not smooth. Of points that are equally near (as in a lattice, or where
    points coincide) those of lower numbers, then of lower shifts, are taken. Rounding
    decides between distances that agree in all but their last digits, so that there a
    rotation, or another order of the points, can change the choice. Use
    :func:`radius_graph` for energies and forces, and for crystals.

    Args:
        pos: positions.
        k: the number of neighbors.
        batch: the graph of each point, in any order. (default: a single graph)
        cell: lattice vectors as rows, one cell for all graphs or one for each.
        pbc: along which lattice vectors each graph, or all graphs, repeat. (default:
            all three if there is a cell)
        loop: let each point be the nearest of its own ``k`` neighbors, as in PyG;
            periodic images are no loops and always there.
        flow: ``"target_to_source"`` turns all edges around, so that they leave the
            point whose neighbors were looked for.

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, batch :math:`(|V|)`, cell :math:`(3, 3)` or
          :math:`(B, 3, 3)`, pbc :math:`(3)` or :math:`(B, 3)`
        - **output:** edge_index (source, target) :math:`(2, |E|)`; edge_shift, how
          many lattice vectors are added to ``edge_index[0]``, :math:`(|E|, 3)`, or
          None where nothing is periodic

    Raises:
        TypeError: ``k`` is no integer, or an argument no tensor.
        ValueError: positions, ``k`` or cell are none, or a graph is too far out or too
            large for float64.

    Example:
        >>> import torch
        >>> pos = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
        >>> knn_graph(pos, k=1)
        (tensor([[1, 0, 1],
                [0, 1, 2]]), None)
        >>> edge_index, edge_shift = knn_graph(pos[:1], k=6, cell=torch.eye(3))
        >>> edge_shift[:3].tolist()
        [[-1, 0, 0], [0, -1, 0], [0, 0, -1]]
    """
    check_neighbors(k)
    check_flow(flow)
    given = points(pos, batch)
    box = lattice(cell, pbc, number_of_graphs(given), given.pos)
    given = wrap(given, box, box.shortest())
    edge_index, edge_shift = nearest(given, given, box, k, loop=loop)
    if flow == "target_to_source":
        return edge_index.flip(0), None if edge_shift is None else -edge_shift
    return edge_index, edge_shift
