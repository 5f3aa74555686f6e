"""Tests of equivariance for your own layers, and graphs to try them on."""

from ._equivariance import EquivarianceError, assert_equivariant, equivariance_error
from ._graphs import difficult_graphs
from ._permutation import assert_permutation_equivariant
from ._random import random_irreps, random_tensor_product

__all__ = [
    "assert_equivariant",
    "assert_permutation_equivariant",
    "equivariance_error",
    "EquivarianceError",
    "difficult_graphs",
    "random_irreps",
    "random_tensor_product",
]
