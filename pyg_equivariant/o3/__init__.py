"""Irreps of O(3) and the maths of their tensor products (torch, no PyG)."""

from ._irreps import Irrep, Irreps, MulIrrep
from ._vector import safe_norm, safe_normalize

__all__ = [
    "Irrep",
    "MulIrrep",
    "Irreps",
    "safe_norm",
    "safe_normalize",
]
