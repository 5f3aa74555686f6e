"""What a network knows of every atom in the end."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, check_alike, check_real


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
    steerable: Tensor | None = None
    """all features, if the network has others than scalars and vectors"""
    graph: Graph | None = None
    """the edges, for a head"""

    @classmethod
    def of_irreps(cls, x: Tensor, irreps: Irreps, pos: Tensor) -> Features:
        """All ``0e`` and all ``1o`` among steerable features."""
        blocks = list(zip(irreps, irreps.split(x), strict=True))
        scalars = [x[:, :0]] + [b.flatten(1) for (_, ir), b in blocks if ir.is_scalar()]
        vectors = [b for (_, ir), b in blocks if (ir.l, ir.p) == (1, -1)]
        vec = torch.cat(vectors, dim=-1) if vectors else None
        return cls(torch.cat(scalars, dim=-1), vec, pos, steerable=x)

    def of_all_irreps(self) -> Tensor:
        """All features ``(|V|, irreps.dim)``, those of a network of scalars and vectors
        as ``0e`` and ``1o``.
        """
        if self.steerable is not None:
            return self.steerable
        check_real(self.x, "x")
        if self.vec is None:
            return self.x
        check_alike(x=self.x, vec=self.vec)
        rows = self.x.shape[0] if self.x.dim() else 0
        if self.x.dim() != 2 or self.vec.dim() != 3 or self.vec.shape[0] != rows:
            raise ValueError(
                f"expected x (|V|, *) and vec (|V|, 3, *), got x {tuple(self.x.shape)} "
                f"and vec {tuple(self.vec.shape)}"
            )
        return torch.cat([self.x, self.vec.flatten(1)], dim=-1)

    @property
    def atoms(self) -> Tensor:
        """Where the atoms are ``(|V|, 3)``, wherever the network moves them."""
        return self.pos if self.start is None else self.start
