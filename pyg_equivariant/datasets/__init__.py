"""Data sets that PyG does not ship."""

from ._charged_dynamics import Trajectories
from .charged_nbody import ChargedNBody
from .charged_trajectories import charged_trajectories
from .indistinguishable import chain_pair, star_pair, twin_environments, twisted_pair

__all__ = [
    "ChargedNBody",
    "charged_trajectories",
    "Trajectories",
    "chain_pair",
    "star_pair",
    "twisted_pair",
    "twin_environments",
]
