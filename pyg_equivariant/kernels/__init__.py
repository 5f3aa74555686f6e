"""How tensor products are computed: a plain reference and faster versions."""

from .blocked import BlockedTensorProduct
from .reference import tensor_product

__all__ = ["tensor_product", "BlockedTensorProduct"]
