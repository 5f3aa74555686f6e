"""A steered linear map of features gathered from both ends of every edge."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths

from ..compiled.build import compiler
from ..compiled.memory import on_cpu
from ..convolution.table import Table, Term
from ..convolution.trilinear import contract
from .steer import steer
from .table import SteerTable, SteerTerm


class GatheredMap:
    r"""A steered linear map of :math:`(x_i, x_j, e_{ij})` that mixes channels on nodes.

    .. math::
        z_{ij} = \mathbf{W}_{y_{ij}} (x_i \oplus x_j \oplus e_{ij})

    Mixing channels commutes with gathering, and there are far fewer nodes than edges:
    every path multiplies its matrix at the nodes, and a depth-wise product without
    weights is left for the edges.

    Args:
        product: as for :class:`~pyg_equivariant.kernels.steered.steer.SteeredMap`; its
            first input holds the features of receivers, those of senders, and others.
        num_blocks: the number of blocks that a node has.

    Raises:
        ValueError: if senders and receivers have other irreps, or a path is of another
            kind; see :meth:`supports`.

    Example:
        >>> from pyg_equivariant.kernels.convolution.incidence import incidence
        >>> product = TensorProductPaths.fully_connected(
        ...     "4x0e+4x1o+4x0e+4x1o+2x0e", "0e+1o", "8x0e+8x1o"
        ... )
        >>> gathered = GatheredMap(product, 2)
        >>> x, e, y = torch.randn(5, 16), torch.randn(3, 2), torch.randn(3, 4)
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> weight = torch.randn(product.weight_numel)
        >>> gathered(x, x, e, y, weight, incidence(edge_index, 5).ends).shape
        torch.Size([3, 32])
    """

    def __init__(self, product: TensorProductPaths, num_blocks: int) -> None:
        irreps = product.irreps_in1
        if irreps[:num_blocks] != irreps[num_blocks : 2 * num_blocks]:
            raise ValueError(
                "receivers and senders have the same irreps, expected twice the first "
                f"{num_blocks} blocks in {irreps}"
            )
        whole = SteerTable.of(product)
        width = irreps[:num_blocks].dim
        receivers, senders, others = (
            [t._replace(x=t.x - at) for t in whole.terms if at <= t.x < end]
            for at, end in ((0, width), (width, 2 * width), (2 * width, whole.dims[0]))
        )
        _, y, w, g = whole.dims
        mixed, joined = _at_nodes(receivers)
        dims = width, 1, w, mixed
        self.receivers = SteerTable(dims, _mixes(receivers, joined)).text()
        self.senders = SteerTable(dims, _mixes(senders, joined)).text()
        self.join = Table((mixed, y, 0, g), tuple(joined)).text()
        dims = irreps.dim - 2 * width, y, w, g
        self.others = SteerTable(dims, tuple(others)).text()
        self._compiles = compiler() is not None

    @staticmethod
    def supports(product: TensorProductPaths) -> bool:
        """Whether all paths are ``uvw`` with multiplicity 1 in the second input."""
        return SteerTable.supports(product)

    def is_fast_for(self, *tensors: Tensor) -> bool:
        """Whether there is a compiled backend for such tensors."""
        return self._compiles and on_cpu(*tensors)

    def __call__(
        self,
        x_i: Tensor,
        x_j: Tensor,
        e: Tensor | None,
        y: Tensor,
        weight: Tensor,
        ends: Tensor,
    ) -> Tensor:
        """The map of every edge, ``(|E|, irreps_out.dim)``.

        Args:
            x_i: features of all receivers.
            x_j: features of all senders.
            e: what edges add, or ``None`` if nothing.
            y: attributes of the edges.
            weight: flat, ``(weight_numel,)``.
            ends: of the edges, see
                :class:`~pyg_equivariant.kernels.convolution.incidence.Incidence`.

        Numbers below float32 are summed in float32.
        """
        dtype = torch.promote_types(x_i.dtype, y.dtype)
        wide = torch.promote_types(dtype, torch.float32)
        x_i, x_j, y, weight = (t.to(wide) for t in (x_i, x_j, y, weight))
        nodes = []
        for x, table in ((x_j, self.senders), (x_i, self.receivers)):
            rows = x.shape[0]
            one = x.new_ones(1).expand(rows, 1)
            nodes += steer(x, one, weight, None, rows, table, "g")
        count = y.shape[0]
        sizes = x_i.shape[0] + x_j.shape[0], count
        both = torch.cat(nodes), y.repeat(2, 1)
        (out,) = contract(*both, None, None, ends, *sizes, self.join, "g")
        if e is not None:
            e = e.to(wide)
            out = out + steer(e, y, weight, None, count, self.others, "g")[0]
        return out.to(dtype)


def _at_nodes(terms: list[SteerTerm]) -> tuple[int, list[Term]]:
    """How many numbers the paths have at a node, and how edges join them."""
    at, joined = 0, []
    for t in terms:
        place = at, t.y, -1, t.g, t.coefficient
        joined.append(Term(t.l1, t.l2, t.l3, t.mul3, *place))
        at += (2 * t.l1 + 1) * t.mul3
    return at, joined


def _mixes(terms: list[SteerTerm], joined: list[Term]) -> tuple[SteerTerm, ...]:
    """The matrix of every path, applied to its block: the attribute is 1."""
    return tuple(
        t._replace(l2=0, l3=t.l1, y=0, g=j.x, coefficient=math.sqrt(2 * t.l1 + 1))
        for t, j in zip(terms, joined, strict=True)
    )
