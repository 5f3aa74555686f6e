"""The fully connected product of features gathered from both ends of every edge."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths, check_device

from ..convolution.operator import convolution
from ..dispatch import autocasts, backend
from ..edges import check_edge_index, check_nodes, ends
from ..multilinear import check_arguments, check_shape
from ..paths import Dims, Paths, Term
from ..tensor_product.blocked import BlockedTensorProduct
from .operator import fully_connected


class _Inputs(NamedTuple):
    """What a call of :class:`NodeFirst` takes besides the edges."""

    x_i: Tensor
    x_j: Tensor
    edge_attr: Tensor | None
    edge_sh: Tensor
    weight: Tensor


class NodeFirst:
    r"""A product of :math:`(x_i, x_j, e_{ij})` that mixes channels on nodes first.

    .. math::
        z_{ij} = (x_i \oplus x_j \oplus e_{ij}) \otimes_{\mathbf{W}} y_{ij}

    Mixing channels commutes with gathering, and there are far fewer nodes than edges:
    every path multiplies its matrix at the nodes, and a depth-wise product without
    weights is left for the edges. Other products than fully connected ones (``uvw``,
    multiplicity 1 in the second input), and other devices than the CPU, take the
    product of gathered features.

    Args:
        product: the paths; its first input holds the features of receivers, those of
            senders, and others.
        num_blocks: the number of blocks that a node has.

    Raises:
        ValueError: if senders and receivers have other irreps.

    Example:
        >>> product = TensorProductPaths.fully_connected(
        ...     "4x0e+4x1o+4x0e+4x1o+2x0e", "0e+1o", "8x0e+8x1o"
        ... )
        >>> multiply = NodeFirst(product, 2)
        >>> x, edge_attr, edge_sh = torch.randn(5, 16), torch.randn(3, 2), torch.randn(3, 4)
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> weight = torch.randn(product.weight_numel)
        >>> multiply(x, x, edge_attr, edge_sh, weight, edge_index).shape
        torch.Size([3, 32])
    """  # noqa: E501

    def __init__(self, product: TensorProductPaths, num_blocks: int) -> None:
        irreps = product.irreps_in1
        if irreps[:num_blocks] != irreps[num_blocks : 2 * num_blocks]:
            raise ValueError(
                "receivers and senders have the same irreps, expected twice the first "
                f"{num_blocks} blocks in {irreps}"
            )
        self.product = product
        self.node_dim = irreps[:num_blocks].dim
        self._blocked = BlockedTensorProduct(product)
        self._split = product.weight_numel > 0 and Paths.supports(product, "uvw")
        if self._split:
            self._split_paths(Paths.of(product, "uvw"))

    def _split_paths(self, paths: Paths) -> None:
        """Those of receivers and of senders, what joins them at edges, and others."""
        width, (x, y, w, g) = self.node_dim, paths.dims
        receivers, senders, others = (
            [t._replace(x=t.x - start) for t in paths.terms if start <= t.x < stop]
            for start, stop in ((0, width), (width, 2 * width), (2 * width, x))
        )
        mixed, join = _at_nodes(receivers)
        dims = Dims(width, 1, w, mixed)
        self._receivers = Paths("uvw", dims, _mixes(receivers, join)).text()
        self._senders = Paths("uvw", dims, _mixes(senders, join)).text()
        self._join = Paths("uvu", Dims(mixed, y, 0, g), tuple(join)).text()
        dims = Dims(x - 2 * width, y, w, g)
        self._others = Paths("uvw", dims, tuple(others)).text()

    def __call__(
        self,
        x_i: Tensor,
        x_j: Tensor,
        edge_attr: Tensor | None,
        edge_sh: Tensor,
        weight: Tensor,
        edge_index: Tensor,
    ) -> Tensor:
        """The product of every edge, ``(|E|, irreps_out.dim)``.

        Args:
            x_i: features of all receivers.
            x_j: features of all senders.
            edge_attr: what edges add, or ``None`` if nothing.
            edge_sh: the second input, of the edges.
            weight: flat, ``(weight_numel,)``.
            edge_index: senders and receivers of edges, ``(2, |E|)``.

        The kernels sum numbers below float32 in float32.

        Raises:
            TypeError: if an argument is no tensor of real numbers, or ``edge_index`` no
                tensor.
            ValueError: if the arguments do not fit the product or the edges.
            IndexError: if an edge points outside.
        """
        check_edge_index(edge_index)
        given = _Inputs(x_i, x_j, edge_attr, edge_sh, weight)
        self._check(given, edge_index.shape[1])
        check_device(edge_index, edge_sh, "edge_index", "edge_sh")
        fast = self._split and backend(*given) == "c"
        return (self._at_nodes if fast else self._at_edges)(given, edge_index)

    def _check(self, given: _Inputs, edges: int) -> None:
        x_i, x_j, edge_attr, edge_sh, weight = given
        needed = {"x_i": x_i, "x_j": x_j, "edge_sh": edge_sh, "weight": weight}
        check_arguments(needed, edge_attr=edge_attr)
        product, width = self.product, self.node_dim
        check_shape("x_i", x_i, (*x_i.shape[:1], width))
        check_shape("x_j", x_j, (*x_j.shape[:1], width))
        check_shape("edge_sh", edge_sh, (edges, product.irreps_in2.dim), edges)
        check_shape("weight", weight, (product.weight_numel,))
        others = product.irreps_in1.dim - 2 * width
        if edge_attr is not None or others:
            check_shape("edge_attr", edge_attr, (edges, others), edges)

    def _at_nodes(self, given: _Inputs, edge_index: Tensor) -> Tensor:
        x_i, x_j, edge_attr, edge_sh, weight = given
        dtype = torch.promote_types(x_i.dtype, edge_sh.dtype)
        wide = torch.promote_types(dtype, torch.float32)
        x_i, x_j, edge_sh, weight = (t.to(wide) for t in (x_i, x_j, edge_sh, weight))
        nodes = []
        for x, paths in ((x_j, self._senders), (x_i, self._receivers)):
            rows = x.shape[0]
            one = x.new_ones(1).expand(rows, 1)
            nodes += fully_connected(x, one, weight, None, paths, "g", rows)
        both = torch.cat(nodes), edge_sh.repeat(2, 1)
        both_ends = ends(edge_index, x_j.shape[0], x_i.shape[0])
        sizes = x_i.shape[0] + x_j.shape[0], edge_sh.shape[0]
        rest = self._join, "g", *sizes, "auto"
        (out,) = convolution(*both, None, None, both_ends, *rest)
        if edge_attr is not None:
            inputs = edge_attr.to(wide), edge_sh, weight, None
            (other,) = fully_connected(*inputs, self._others, "g", edge_sh.shape[0])
            out = out + other
        return out.to(dtype)

    def _at_edges(self, given: _Inputs, edge_index: Tensor) -> Tensor:
        x_i, x_j, edge_attr, edge_sh, weight = given
        check_nodes(edge_index, x_j.shape[0], x_i.shape[0])
        if not autocasts(x_i.device.type):
            dtype = torch.promote_types(x_i.dtype, edge_sh.dtype)
            x_i, x_j, edge_sh, weight = (
                t.to(dtype) for t in (x_i, x_j, edge_sh, weight)
            )
            edge_attr = None if edge_attr is None else edge_attr.to(dtype)
        source, target = edge_index.long()
        gathered = [x_i.index_select(0, target), x_j.index_select(0, source)]
        if edge_attr is not None:
            gathered.append(edge_attr)
        x = torch.cat(gathered, dim=-1)
        return self._blocked(x, edge_sh, weight)


def _at_nodes(terms: list[Term]) -> tuple[int, list[Term]]:
    """How many numbers the paths have at a node, and how edges join them."""
    start, join = 0, []
    for t in terms:
        join.append(t._replace(mul1=t.mul3, x=start, w=-1))
        start += (2 * t.l1 + 1) * t.mul3
    return start, join


def _mixes(terms: list[Term], join: list[Term]) -> tuple[Term, ...]:
    """The matrix of every path, applied to its block: the second input is 1."""
    return tuple(
        t._replace(l2=0, l3=t.l1, y=0, g=j.x, coefficient=math.sqrt(2 * t.l1 + 1))
        for t, j in zip(terms, join, strict=True)
    )
