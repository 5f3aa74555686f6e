"""How tensor products are computed: a plain reference and faster versions."""

from .blocked import BlockedTensorProduct
from .convolution import Convolution
from .reference import tensor_product

__all__ = ["tensor_product", "BlockedTensorProduct", "Convolution"]
