"""The scalars and the vectors among steerable features."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps


def scalars_and_vectors(x: Tensor, irreps: Irreps) -> tuple[Tensor, Tensor | None]:
    """All ``0e`` as ``(|V|, F)``, all ``1o`` as ``(|V|, 3, C)`` or ``None``."""
    blocks = list(zip(irreps, irreps.split(x), strict=True))
    scalars = [x[:, :0]] + [b.flatten(1) for (_, ir), b in blocks if ir.is_scalar()]
    vectors = [b for (_, ir), b in blocks if (ir.l, ir.p) == (1, -1)]
    vec = torch.cat(vectors, dim=-1) if vectors else None
    return torch.cat(scalars, dim=-1), vec
