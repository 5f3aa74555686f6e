"""Irreps of O(3) and the maths of their tensor products (torch, no PyG)."""

from ._clebsch_gordan import clebsch_gordan, clebsch_gordan_exact
from ._irrep import Irrep, MulIrrep
from ._irreps import Irreps
from ._tensor_product import Path, TensorProduct
from ._vector import safe_norm, safe_normalize

__all__ = [
    "Irrep",
    "MulIrrep",
    "Irreps",
    "clebsch_gordan",
    "clebsch_gordan_exact",
    "Path",
    "TensorProduct",
    "safe_norm",
    "safe_normalize",
]
