"""Steerable modules, the convolutions built of them, and complete networks."""

from .activation import Activation, SecondMomentActivation, ShiftedSoftplus
from .angular_basis import SphericalBasis, TorsionBasis
from .attentive_self_interaction import AttentiveSelfInteraction
from .batch_norm import EquivariantBatchNorm
from .conv import (
    AllegroConv,
    CormorantConv,
    DimeNetConv,
    DimeNetPPConv,
    EGNNConv,
    EquivariantConv,
    L1NetConv,
    LieConv,
    MACEConv,
    MPNNConv,
    NequIPConv,
    PaiNNConv,
    RadialFieldConv,
    SchNetConv,
    SE3Conv,
    SE3TransformerConv,
    SEGNNConv,
    SphereNetConv,
    TFNConv,
)
from .copy_norm import Norm
from .cutoff import CosineCutoff, PolynomialCutoff
from .dense import Dense, OrthogonalDense
from .distance_transform import AgnesiTransform, SoftTransform
from .dropout import Dropout
from .edge_embedding import EdgeEmbedding, Edges, node_attributes
from .extract import Extract, ExtractIr
from .full_tensor_product import FullTensorProduct
from .gate import Gate
from .instance_norm import EquivariantInstanceNorm
from .layer_norm import EquivariantLayerNorm
from .linear import Linear
from .masked_batch_norm import MaskedBatchNorm
from .mlp import MLP, RadialMLP
from .models import (
    EGNN,
    MACE,
    NMP,
    SEGNN,
    TFN,
    Allegro,
    Card,
    Cormorant,
    DimeNet,
    DimeNetPlusPlus,
    ForceField,
    L1Net,
    LieResNet,
    NequIP,
    PaiNN,
    SchNet,
    SE3Transformer,
    SphereNet,
    load_model,
    save_model,
)
from .norm_activation import NormActivation
from .norm_mlp import NormMLP
from .radial import BesselBasis, GaussianBasis
from .radial_profiles import RadialProfiles
from .radial_tensor_product import RadialTensorProduct
from .reduced_tensor_products import ReducedTensorProducts
from .s2_activation import S2Activation
from .s2_grid import FromS2Grid, ToS2Grid
from .so3_activation import SO3Activation
from .so3_grid import SO3Grid
from .soft_one_hot import soft_one_hot_linspace, soft_unit_step
from .species_linear import SpeciesLinear
from .spherical_bessel import SphericalBesselBasis
from .spherical_harmonics import SphericalHarmonics, spherical_harmonics
from .steerable_linear import SteerableLinear
from .steerable_mlp import SteerableMLP
from .symmetric_contraction import SymmetricContraction
from .tensor_product import FullyConnectedTensorProduct, TensorProduct
from .tensor_square import TensorSquare
from .torsions import bond_cosines, target_cosines, torsion_phases
from .zbl import ZBLRepulsion

__all__ = [
    # convolutions
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
    "EquivariantConv",
    "EdgeEmbedding",
    "Edges",
    "node_attributes",
    # networks
    "SchNet",
    "NMP",
    "LieResNet",
    "DimeNet",
    "DimeNetPlusPlus",
    "SphereNet",
    "EGNN",
    "PaiNN",
    "TFN",
    "L1Net",
    "NequIP",
    "MACE",
    "Allegro",
    "SE3Transformer",
    "Cormorant",
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
    "FullTensorProduct",
    "TensorSquare",
    "ReducedTensorProducts",
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
    "S2Activation",
    "SO3Activation",
    "ToS2Grid",
    "FromS2Grid",
    "SO3Grid",
    "EquivariantLayerNorm",
    "EquivariantInstanceNorm",
    "EquivariantBatchNorm",
    "Norm",
    "Extract",
    "ExtractIr",
    "MaskedBatchNorm",
    "Dropout",
    "Activation",
    "SecondMomentActivation",
    # invariant modules
    "Dense",
    "OrthogonalDense",
    "MLP",
    "RadialMLP",
    "RadialProfiles",
    "ShiftedSoftplus",
    "GaussianBasis",
    "BesselBasis",
    "soft_one_hot_linspace",
    "soft_unit_step",
    "SphericalBesselBasis",
    "SphericalBasis",
    "TorsionBasis",
    "bond_cosines",
    "target_cosines",
    "torsion_phases",
    "CosineCutoff",
    "PolynomialCutoff",
    "AgnesiTransform",
    "SoftTransform",
    "ZBLRepulsion",
]
