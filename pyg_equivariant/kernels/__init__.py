"""How tensor products and harmonics are computed: references and faster versions."""

from .convolution.fused import Convolution
from .harmonics.evaluate import SphericalHarmonics, spherical_harmonics
from .tensor_product.blocked import BlockedTensorProduct
from .tensor_product.reference import tensor_product

__all__ = [
    "tensor_product",
    "BlockedTensorProduct",
    "Convolution",
    "spherical_harmonics",
    "SphericalHarmonics",
]
