"""Complete networks: ``model(z, pos, batch)``."""

from .egnn import EGNN
from .features import Features
from .force_field import EnergyForces, ForceField
from .gated_block import GatedEquivariantBlock
from .heads import ExtensiveHead, Head, ScalarHead
from .irreps_head import IrrepsHead
from .make_head import make_head
from .molecular import MolecularModel
from .moment_heads import (
    DipoleHead,
    PolarizabilityHead,
    PositionHead,
    SpatialExtentHead,
    VectorHead,
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
    "Features",
    "Head",
    "ScalarHead",
    "ExtensiveHead",
    "IrrepsHead",
    "DipoleHead",
    "PolarizabilityHead",
    "SpatialExtentHead",
    "VectorHead",
    "PositionHead",
    "GatedEquivariantBlock",
    "make_head",
    "balanced_irreps",
]
