"""The tensor product of two features, by what serves it best."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths

from ..dispatch import backend
from ..fully_connected.operator import product_of_rows
from ..paths import Paths
from .blocked import BlockedTensorProduct


class TensorProductKernel:
    """The tensor product of two features: one operation, or few matrix products.

    One compiled operation serves fully connected paths (``uvw``, multiplicity 1 in the
    second input) whose weights all samples share.

    Args:
        product: the paths.

    Attributes:
        constants: the couplings, float64; a call expects them back in the dtype and on
            the device of its inputs.

    Example:
        >>> import torch
        >>> irreps = "2x0e+1x1o", "1x1o", "3x0e+1x1o"
        >>> product = TensorProductPaths.fully_connected(*irreps)
        >>> compute = TensorProductKernel(product)
        >>> x1, x2, weight = torch.ones(7, 5), torch.ones(7, 3), torch.ones(5)
        >>> compute(x1, x2, weight, [c.float() for c in compute.constants]).shape
        torch.Size([7, 6])
    """

    def __init__(self, product: TensorProductPaths) -> None:
        self._blocked = BlockedTensorProduct(product)
        self.constants = self._blocked.constants
        self._paths: str | None = None
        if product.weight_numel and Paths.supports(product, "uvw"):
            self._paths = Paths.of(product, "uvw").text()

    def __call__(
        self,
        x1: Tensor,
        x2: Tensor,
        weight: Tensor | None,
        constants: Sequence[Tensor],
    ) -> Tensor:
        """The product; arguments and result as in the reference."""
        paths = self._paths if weight is not None and weight.dim() == 1 else None
        if weight is not None and paths and backend(x1, x2, weight) == "c":
            return product_of_rows(x1, x2, weight, paths)
        return self._blocked(x1, x2, weight, constants)
