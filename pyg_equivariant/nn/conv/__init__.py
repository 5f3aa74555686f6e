"""The convolutions, from invariant to steerable and non-linear."""

from ._equivariant_conv import EquivariantConv
from .egnn_conv import EGNNConv
from .mace_conv import MACEConv
from .mpnn_conv import MPNNConv
from .nequip_conv import NequIPConv
from .painn_conv import PaiNNConv
from .radial_field_conv import RadialFieldConv
from .schnet_conv import SchNetConv
from .se3_conv import SE3Conv
from .se3_transformer_conv import SE3TransformerConv
from .segnn_conv import SEGNNConv
from .tfn_conv import TFNConv

__all__ = [
    "EquivariantConv",
    "MPNNConv",
    "RadialFieldConv",
    "SchNetConv",
    "EGNNConv",
    "PaiNNConv",
    "TFNConv",
    "NequIPConv",
    "MACEConv",
    "SE3Conv",
    "SE3TransformerConv",
    "SEGNNConv",
]
