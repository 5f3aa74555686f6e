"""How tensor products and harmonics are computed: references and faster versions."""

from .blocked import BlockedTensorProduct
from .convolution import Convolution
from .harmonics import SphericalHarmonics, spherical_harmonics
from .reference import tensor_product

__all__ = [
    "tensor_product",
    "BlockedTensorProduct",
    "Convolution",
    "spherical_harmonics",
    "SphericalHarmonics",
]
