"""The displacement along every edge: the one place that knows its sign."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_equivariant.kernels import check_edge_index, check_nodes

from ._points import check_batch, check_cell, check_ends, check_shift


def check_open(
    cell: Tensor | None, pbc: Tensor | Sequence[bool] | bool | None = None
) -> None:
    """Refuse edges without images where there may be images.

    What is compiled cannot look at numbers: it refuses any cell, but with ``False``.
    """
    compiles = torch.compiler.is_compiling()
    repeats = None
    if pbc is False or (pbc is not None and not compiles):
        repeats = pbc is not False and bool(torch.as_tensor(pbc).any())
    if cell is None and repeats:
        raise ValueError(
            "edge_index came with pbc, but without edge_shift and cell, which say what "
            "images the edges join; pass both, or pbc=False for edges of no images"
        )
    if cell is not None and repeats is not False and (compiles or cell.any()):
        raise ValueError(
            "edge_index and a cell came without edge_shift, which says what images the "
            "edges join; pass edge_shift as radius_graph returns it, or cell=None or "
            "pbc=False for edges within the cell"
        )


def _translations(
    edge_shift: Tensor, cell: Tensor | None, graph: Tensor | None, like: Tensor
) -> Tensor:
    """Lattice translation of every edge, summed in a fixed order."""
    if cell is None:
        raise ValueError(
            "edge_shift counts lattice vectors, but there is no cell; give cell=(3, 3) "
            "or (num_graphs, 3, 3)"
        )
    cell = cell.reshape(-1, 3, 3).to(like.dtype)
    if len(cell) == 1:
        rows = cell[0].unbind(0)
    elif graph is None:
        raise ValueError(
            f"there are {len(cell)} cells and no batch to say which belongs to which "
            f"node; give batch"
        )
    else:
        rows = cell.index_select(0, graph).unbind(1)
    a, b, c = edge_shift.to(like.dtype).unsqueeze(-1).unbind(1)
    return a * rows[0] + b * rows[1] + c * rows[2]


def edge_vectors(
    pos: Tensor | tuple[Tensor, Tensor],
    edge_index: Tensor,
    edge_shift: Tensor | None = None,
    cell: Tensor | None = None,
    batch: Tensor | None = None,
) -> Tensor:
    r"""The vector from the target :math:`i` of every edge to its source :math:`j`.

    .. math::
        \vec{r}_{ij} = \vec{r}_j - \vec{r}_i + \mathbf{s}_{ij} \mathbf{A},
        \qquad (j, i) = \texttt{edge\_index}

    with the integer translation :math:`\mathbf{s}_{ij}` of the source and the lattice
    vectors in the rows of :math:`\mathbf{A}`. It is differentiable in ``pos`` and
    ``cell``, and an edge and its reverse get exactly opposite vectors.

    Args:
        pos: positions, or the pair (of the sources, of the targets) of a bipartite
            graph.
        edge_index: (source, target) of every edge.
        edge_shift: how many lattice vectors are added to the source; None where
            nothing is periodic.
        cell: lattice vectors as rows, of all graphs or of each; None, or zeros, where
            nothing is periodic.
        batch: the graph of every target node; needed with several cells only.

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, edge_index :math:`(2, |E|)`, edge_shift
          :math:`(|E|, 3)`, cell :math:`(3, 3)` or :math:`(B, 3, 3)`,
          batch :math:`(|V|)`
        - **output:** :math:`(|E|, 3)`

    Raises:
        TypeError: an argument is no tensor, or positions are not real numbers.
        ValueError: edge_shift comes without a cell, a cell without edge_shift, several
            cells without batch, or shapes or devices do not fit.
        IndexError: an edge points outside.

    Example:
        >>> import torch
        >>> pos = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
        >>> edge_index = torch.tensor([[1], [0]])
        >>> edge_vectors(pos, edge_index)
        tensor([[1., 2., 3.]])
        >>> shift = torch.tensor([[-1, 0, 0]])
        >>> edge_vectors(pos, edge_index, shift, cell=4 * torch.eye(3))
        tensor([[-3.,  2.,  3.]])
    """
    source, target = _ends(pos)
    check_ends(source, target)
    check_edge_index(edge_index, target, "pos")
    if edge_shift is not None:
        check_shift(edge_shift, edge_index)
        if cell is not None:
            _check_cells(cell, batch, target)
    check_nodes(edge_index, source.shape[0], target.shape[0])
    edge_index = edge_index.long()
    return vectors_along(source, target, edge_index, edge_shift, cell, batch)


def _ends(pos: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    if isinstance(pos, Tensor):
        return pos, pos
    if not isinstance(pos, (tuple, list)) or len(pos) != 2:
        raise TypeError(
            "pos is a tensor, or a pair of those of sources and of targets, got "
            f"{type(pos).__name__}"
        )
    source, target = pos
    return source, target


def _check_cells(cell: Tensor, batch: Tensor | None, target: Tensor) -> None:
    check_cell(cell, target)
    if target.shape[1] != 3:
        raise ValueError(f"expected pos (|V|, 3), got shape {tuple(target.shape)}")
    if batch is not None:
        several = cell.dim() == 3 and len(cell) != 1
        check_batch(batch, target, "batch", len(cell) if several else None)


def vectors_along(
    source: Tensor,
    target: Tensor,
    edge_index: Tensor,
    edge_shift: Tensor | None,
    cell: Tensor | None,
    batch: Tensor | None,
) -> Tensor:
    """:func:`edge_vectors` of what is known to fit."""
    j, i = edge_index[0], edge_index[1]
    vectors = source.index_select(0, j) - target.index_select(0, i)
    if edge_shift is None:
        check_open(cell)
        return vectors
    graph = None if batch is None else batch.index_select(0, i)
    return vectors + _translations(edge_shift, cell, graph, vectors)
