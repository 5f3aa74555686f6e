"""Irreps of O(3) and the maths of their tensor products (torch, no PyG)."""

from ._cartesian_tensor import CartesianTensor
from ._checks import (
    check_alike,
    check_broadcast,
    check_device,
    check_last,
    check_real,
    check_size,
    check_tensor,
)
from ._clebsch_gordan import clebsch_gordan, clebsch_gordan_exact
from ._convention import CONVENTION
from ._generators import so3_generators
from ._index_reduction import reduce_indices
from ._index_symmetry import index_symmetry
from ._irreps import Irrep, IrrepLike, Irreps, IrrepsLike, MulIrrep, SliceByMul
from ._orthogonal import check_orthogonal, determinant
from ._rigid_motion import se3_exp, se3_log, so3_exp, so3_jacobian, so3_log
from ._rotation import (
    angles_to_axis_angle,
    angles_to_matrix,
    angles_to_quaternion,
    axis_angle_to_angles,
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_angles,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_x,
    matrix_y,
    matrix_z,
    quaternion_to_angles,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
    rand_matrix,
    rand_quaternion,
)
from ._rotation_group import (
    angles_to_xyz,
    compose_angles,
    compose_axis_angle,
    compose_quaternion,
    identity_angles,
    identity_quaternion,
    inverse_angles,
    inverse_quaternion,
    rand_angles,
    rand_axis_angle,
    xyz_to_angles,
)
from ._solid_harmonics import squared_length
from ._sphere_grid import polar_weights, s2_grid
from ._spherical_harmonics import (
    HarmonicsLike,
    harmonics_irreps,
    harmonics_reference,
    harmonics_table,
    spherical_harmonics_reference,
)
from ._spherical_tensor import SphericalTensor
from ._symmetric_power import SymmetricCoupling, symmetric_couplings
from ._tensor_product_paths import CONNECTIONS, Path, TensorProductPaths
from ._vector import safe_norm, safe_normalize, widen
from ._wigner import rotate, wigner_D

__all__ = [
    "Irrep",
    "MulIrrep",
    "Irreps",
    "SliceByMul",
    "IrrepLike",
    "IrrepsLike",
    "clebsch_gordan",
    "clebsch_gordan_exact",
    "SymmetricCoupling",
    "symmetric_couplings",
    "spherical_harmonics_reference",
    "HarmonicsLike",
    "harmonics_irreps",
    "harmonics_reference",
    "harmonics_table",
    "squared_length",
    "wigner_D",
    "rotate",
    "so3_generators",
    "CartesianTensor",
    "SphericalTensor",
    "index_symmetry",
    "reduce_indices",
    "Path",
    "TensorProductPaths",
    "CONNECTIONS",
    "safe_norm",
    "safe_normalize",
    "widen",
    "check_orthogonal",
    "determinant",
    "rand_matrix",
    "rand_quaternion",
    "rand_angles",
    "rand_axis_angle",
    "matrix_x",
    "matrix_y",
    "matrix_z",
    "angles_to_matrix",
    "angles_to_quaternion",
    "angles_to_axis_angle",
    "axis_angle_to_matrix",
    "axis_angle_to_quaternion",
    "axis_angle_to_angles",
    "quaternion_to_matrix",
    "quaternion_to_axis_angle",
    "quaternion_to_angles",
    "matrix_to_quaternion",
    "matrix_to_axis_angle",
    "matrix_to_angles",
    "identity_angles",
    "identity_quaternion",
    "inverse_angles",
    "inverse_quaternion",
    "compose_angles",
    "compose_quaternion",
    "compose_axis_angle",
    "angles_to_xyz",
    "xyz_to_angles",
    "s2_grid",
    "polar_weights",
    "so3_log",
    "so3_exp",
    "so3_jacobian",
    "se3_log",
    "se3_exp",
    "check_tensor",
    "check_real",
    "check_last",
    "check_alike",
    "check_device",
    "check_broadcast",
    "check_size",
    "CONVENTION",
]
