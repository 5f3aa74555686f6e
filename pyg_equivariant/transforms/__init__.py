"""Transforms of PyG that make graphs steerable, and converters from and to ASE."""

from .add_edge_vectors import AddEdgeVectors
from .add_knn_graph import AddKNNGraph
from .add_node_attributes import AddNodeAttributes
from .add_radial_basis import AddRadialBasis
from .add_radius_graph import AddRadiusGraph
from .add_spherical_harmonics import AddSphericalHarmonics
from .ase_atoms import from_ase, to_ase
from .random_orthogonal import RandomOrthogonal
from .select_target import SelectTarget

__all__ = [
    "AddRadiusGraph",
    "AddKNNGraph",
    "AddEdgeVectors",
    "AddRadialBasis",
    "AddSphericalHarmonics",
    "AddNodeAttributes",
    "RandomOrthogonal",
    "SelectTarget",
    "from_ase",
    "to_ase",
]
