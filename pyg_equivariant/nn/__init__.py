"""Steerable modules, the convolutions built of them, and complete networks."""

from .activation import Activation, SecondMomentActivation, ShiftedSoftplus
from .attentive_self_interaction import AttentiveSelfInteraction
from .conv import (
    EGNNConv,
    EquivariantConv,
    MACEConv,
    MPNNConv,
    NequIPConv,
    PaiNNConv,
    RadialFieldConv,
    SchNetConv,
    SE3Conv,
    SE3TransformerConv,
    SEGNNConv,
    TFNConv,
)
from .cutoff import CosineCutoff, PolynomialCutoff
from .dense import Dense
from .dropout import Dropout
from .edge_embedding import EdgeEmbedding, Edges, node_attributes
from .gate import Gate
from .instance_norm import EquivariantInstanceNorm
from .layer_norm import EquivariantLayerNorm
from .linear import Linear
from .mlp import MLP, RadialMLP
from .models import (
    EGNN,
    MACE,
    SEGNN,
    TFN,
    Card,
    ForceField,
    NequIP,
    PaiNN,
    SchNet,
    SE3Transformer,
    load_model,
    save_model,
)
from .norm_activation import NormActivation
from .norm_mlp import NormMLP
from .radial import BesselBasis, GaussianBasis
from .radial_profiles import RadialProfiles
from .radial_tensor_product import RadialTensorProduct
from .species_linear import SpeciesLinear
from .spherical_harmonics import SphericalHarmonics, spherical_harmonics
from .steerable_linear import SteerableLinear
from .steerable_mlp import SteerableMLP
from .symmetric_contraction import SymmetricContraction
from .tensor_product import FullyConnectedTensorProduct, TensorProduct
from .zbl import ZBLRepulsion

__all__ = [
    # convolutions
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
    "EquivariantConv",
    "EdgeEmbedding",
    "Edges",
    "node_attributes",
    # networks
    "SchNet",
    "EGNN",
    "PaiNN",
    "TFN",
    "NequIP",
    "MACE",
    "SE3Transformer",
    "SEGNN",
    "ForceField",
    "save_model",
    "load_model",
    "Card",
    # steerable modules
    "Linear",
    "SpeciesLinear",
    "TensorProduct",
    "FullyConnectedTensorProduct",
    "RadialTensorProduct",
    "AttentiveSelfInteraction",
    "SymmetricContraction",
    "SphericalHarmonics",
    "spherical_harmonics",
    "SteerableLinear",
    "SteerableMLP",
    "Gate",
    "NormActivation",
    "NormMLP",
    "EquivariantLayerNorm",
    "EquivariantInstanceNorm",
    "Dropout",
    "Activation",
    "SecondMomentActivation",
    # invariant modules
    "Dense",
    "MLP",
    "RadialMLP",
    "RadialProfiles",
    "ShiftedSoftplus",
    "GaussianBasis",
    "BesselBasis",
    "CosineCutoff",
    "PolynomialCutoff",
    "ZBLRepulsion",
]
