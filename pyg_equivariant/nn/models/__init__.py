"""Complete networks: ``model(z, pos, batch)``."""

from .allegro import Allegro
from .card import Card
from .cormorant import Cormorant
from .described import DescribedModel
from .dimenet import DimeNet
from .dimenet_plus_plus import DimeNetPlusPlus
from .egnn import EGNN
from .features import Features
from .force_field import EnergyForces, ForceField
from .gated_block import GatedEquivariantBlock
from .heads import ExtensiveHead, Head, ScalarHead
from .irreps_head import IrrepsHead
from .l1net import L1Net
from .lie_res_net import LieResNet
from .mace import MACE
from .make_head import Asked, make_head
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
from .nmp import NMP
from .painn import PaiNN
from .pretrained import Pretrained
from .schnet import SchNet
from .se3_transformer import SE3Transformer
from .segnn import SEGNN, balanced_irreps
from .spherenet import SphereNet
from .tfn import TFN

__all__ = [
    "SchNet",
    "NMP",
    "DimeNet",
    "DimeNetPlusPlus",
    "SphereNet",
    "PaiNN",
    "LieResNet",
    "EGNN",
    "TFN",
    "L1Net",
    "NequIP",
    "MACE",
    "Allegro",
    "SE3Transformer",
    "Cormorant",
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
    "Asked",
    "balanced_irreps",
]
