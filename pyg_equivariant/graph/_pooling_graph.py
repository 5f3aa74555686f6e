"""From all points of a cloud to some that stand for their surroundings."""

from __future__ import annotations

from torch import Tensor

from ._fps import fps
from ._knn import knn
from ._neighbor_graph import Graph
from ._points import check_neighbors, check_search
from ._radius import radius


def pooling_graph(
    pos: Tensor,
    batch: Tensor | None = None,
    ratio: float | None = None,
    num_points: int | None = None,
    k: int | None = None,
    cutoff: float | None = None,
) -> tuple[Tensor, Graph]:
    r"""Edges from the points of a cloud to some of them, for pooling of any features.

    The centers are chosen by :func:`fps`, and each is joined to the points around it,
    itself among them, by :func:`knn` or :func:`radius`. A convolution along these edges
    is a pooling that is as equivariant as the convolution, whatever the irreps:

    .. code-block:: python

        index, coarse = pooling_graph(pos, batch, ratio=0.25, k=16)
        edges = embed.embed(coarse)  # an nn.EdgeEmbedding
        x = conv.on_edges((x, x[index]), edges)  # TFNConv, SEGNNConv or SchNetConv
        pos, batch = coarse.pos, coarse.batch  # of the centers: and so on

    Args:
        pos: positions.
        batch: the graph of each point, in any order. (default: a single graph)
        ratio: choose this part of the points of each graph, see :func:`fps`.
        num_points: or choose so many points of each graph.
        k: join each center to so many points, the nearest.
        cutoff: or join it to all that are closer than this.

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, batch :math:`(|V|)`
        - **output:** numbers of the centers, graph by graph, and a :class:`Graph` whose
          ``sources`` are ``pos``, whose ``pos`` and ``batch`` are those of the centers

    Raises:
        TypeError: an argument is no tensor or number.
        ValueError: neither or both of ``ratio`` and ``num_points``, or of ``k`` and
            ``cutoff``, came, or what came is none.

    Example:
        >>> import torch
        >>> pos = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [4.0, 0, 0]])
        >>> index, coarse = pooling_graph(pos, num_points=2, k=2)
        >>> index
        tensor([3, 0])
        >>> coarse.edge_index
        tensor([[2, 3, 0, 1],
                [0, 0, 1, 1]])
    """
    if k is not None and cutoff is None:
        check_neighbors(k)
    elif cutoff is not None and k is None:
        check_search(cutoff, None)
    else:
        came = "neither" if k is None else "both"
        raise ValueError(f"give k, a number of neighbors, or cutoff, got {came}")
    index = fps(pos, batch, ratio, num_points)
    centers = pos.index_select(0, index)
    own = None if batch is None else batch.index_select(0, index)
    if k is not None:
        edge_index, _ = knn(pos, centers, k, batch, own)
    else:
        assert cutoff is not None
        edge_index, _ = radius(pos, centers, cutoff, batch, own)
    batch_size = 1
    if batch is not None:
        batch_size = int(batch.max()) + 1 if len(batch) else 0
    return index, Graph(centers, own, batch_size, edge_index, sources=pos)
