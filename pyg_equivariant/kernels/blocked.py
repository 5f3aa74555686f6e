"""The tensor product by few, large matrix products: the default in plain torch.

All paths out of one block of the first input share one product with the Clebsch-Gordan
coefficients, and all ``uvw`` paths into one output block share the matrix product that
mixes their channels. Tensors are split rather than sliced: the derivative of a split is
one concatenation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3._clebsch_gordan import clebsch_gordan
from pyg_equivariant.o3._tensor_product import TensorProduct


class _Term(NamedTuple):
    """A path, as the batched product needs it."""

    path: int
    i_out: int
    connection: str
    shape: tuple[int, int]  # (2 l_out + 1, mul2): rows of the result
    weight_shape: tuple[int, ...]  # () without weights


class _Group(NamedTuple):
    """Paths that share one product with Clebsch-Gordan coefficients."""

    i_in1: int
    i_in2: int  # of an elementwise product; -1: all of x2
    shape: tuple[int, int]  # of the coupling matrix, or of the block of x2
    terms: tuple[_Term, ...]
    rows: tuple[int, ...]  # of each term


class BlockedTensorProduct:
    """Computes what :func:`pyg_equivariant.kernels.reference.tensor_product` specifies.

    Args:
        product: the paths.

    Attributes:
        constants: the couplings, float64; a call expects them back in the dtype and on
            the device of its inputs.

    Example:
        >>> product = TensorProduct.fully_connected("2x0e+1x1o", "1x1o", "3x0e+1x1o")
        >>> compute = BlockedTensorProduct(product)
        >>> x1, x2, weight = torch.ones(7, 5), torch.ones(7, 3), torch.ones(5)
        >>> compute(x1, x2, weight, [c.float() for c in compute.constants]).shape
        torch.Size([7, 6])
    """

    def __init__(self, product: TensorProduct) -> None:
        self.sizes1 = [block.dim for block in product.irreps_in1]
        self.shapes1 = [(block.ir.dim, block.mul) for block in product.irreps_in1]
        self.sizes2 = [block.dim for block in product.irreps_in2]
        self.dims_out = [block.dim for block in product.irreps_out]
        self.weight_sizes = [s.stop - s.start for s in product.weight_slices]
        self.groups: list[_Group] = []
        self.constants: list[Tensor] = []
        outer = [i for i, p in enumerate(product.paths) if p.connection != "uuu"]
        for i_in1 in range(len(product.irreps_in1)):
            chosen = [i for i in outer if product.paths[i].i_in1 == i_in1]
            if chosen:
                self._add_outer(product, i_in1, chosen)
        for i, path in enumerate(product.paths):
            if path.connection == "uuu":
                self._add_elementwise(product, i)

    def _add_outer(self, product: TensorProduct, i_in1: int, chosen: list[int]) -> None:
        """One matrix from all of ``x2`` to all results of one block of ``x1``."""
        in2 = product.irreps_in2.slices()
        dim1 = product.irreps_in1[i_in1].ir.dim
        terms, matrices = [], []
        for i in chosen:
            path, coefficient = product.paths[i], product.coefficients[i]
            (_, ir1), (mul2, ir2), (_, ir) = product.blocks(path)
            c = coefficient * clebsch_gordan(ir1.l, ir2.l, ir.l, dtype=torch.float64)
            matrix = c.new_zeros(product.irreps_in2.dim, ir.dim * mul2, dim1)
            # rows (j, v) of x2 to rows (k, v) of the result, for every i of x1
            matrix[in2[path.i_in2]] = torch.einsum(
                "ijk,vw->jvkwi", c, torch.eye(mul2, dtype=c.dtype)
            ).reshape(-1, ir.dim * mul2, dim1)
            matrices.append(matrix)
            terms.append(_term(product, i, (ir.dim, mul2)))
        rows = tuple(math.prod(term.shape) for term in terms)
        shape = (sum(rows), dim1)
        self.groups.append(_Group(i_in1, -1, shape, tuple(terms), rows))
        self.constants.append(torch.cat(matrices, dim=1).flatten(1))

    def _add_elementwise(self, product: TensorProduct, i: int) -> None:
        path, coefficient = product.paths[i], product.coefficients[i]
        (mul, ir1), (_, ir2), (_, ir) = product.blocks(path)
        term = _term(product, i, (ir.dim, 1))
        shape = (ir2.dim, mul)
        self.groups.append(_Group(path.i_in1, path.i_in2, shape, (term,), (ir.dim,)))
        c = clebsch_gordan(ir1.l, ir2.l, ir.l, dtype=torch.float64)
        self.constants.append(coefficient * c)

    def __call__(
        self,
        x1: Tensor,
        x2: Tensor,
        weight: Tensor | None,
        constants: Sequence[Tensor],
    ) -> Tensor:
        """The product; arguments and result as in the reference."""
        blocks1 = [
            block.unflatten(-1, shape)
            for block, shape in zip(
                x1.split(self.sizes1, dim=-1), self.shapes1, strict=True
            )
        ]
        blocks2 = x2.split(self.sizes2, dim=-1)
        weights: Sequence[Tensor | None] = [None] * len(self.weight_sizes)
        if weight is not None:
            weights = weight.split(self.weight_sizes, dim=-1)
        mixed: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.dims_out]
        added: list[list[Tensor]] = [[] for _ in self.dims_out]
        for group, constant in zip(self.groups, constants, strict=True):
            a = blocks1[group.i_in1]
            if group.i_in2 < 0:
                result = (x2 @ constant).unflatten(-1, group.shape) @ a
            else:
                b = blocks2[group.i_in2].unflatten(-1, group.shape)
                result = torch.einsum("ijk,...iu,...ju->...ku", constant, a, b)
            parts = result.split(group.rows, dim=-2)
            for term, part in zip(group.terms, parts, strict=True):
                w = weights[term.path]
                if term.connection == "uvw" and w is not None:
                    mixed[term.i_out].append(_flat(part, w, term))
                else:
                    added[term.i_out].append(_weighted(part, w, term))
        out = [
            _total(mix, add, dim, (x1, x2, weight))
            for mix, add, dim in zip(mixed, added, self.dims_out, strict=True)
        ]
        return torch.cat(out, dim=-1) if out else x1.new_zeros(*x1.shape[:-1], 0)


def _term(product: TensorProduct, i: int, shape: tuple[int, int]) -> _Term:
    path = product.paths[i]
    weight_shape = product.weight_shape(path) if path.has_weight else ()
    return _Term(i, path.i_out, path.connection, shape, weight_shape)


def _flat(part: Tensor, weight: Tensor, term: _Term) -> tuple[Tensor, Tensor]:
    """Two factors ``(2 l + 1, mul2 mul1)`` and ``(mul2 mul1, mul_out)``."""
    weight = weight.unflatten(-1, term.weight_shape)
    if term.shape[1] == 1:
        return part, weight.squeeze(-2)
    part = part.unflatten(-2, term.shape).flatten(-2)
    return part, weight.transpose(-3, -2).flatten(-3, -2)


def _weighted(part: Tensor, weight: Tensor | None, term: _Term) -> Tensor:
    """A ``uvu`` or ``uuu`` term ``(..., 2 l + 1, mul1)``, times its weights."""
    if not term.weight_shape:
        weight = None
    if term.shape[1] == 1:
        return part if weight is None else part * weight.unsqueeze(-2)
    part = part.unflatten(-2, term.shape)
    if weight is not None:
        weight = weight.unflatten(-1, term.weight_shape)
        part = part * weight.transpose(-1, -2).unsqueeze(-3)
    return part.sum(-2)


def _total(
    mixed: list[tuple[Tensor, Tensor]],
    added: list[Tensor],
    dim: int,
    inputs: tuple[Tensor, Tensor, Tensor | None],
) -> Tensor:
    """All that arrives at one output block, ``(..., dim)``."""
    if mixed:
        parts, weights = zip(*mixed, strict=True)
        added = [*added, torch.cat(parts, -1) @ torch.cat(weights, -2)]
    if not added:
        leading = [x.shape[:-1] for x in inputs if x is not None]
        return inputs[0].new_zeros(*torch.broadcast_shapes(*leading), dim)
    total = added[0]
    for other in added[1:]:
        total = total + other
    return total.flatten(-2)
