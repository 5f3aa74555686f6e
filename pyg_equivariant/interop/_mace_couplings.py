"""Symmetric couplings as MACE's authors list them, and the way to ours."""

from __future__ import annotations

import math
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    Irrep,
    Irreps,
    SymmetricCoupling,
    clebsch_gordan,
    symmetric_couplings,
)

from ._signs import sign_before_e3nn_05

_REST = 1e-8  # couplings may have been stored in float32


class _Chain:
    """Blocks coupled one after the other: a column of the authors' tensors."""

    def __init__(self, ir: Irrep, blocks: tuple[int, ...], tensor: np.ndarray) -> None:
        self.ir = ir
        self.blocks = blocks
        self.tensor = tensor

    def extend(self, ir: Irrep, block: int, right: Irrep, old: bool) -> _Chain:
        """Couple one more block."""
        left = self.ir
        C = clebsch_gordan(ir.l, left.l, right.l, dtype=torch.float64).numpy()
        sign = sign_before_e3nn_05(ir.l, left.l, right.l) if old else 1
        C = C * (math.sqrt(ir.dim) * sign)
        tensor = np.einsum("...j,ijm->...mi", self.tensor, C)
        return _Chain(ir, (*self.blocks, block), tensor)

    def onto(self, coupling: SymmetricCoupling) -> float:
        """Its part along one of our couplings."""
        if tuple(sorted(self.blocks)) != coupling.blocks:
            return 0.0
        return float(np.vdot(coupling.at(self.blocks), self.tensor)) / self.ir.dim


@cache
def _chains(
    irs: tuple[Irrep, ...], correlation: int, natural: bool, old: bool = True
) -> list[_Chain]:
    """All of one degree, in the authors' order."""
    if correlation == 1:
        return [_Chain(ir, (b,), np.eye(ir.dim)) for b, ir in enumerate(irs)]
    found = [
        chain.extend(ir, block, right, old)
        for chain in _chains(irs, correlation - 1, natural, old)
        for block, right in enumerate(irs)
        for ir in chain.ir * right
        if not natural or ir.p == (-1) ** ir.l
    ]
    return sorted(found, key=lambda chain: chain.ir)


@cache
def _projection(irs: tuple[Irrep, ...], ir_out: Irrep, correlation: int) -> np.ndarray:
    chains = _chains(irs, correlation, correlation == 4)
    columns = [chain for chain in chains if chain.ir == ir_out]
    rows = symmetric_couplings(Irreps(irs), ir_out, correlation)
    found = np.array([[c.onto(row) for c in columns] for row in rows])
    return found.reshape(len(rows), len(columns))


def projection(irreps_in: Irreps, ir_out: Irrep, correlation: int) -> Tensor:
    """Our weights of one degree from the authors', ``(ours, theirs)``, float64.

    Their tensors are neither symmetric nor independent, but only their symmetric part
    meets the features. The pseudo-inverse leads back, to the least of all weights that
    are the same function.
    """
    irs = tuple(ir for _, ir in irreps_in)
    return torch.from_numpy(_projection(irs, ir_out, correlation).copy())


def projection_of(irreps_in: Irreps, ir_out: Irrep, tensor: Tensor) -> Tensor | None:
    """Our weights of one degree from those of any couplings, ``(ours, theirs)``.

    Args:
        irreps_in: of the features, every block once.
        ir_out: irrep of the polynomials.
        tensor: the couplings, ``(2 L + 1, d, ..., d, theirs)``.

    Returns:
        ``None`` if these are no equivariant polynomials.
    """
    theirs = tensor.double().cpu().numpy().transpose(*range(1, tensor.dim()), 0)
    degree = theirs.ndim - 2
    rows = symmetric_couplings(irreps_in, ir_out, degree)
    found = np.zeros((len(rows), theirs.shape[-2]))
    slices, axes = irreps_in.slices(), (range(degree + 1), range(degree + 1))
    for row, coupling in zip(found, rows, strict=True):
        for blocks in set(permutations(coupling.blocks)):
            part = theirs[tuple(slices[b] for b in blocks)]
            row += np.tensordot(part.swapaxes(-1, -2), coupling.at(blocks), axes)
    found /= ir_out.dim
    symmetric = _symmetric(theirs, degree)
    rest = (symmetric**2).sum() - ir_out.dim * (found**2).sum()
    return torch.from_numpy(found) if abs(rest) < _REST * (1 + found.size) else None


def _symmetric(tensor: np.ndarray, degree: int) -> np.ndarray:
    """The mean over all exchanges of the first axes."""
    last = degree, degree + 1
    orders = list(permutations(range(degree)))
    total = sum(tensor.transpose(*order, *last) for order in orders)
    return np.asarray(total) / len(orders)


def authors_tensor(
    irreps_in: Irreps, ir_out: Irrep, correlation: int, old: bool = True
) -> Tensor:
    """All columns as the authors store them, ``(2 L + 1, d, ..., d, theirs)``.

    Args:
        irreps_in: of the features, every block once.
        ir_out: irrep of the polynomials.
        correlation: their degree.
        old: with the signs of e3nn 0.4.4, which MACE pins.
    """
    irs = tuple(ir for _, ir in irreps_in)
    chains = _chains(irs, correlation, correlation == 4, old)
    columns = [chain for chain in chains if chain.ir == ir_out]
    irreps = Irreps(irs)
    shape = (*[irreps.dim] * correlation, ir_out.dim, len(columns))
    out, slices = np.zeros(shape), irreps.slices()
    for k, chain in enumerate(columns):
        where: Any = *(slices[b] for b in chain.blocks), slice(None), k
        out[where] = chain.tensor
    return torch.from_numpy(out).movedim(-2, 0)
