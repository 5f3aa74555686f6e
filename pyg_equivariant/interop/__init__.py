"""Trained weights of other libraries: into this one, and to and from e3nn.

Each ``..._from_...`` takes a ``state_dict`` and gives a model or layer of this library
that computes the same numbers, derivatives included, on features in this library's
order. It comes in evaluation mode, in the dtype and on the device of the weights. A
name without a place is an error.
"""

from ._weights import regroup_weights
from .allegro import allegro_from_reference
from .cormorant import cormorant_from_reference
from .dimenet import dimenet_from_dig, dimenet_from_pyg
from .e3nn import (
    features_from_e3nn,
    features_to_e3nn,
    linear_from_e3nn,
    linear_to_e3nn,
    tensor_product_from_e3nn,
    tensor_product_to_e3nn,
)
from .egnn import egnn_from_reference
from .l1net import l1net_layer_from_reference
from .lieconv import lieconv_from_reference
from .mace import mace_from_reference
from .mace_contraction import (
    symmetric_contraction_from_mace,
    symmetric_contraction_to_mace,
)
from .nequip import nequip_from_reference
from .painn import painn_from_schnetpack
from .particles import particles_from_reference
from .schnet import schnet_from_pyg
from .se3_transformer import (
    norm_activation_from_reference,
    norm_mlp_from_reference,
    se3_conv_from_reference,
    se3_transformer_conv_from_reference,
    se3_transformer_from_reference,
)
from .segnn import segnn_from_reference
from .spherenet import spherenet_from_dig
from .steerable import steerable_linear_from_reference, steerable_mlp_from_reference

__all__ = [
    # networks
    "schnet_from_pyg",
    "painn_from_schnetpack",
    "lieconv_from_reference",
    "egnn_from_reference",
    "se3_transformer_from_reference",
    "segnn_from_reference",
    "mace_from_reference",
    "nequip_from_reference",
    "allegro_from_reference",
    "cormorant_from_reference",
    "dimenet_from_pyg",
    "dimenet_from_dig",
    "spherenet_from_dig",
    "particles_from_reference",
    # layers
    "se3_conv_from_reference",
    "se3_transformer_conv_from_reference",
    "norm_mlp_from_reference",
    "norm_activation_from_reference",
    "steerable_linear_from_reference",
    "steerable_mlp_from_reference",
    "l1net_layer_from_reference",
    "symmetric_contraction_from_mace",
    "symmetric_contraction_to_mace",
    "linear_from_e3nn",
    "linear_to_e3nn",
    "tensor_product_from_e3nn",
    "tensor_product_to_e3nn",
    # features and weights
    "features_from_e3nn",
    "features_to_e3nn",
    "regroup_weights",
]
