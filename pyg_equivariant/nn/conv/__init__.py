"""The convolutions, from invariant to steerable and non-linear."""

from ._equivariant_conv import EquivariantConv
from .dimenet_conv import DimeNetConv
from .dimenet_pp_conv import DimeNetPPConv
from .egnn_conv import EGNNConv
from .mace_conv import MACEConv
from .nequip_conv import NequIPConv
from .painn_conv import PaiNNConv
from .schnet_conv import SchNetConv
from .segnn_conv import SEGNNConv
from .spherenet_conv import SphereNetConv
from .tfn_conv import TFNConv

__all__ = [
    "EquivariantConv",
    "SchNetConv",
    "DimeNetConv",
    "DimeNetPPConv",
    "SphereNetConv",
    "EGNNConv",
    "PaiNNConv",
    "TFNConv",
    "NequIPConv",
    "MACEConv",
    "SEGNNConv",
]
