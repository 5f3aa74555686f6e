"""Complete networks: ``model(z, pos, batch)``."""

from .card import Card
from .described import DescribedModel
from .egnn import EGNN
from .features import Features
from .force_field import EnergyForces, ForceField
from .gated_block import GatedEquivariantBlock
from .heads import ExtensiveHead, Head, ScalarHead
from .irreps_head import IrrepsHead
from .mace import MACE
from .make_head import make_head
from .model_file import describe_model, load_model, save_model
from .molecular import MolecularModel
from .moment_heads import (
    DipoleHead,
    PolarizabilityHead,
    PositionHead,
    SpatialExtentHead,
    VectorHead,
)
from .nequip import NequIP
from .painn import PaiNN
from .pretrained import Pretrained
from .schnet import SchNet
from .se3_transformer import SE3Transformer
from .segnn import SEGNN, balanced_irreps
from .tfn import TFN

__all__ = [
    "SchNet",
    "PaiNN",
    "EGNN",
    "TFN",
    "NequIP",
    "MACE",
    "SE3Transformer",
    "SEGNN",
    "ForceField",
    "EnergyForces",
    "save_model",
    "load_model",
    "describe_model",
    "Card",
    "MolecularModel",
    "Pretrained",
    "DescribedModel",
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
