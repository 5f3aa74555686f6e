"""Data sets that PyG does not ship."""

from .charged_nbody import ChargedNBody

__all__ = [
    "ChargedNBody",
]
