"""Symmetric couplings as MACE's authors list them, and the way to ours."""

from __future__ import annotations

import math
from functools import cache
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


class _Chain:
    """Blocks coupled one after the other: a column of the authors' tensors."""

    def __init__(self, ir: Irrep, blocks: tuple[int, ...], tensor: np.ndarray) -> None:
        self.ir = ir
        self.blocks = blocks
        self.tensor = tensor

    def extend(self, ir: Irrep, block: int, right: Irrep) -> _Chain:
        """Couple one more block."""
        left = self.ir
        C = clebsch_gordan(ir.l, left.l, right.l, dtype=torch.float64).numpy()
        C = C * (math.sqrt(ir.dim) * sign_before_e3nn_05(ir.l, left.l, right.l))
        tensor = np.einsum("...j,ijm->...mi", self.tensor, C)
        return _Chain(ir, (*self.blocks, block), tensor)

    def onto(self, coupling: SymmetricCoupling) -> float:
        """Its part along one of our couplings."""
        if tuple(sorted(self.blocks)) != coupling.blocks:
            return 0.0
        return float(np.vdot(coupling.at(self.blocks), self.tensor)) / self.ir.dim


@cache
def _chains(irs: tuple[Irrep, ...], correlation: int, natural: bool) -> list[_Chain]:
    """All of one degree, in the authors' order."""
    if correlation == 1:
        return [_Chain(ir, (b,), np.eye(ir.dim)) for b, ir in enumerate(irs)]
    found = [
        chain.extend(ir, block, right)
        for chain in _chains(irs, correlation - 1, natural)
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


def authors_tensor(irreps_in: Irreps, ir_out: Irrep, correlation: int) -> Tensor:
    """All columns as the authors store them, ``(2 L + 1, d, ..., d, theirs)``."""
    irs = tuple(ir for _, ir in irreps_in)
    chains = _chains(irs, correlation, correlation == 4)
    columns = [chain for chain in chains if chain.ir == ir_out]
    irreps = Irreps(irs)
    shape = (*[irreps.dim] * correlation, ir_out.dim, len(columns))
    out, slices = np.zeros(shape), irreps.slices()
    for k, chain in enumerate(columns):
        where: Any = *(slices[b] for b in chain.blocks), slice(None), k
        out[where] = chain.tensor
    return torch.from_numpy(out).movedim(-2, 0)
