"""The scalars and the vectors among steerable features."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps


def scalars_and_vectors(x: Tensor, irreps: Irreps) -> tuple[Tensor, Tensor | None]:
    """All ``0e`` as ``(|V|, F)``, all ``1o`` as ``(|V|, 3, C)`` or ``None``."""
    blocks = zip(x.split([b.dim for b in irreps], dim=-1), irreps, strict=True)
    scalars, vectors = [x[:, :0]], []
    for block, (_, ir) in blocks:
        if ir.is_scalar():
            scalars.append(block)
        elif (ir.l, ir.p) == (1, -1):
            vectors.append(block.unflatten(-1, (3, -1)))
    vec = torch.cat(vectors, dim=-1) if vectors else None
    return torch.cat(scalars, dim=-1), vec
