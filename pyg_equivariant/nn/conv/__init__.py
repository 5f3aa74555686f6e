"""The convolutions, from invariant to steerable and non-linear."""

from ._equivariant_conv import EquivariantConv
from .egnn_conv import EGNNConv
from .lie_conv import LieConv
from .mace_conv import MACEConv
from .nequip_conv import NequIPConv
from .painn_conv import PaiNNConv
from .schnet_conv import SchNetConv
from .segnn_conv import SEGNNConv
from .tfn_conv import TFNConv

__all__ = [
    "EquivariantConv",
    "SchNetConv",
    "LieConv",
    "EGNNConv",
    "PaiNNConv",
    "TFNConv",
    "NequIPConv",
    "MACEConv",
    "SEGNNConv",
]
