"""Pairs of edges that follow one another: where angles are."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.kernels import check_edge_index
from pyg_equivariant.o3 import check_last, widen

from ._points import check_shift


@torch.no_grad()
def triplets(
    edge_index: Tensor,
    edge_shift: Tensor | None = None,
    edge_vec: Tensor | None = None,
) -> Tensor:
    r"""All pairs of edges :math:`k \to j \to i` that do not lead back.

    The edges of the line graph, whose nodes are the edges of the graph: a convolution
    with this ``edge_index`` passes messages from edges to edges.

    A path that ends where it began is left out, :math:`k = i`; in a periodic system, if
    it ends in the same cell: other images of an atom are other neighbors. No other
    memory is used than for the result, and nothing is asked of the edges: they may come
    in any order, without their reverses, twice, or not at all.

    Args:
        edge_index: (source, target) of every edge.
        edge_shift: how many lattice vectors are added to the source; None where
            nothing is periodic.
        edge_vec: vectors from target to source, which tell images apart where shifts
            are not known: a path back ends where it began, to a hundredth of its
            length.

    Shapes:
        - **input:** edge_index :math:`(2, |E|)`, edge_shift and edge_vec
          :math:`(|E|, 3)`
        - **output:** the edges :math:`(k \to j)` in the first row and
          :math:`(j \to i)` in the second, :math:`(2, |T|)`, the second ascending

    Raises:
        TypeError: if an argument is no tensor.
        ValueError: if the edges are not two rows of integers, or without numbers, or
            the shifts do not fit them.

    Example:
        >>> import torch
        >>> edge_index = torch.tensor([[0, 1, 2, 1], [1, 0, 1, 2]])
        >>> triplets(edge_index)
        tensor([[2, 0],
                [1, 3]])
    """
    check_edge_index(edge_index)
    if edge_shift is not None:
        check_shift(edge_shift, edge_index)
    if edge_vec is not None:
        check_last(edge_vec, 3, "edge_vec")
        if edge_vec.shape != (edge_index.shape[1], 3):
            raise ValueError(
                f"expected one row of edge_vec for each of {edge_index.shape[1]} "
                f"edges, got shape {tuple(edge_vec.shape)}"
            )
    if edge_index.is_meta:
        raise ValueError("edge_index is on meta, where no edges follow one another")
    source, target = edge_index.long().contiguous()
    arrived, order = target.sort(stable=True)
    first = torch.searchsorted(arrived, source)
    number = torch.searchsorted(arrived, source, right=True) - first
    ji = torch.repeat_interleave(number)
    # the how manieth of the edges that arrive at j
    begin = first - (number.cumsum(0) - number)
    place = torch.arange(ji.shape[0], device=ji.device) + begin.index_select(0, ji)
    kj = order.index_select(0, place)
    back = source.index_select(0, kj) == target.index_select(0, ji)
    if edge_shift is not None:
        moved = edge_shift.index_select(0, kj) + edge_shift.index_select(0, ji)
        back &= (moved == 0).all(dim=1)
    elif edge_vec is not None:
        first_half, second_half = (widen(edge_vec).index_select(0, e) for e in (kj, ji))
        path = (first_half.square() + second_half.square()).sum(dim=1)
        back &= (first_half + second_half).square().sum(dim=1) <= 1e-4 * path
    return torch.stack([kj, ji])[:, ~back]
