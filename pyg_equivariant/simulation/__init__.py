"""Trained networks in the programs that people simulate with.

The programs are optional, and so are the modules for them:
:class:`pyg_equivariant.simulation.ase.Calculator`,
:class:`pyg_equivariant.simulation.torch_sim.TorchSimModel` and
:func:`pyg_equivariant.simulation.lammps.export_lammps`.
"""

from .ensemble import Ensemble, as_ensemble
from .neighbors import NeighborList
from .potential import PairDerivatives, Potential, Prediction

__all__ = [
    "Potential",
    "Prediction",
    "PairDerivatives",
    "Ensemble",
    "as_ensemble",
    "NeighborList",
]
