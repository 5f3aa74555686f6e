"""Data sets that PyG does not ship."""

from .charged_nbody import ChargedNBody
from .charged_trajectories import charged_trajectories

__all__ = [
    "ChargedNBody",
    "charged_trajectories",
]
