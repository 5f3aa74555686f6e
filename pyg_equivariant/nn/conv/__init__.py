"""The convolutions, from invariant to steerable and non-linear."""

from ._equivariant_conv import EquivariantConv
from .allegro_conv import AllegroConv
from .cormorant_conv import CormorantConv
from .dimenet_conv import DimeNetConv
from .dimenet_pp_conv import DimeNetPPConv
from .egnn_conv import EGNNConv
from .l1net_conv import L1NetConv
from .lie_conv import LieConv
from .mace_conv import MACEConv
from .mpnn_conv import MPNNConv
from .nequip_conv import NequIPConv
from .painn_conv import PaiNNConv
from .radial_field_conv import RadialFieldConv
from .schnet_conv import SchNetConv
from .se3_conv import SE3Conv
from .se3_transformer_conv import SE3TransformerConv
from .segnn_conv import SEGNNConv
from .spherenet_conv import SphereNetConv
from .tfn_conv import TFNConv

__all__ = [
    "EquivariantConv",
    "MPNNConv",
    "RadialFieldConv",
    "SchNetConv",
    "LieConv",
    "DimeNetConv",
    "DimeNetPPConv",
    "SphereNetConv",
    "EGNNConv",
    "PaiNNConv",
    "TFNConv",
    "L1NetConv",
    "NequIPConv",
    "MACEConv",
    "AllegroConv",
    "SE3Conv",
    "SE3TransformerConv",
    "CormorantConv",
    "SEGNNConv",
]
