"""Complete networks: ``model(z, pos, batch)``."""

from ._molecular import Features, Graph, MolecularModel
from .egnn import EGNN
from .force_field import EnergyForces, ForceField
from .gated_block import GatedEquivariantBlock
from .heads import ExtensiveHead, Head, ScalarHead
from .moment_heads import (
    DipoleHead,
    PolarizabilityHead,
    PositionHead,
    SpatialExtentHead,
    VectorHead,
    make_head,
)
from .painn import PaiNN
from .schnet import SchNet
from .segnn import SEGNN, balanced_irreps
from .tfn import TFN

__all__ = [
    "SchNet",
    "PaiNN",
    "EGNN",
    "TFN",
    "SEGNN",
    "ForceField",
    "EnergyForces",
    "MolecularModel",
    "Graph",
    "Features",
    "Head",
    "ScalarHead",
    "ExtensiveHead",
    "DipoleHead",
    "PolarizabilityHead",
    "SpatialExtentHead",
    "VectorHead",
    "PositionHead",
    "GatedEquivariantBlock",
    "make_head",
    "balanced_irreps",
]
