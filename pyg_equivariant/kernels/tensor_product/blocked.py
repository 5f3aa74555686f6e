"""The tensor product by few, large matrix products: the default in plain torch.

Paths out of one block of the first input share one product with the Clebsch-Gordan
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

from pyg_equivariant import o3
from pyg_equivariant.o3 import clebsch_gordan

_ALL = -1  # in place of a block of x2: all its blocks of multiplicity 1


class _Term(NamedTuple):
    """A path, as the matrix products need it."""

    path: int
    i_out: int
    connection: str
    shape: tuple[int, int]  # (2 l_out + 1, mul2): its rows of the result
    weight_shape: tuple[int, ...]  # () without weights


class _Group(NamedTuple):
    """Paths that share one product with Clebsch-Gordan coefficients."""

    i_in1: int
    i_in2: int  # or _ALL
    connection: str
    terms: tuple[_Term, ...]
    rows: tuple[int, ...]  # of each term


class BlockedTensorProduct:
    """Computes what the reference specifies.

    Args:
        product: the paths.

    Attributes:
        constants: the couplings, float64; a call takes them back, if they are at hand
            in the dtype and on the device of its inputs.
    """

    def __init__(self, product: o3.TensorProductPaths) -> None:
        self.irreps_in = product.irreps_in1, product.irreps_in2
        self.dims_out = [block.dim for block in product.irreps_out]
        self.weight_sizes = [s.stop - s.start for s in product.weight_slices]
        shared: dict[tuple[int, int, int], list[int]] = {}
        for i, path in enumerate(product.paths):
            muls = [mul for mul, _ in product.blocks(path)]
            if 0 in muls:
                continue  # adds nothing and has no weights
            if path.connection == "uuu":
                key = (path.i_in1, path.i_in2, i)
            else:
                key = (path.i_in1, _ALL if muls[1] == 1 else path.i_in2, -1)
            shared.setdefault(key, []).append(i)
        self.groups = [
            _group(product, i_in2, paths) for (_, i_in2, _), paths in shared.items()
        ]
        self.constants = [_couplings(product, group) for group in self.groups]
        terms = [term for group in self.groups for term in group.terms]
        outs = set(range(len(self.dims_out)))
        self.all_reached = bool(outs) and outs == {t.i_out for t in terms}
        self.all_weighted = self.all_reached and outs == {
            t.i_out for t in terms if t.weight_shape
        }

    def __call__(
        self,
        x1: Tensor,
        x2: Tensor,
        weight: Tensor | None,
        constants: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """The product; arguments and result as in the reference."""
        if constants is None:
            constants = [constant.to(x1) for constant in self.constants]
        irreps1, irreps2 = self.irreps_in
        blocks1, blocks2 = irreps1.split(x1), irreps2.split(x2)
        weights = self._split(weight)
        mixed: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.dims_out]
        added: list[list[Tensor]] = [[] for _ in self.dims_out]
        for group, constant in zip(self.groups, constants, strict=True):
            block2 = x2 if group.i_in2 == _ALL else blocks2[group.i_in2]
            result = _couple(group, constant, blocks1[group.i_in1], block2)
            parts = result.split(group.rows, dim=-2)
            for term, part in zip(group.terms, parts, strict=True):
                w = weights[term.path]
                if term.connection == "uvw" and w is not None:
                    mixed[term.i_out].append(_flat(part, w, term))
                else:
                    added[term.i_out].append(_weighted(part, w, term))
        out = [
            _total(mix, add) if mix or add else x1.new_zeros(dim)
            for mix, add, dim in zip(mixed, added, self.dims_out, strict=True)
        ]
        # A block without terms, or without weights beside others that have them, lacks
        # batch dimensions of some input.
        batched = weight is not None and weight.dim() > 1
        if not (self.all_weighted if batched else self.all_reached):
            leading = [x.shape[:-1] for x in (x1, x2, weight) if x is not None]
            batch = torch.broadcast_shapes(*leading)
            out = [block.expand(*batch, -1) for block in (*out, x1.new_zeros(0))]
        return torch.cat(out, dim=-1)

    def _split(self, weight: Tensor | None) -> Sequence[Tensor | None]:
        """The weights of each path."""
        if weight is not None:
            return weight.split(self.weight_sizes, dim=-1)
        if any(self.weight_sizes):
            raise ValueError(
                f"expected weights (..., {sum(self.weight_sizes)}), got none"
            )
        return [None] * len(self.weight_sizes)


def _group(product: o3.TensorProductPaths, i_in2: int, paths: list[int]) -> _Group:
    first = product.paths[paths[0]]
    terms = []
    for i in paths:
        path = product.paths[i]
        _, (mul2, _), (_, ir) = product.blocks(path)
        terms.append(
            _Term(
                i,
                path.i_out,
                path.connection,
                (ir.dim, 1 if path.connection == "uuu" else mul2),
                product.weight_shape(path) if path.has_weight else (),
            )
        )
    rows = tuple(math.prod(term.shape) for term in terms)
    return _Group(first.i_in1, i_in2, first.connection, tuple(terms), rows)


def _couplings(product: o3.TensorProductPaths, group: _Group) -> Tensor:
    """Coefficients side by side: ``(j, (k, i))``, or ``(k, (i, j))`` for ``uuu``."""
    in2, parts = product.irreps_in2, []
    for term in group.terms:
        path = product.paths[term.path]
        (_, ir1), (_, ir2), (_, ir) = product.blocks(path)
        c = clebsch_gordan(ir1.l, ir2.l, ir.l, dtype=torch.float64, device="cpu")
        c *= product.coefficients[term.path]
        if group.connection == "uuu":
            return c.flatten(0, 1).T.contiguous()
        part = c.permute(1, 2, 0).flatten(1)
        if group.i_in2 == _ALL:
            whole = part.new_zeros(in2.dim, part.shape[1])
            whole[in2.slices()[path.i_in2]] = part
            part = whole
        parts.append(part)
    return torch.cat(parts, dim=1)


def _couple(group: _Group, constant: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The sum over ``i`` and ``j``: ``(..., rows of all terms, mul1)``."""
    if group.connection == "uuu":
        return constant @ (a.unsqueeze(-2) * b.unsqueeze(-3)).flatten(-3, -2)
    shape = (-1, a.shape[-2])
    if group.i_in2 == _ALL:
        matrix = (b @ constant).unflatten(-1, shape)  # [..., k, i]
    else:
        matrix = (b.mT @ constant).unflatten(-1, shape)  # [..., v, k, i]
        matrix = matrix.transpose(-3, -2).flatten(-3, -2)  # [..., (k, v), i]
    result: Tensor = matrix @ a
    return result


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


def _total(mixed: list[tuple[Tensor, Tensor]], added: list[Tensor]) -> Tensor:
    """All that arrives at one output block, ``(..., dim)``."""
    if mixed:
        parts, weights = zip(*mixed, strict=True)
        added = [*added, torch.cat(parts, -1) @ torch.cat(weights, -2)]
    total = added[0]
    for other in added[1:]:
        total = total + other
    return total.flatten(-2)
