"""Steerable modules, the convolutions built of them, and complete networks."""

from .activation import Activation, SecondMomentActivation, ShiftedSoftplus
from .conv import (
    EGNNConv,
    EquivariantConv,
    MACEConv,
    NequIPConv,
    PaiNNConv,
    SchNetConv,
    SEGNNConv,
    TFNConv,
)
from .cutoff import CosineCutoff, PolynomialCutoff
from .dense import Dense
from .distance_transform import AgnesiTransform, SoftTransform
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
    load_model,
    save_model,
)
from .norm_activation import NormActivation
from .radial import BesselBasis, GaussianBasis
from .species_linear import SpeciesLinear
from .spherical_harmonics import SphericalHarmonics, spherical_harmonics
from .steerable_linear import SteerableLinear
from .steerable_mlp import SteerableMLP
from .symmetric_contraction import SymmetricContraction
from .tensor_product import FullyConnectedTensorProduct, TensorProduct
from .zbl import ZBLRepulsion

__all__ = [
    # convolutions
    "SchNetConv",
    "EGNNConv",
    "PaiNNConv",
    "TFNConv",
    "NequIPConv",
    "MACEConv",
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
    "SymmetricContraction",
    "SphericalHarmonics",
    "spherical_harmonics",
    "SteerableLinear",
    "SteerableMLP",
    "Gate",
    "NormActivation",
    "EquivariantLayerNorm",
    "EquivariantInstanceNorm",
    "Dropout",
    "Activation",
    "SecondMomentActivation",
    # invariant modules
    "Dense",
    "MLP",
    "RadialMLP",
    "ShiftedSoftplus",
    "GaussianBasis",
    "BesselBasis",
    "CosineCutoff",
    "PolynomialCutoff",
    "AgnesiTransform",
    "SoftTransform",
    "ZBLRepulsion",
]
