"""Features of edges times those of their targets in one operation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths

from ..dispatch import backend, fast_or_plain, kernel_for
from ..edges import check_edge_index, check_nodes
from ..multilinear import (
    Arguments,
    Shapes,
    check_arguments,
    check_shape,
    multilinear,
)
from ..paths import Paths
from ..tensor_product.blocked import BlockedTensorProduct
from .cpu import edge_product_c
from .reference import edge_product_reference


def _shapes(paths: Paths, edge_index: Tensor, num_nodes: int) -> Shapes:
    check_edge_index(edge_index)
    edges, (x, y, w, g) = edge_index.shape[1], paths.dims
    return {"x": (edges, x), "y": (num_nodes, y), "w": (w,), "g": (edges, g)}


def _run(
    paths: Paths,
    arguments: Arguments,
    shapes: Shapes,
    outputs: str,
    edge_index: Tensor,
    num_nodes: int,
) -> list[Tensor]:
    like = next(t for t in arguments.values() if t is not None)
    check_nodes(edge_index, None, num_nodes)
    given = edge_index.long(), num_nodes, outputs
    plain = partial(edge_product_reference, paths, arguments, *given)
    if kernel_for(like) == "plain":
        return plain()
    fast = partial(edge_product_c, paths, arguments, edge_index, shapes, outputs)
    return fast_or_plain(fast, plain)


edge_product = multilinear(
    "edge_product", "uuu", "Tensor edge_index, ", "SymInt num_nodes", _run, _shapes
)
"""Derivatives of the product, see its reference."""


class EdgeProduct:
    r"""The tensor product of edges with the features of their targets.

    .. math::
        z_e = x_e \otimes_w y_i, \qquad e = (j \to i)

    channel by channel (paths ``uuu``), with weights that all edges share. Nothing is
    gathered: what arrives at one node is read once, and its derivative summed there.

    Args:
        product: the paths.

    Attributes:
        constants: the couplings, float64; a call expects them back in the dtype and on
            the device of its inputs.

    Example:
        >>> product = TensorProductPaths.elementwise("2x0e+2x1o", "2x0e+2x1o", "0e")
        >>> compute = EdgeProduct(product)
        >>> constants = [constant.float() for constant in compute.constants]
        >>> x, y = torch.ones(3, 8), torch.ones(2, 8)
        >>> edge_index = torch.tensor([[0, 1, 0], [1, 0, 1]])
        >>> compute(x, y, None, edge_index, constants).shape
        torch.Size([3, 4])
    """

    def __init__(self, product: TensorProductPaths) -> None:
        self.product = product
        self._blocked = BlockedTensorProduct(product)
        self.constants = self._blocked.constants
        self._paths: str | None = None
        if Paths.supports(product, "uuu"):
            self._paths = Paths.of(product, "uuu").text()

    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        weight: Tensor | None,
        edge_index: Tensor,
        constants: Sequence[Tensor],
    ) -> Tensor:
        """The product of every edge.

        Args:
            x: features of the edges, ``(|E|, irreps_in1.dim)``.
            y: of the nodes, ``(|V|, irreps_in2.dim)``.
            weight: ``(weight_numel,)``, or ``None`` if no path carries weights.
            edge_index: sources and targets, ``(2, |E|)``.
            constants: those of this object.

        Numbers below float32 are computed in float32.

        Raises:
            TypeError: if an argument is no tensor of real numbers.
            ValueError: if arguments do not fit the product or each other.
            IndexError: if an edge points outside.
        """
        self._check(x, y, weight, edge_index)
        given = (x, y) if weight is None else (x, y, weight)
        if self._paths is None or backend(*given) != "c":
            check_nodes(edge_index, None, y.shape[0])
            y = y.index_select(0, edge_index[1].long())
            return self._blocked(x, y, weight, constants)
        dtype = given[0].dtype
        for t in given[1:]:
            dtype = torch.promote_types(dtype, t.dtype)
        wide = torch.promote_types(dtype, torch.float32)
        x, y = x.to(wide), y.to(wide)
        weight = None if weight is None else weight.to(wide)
        rest = edge_index, self._paths, "g", y.shape[0]
        (out,) = edge_product(x, y, weight, None, *rest)
        return out.to(dtype)

    def _check(
        self, x: Tensor, y: Tensor, weight: Tensor | None, edge_index: Tensor
    ) -> None:
        check_arguments({"x": x, "y": y}, weight=weight)
        check_edge_index(edge_index, x)
        product, edges = self.product, edge_index.shape[1]
        check_shape("x", x, (edges, product.irreps_in1.dim), edges)
        rows = y.shape[0] if y.dim() else 0
        check_shape("y", y, (rows, product.irreps_in2.dim))
        if product.weight_numel or weight is not None:
            check_shape("weight", weight, (product.weight_numel,))
