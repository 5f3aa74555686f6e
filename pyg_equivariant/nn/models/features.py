"""What a network knows of every atom in the end."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps


class Features(NamedTuple):
    """Features of atoms, from which heads predict."""

    x: Tensor
    """scalars ``(|V|, F)``"""
    vec: Tensor | None
    """vectors ``(|V|, 3, C)``, if the network has any"""
    pos: Tensor
    """positions ``(|V|, 3)``, moved where the network moves them"""
    start: Tensor | None = None
    """positions ``(|V|, 3)`` before the network moved them, if it does"""

    @classmethod
    def of_irreps(cls, x: Tensor, irreps: Irreps, pos: Tensor) -> Features:
        """All ``0e`` and all ``1o`` among steerable features."""
        blocks = list(zip(irreps, irreps.split(x), strict=True))
        scalars = [x[:, :0]] + [b.flatten(1) for (_, ir), b in blocks if ir.is_scalar()]
        vectors = [b for (_, ir), b in blocks if (ir.l, ir.p) == (1, -1)]
        vec = torch.cat(vectors, dim=-1) if vectors else None
        return cls(torch.cat(scalars, dim=-1), vec, pos)

    @property
    def atoms(self) -> Tensor:
        """Where the atoms are ``(|V|, 3)``, wherever the network moves them."""
        return self.pos if self.start is None else self.start
