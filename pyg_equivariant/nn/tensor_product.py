"""Equivariant bilinear maps with learned weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant import o3
from pyg_equivariant.kernels import TensorProductKernel
from pyg_equivariant.o3 import (
    Irreps,
    IrrepsLike,
    check_device,
    check_real,
    check_tensor,
)

from .module import (
    EquivariantModule,
    check_dtype,
    check_features,
    warn_unreached,
)


class TensorProduct(EquivariantModule):
    r"""An equivariant bilinear map, computed from its paths.

    The formula, the normalizations and the order of the weights are those of the
    paths, :class:`pyg_equivariant.o3.TensorProductPaths`; ``print(module.product)``
    shows every one.

    Args:
        product: the paths.
        internal_weights: hold the weights as a parameter, shared by all samples
            (default: ``True``); otherwise they are an argument of every call.

    Attributes:
        weight: flat parameter of length ``weight_numel``, or ``None``. Starts standard
            normal.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in1.dim})` and
          :math:`(*, \text{irreps\_in2.dim})`, weights :math:`(\text{weight\_numel})`
          shared or :math:`(*, \text{weight\_numel})` per sample; :math:`*` broadcasts
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if an input is not floating-point, or not of the module's dtype.
        ValueError: if a last dimension does not fit, or weights are missing or given
            twice.

    Example:
        >>> irreps = "8x0e+8x1o", "0e+1o"
        >>> paths = o3.TensorProductPaths.depthwise(*irreps, keep="0e+1o")
        >>> module = TensorProduct(paths, internal_weights=False)
        >>> x, y, w = torch.randn(5, 32), torch.randn(5, 4), torch.randn(5, 32)
        >>> module(x, y, w).shape
        torch.Size([5, 64])
    """

    weight: Parameter | None

    def __init__(
        self, product: o3.TensorProductPaths, internal_weights: bool = True
    ) -> None:
        super().__init__()
        self.product = product
        self.irreps_in1 = product.irreps_in1
        self.irreps_in2 = product.irreps_in2
        self.irreps_in = product.irreps_in1
        self.irreps_out = product.irreps_out
        self.weight_numel = product.weight_numel
        self.internal_weights = internal_weights
        self._kernel = TensorProductKernel(product)
        self._num_constants = len(self._kernel.constants)
        for i, constant in enumerate(self._kernel.constants):
            self.register_constant(f"coupling_{i}", constant)
        if internal_weights:
            self.weight = Parameter(torch.empty(self.weight_numel))
        else:
            self.register_parameter("weight", None)
        self.register_convention()
        warn_unreached(self, product.unreached)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        if self.weight is not None:
            torch.nn.init.normal_(self.weight)

    def forward(self, x1: Tensor, x2: Tensor, weight: Tensor | None = None) -> Tensor:
        """The product of ``x1`` and ``x2``."""
        constants = self.couplings()
        like = constants[0] if constants else None
        check_features(x1, self.irreps_in1, "x1", like)
        check_features(x2, self.irreps_in2, "x2", like)
        weight = self._choose(weight)
        check_device(x2, x1, "x2", "x1")
        if weight is not None:
            check_real(weight, "weight")
            check_dtype(weight, x1, "weight")
        return self._kernel(x1, x2, weight, constants)

    def couplings(self) -> list[Tensor]:
        """The constants of the product, as kernels take them."""
        return [getattr(self, f"coupling_{i}") for i in range(self._num_constants)]

    def _choose(self, weight: Tensor | None) -> Tensor | None:
        if self.weight is not None:
            if weight is not None:
                raise ValueError(
                    "this product holds its own weights, but weights were given too; "
                    "build it with internal_weights=False to pass them"
                )
            return self.weight
        if weight is None and self.weight_numel == 0:
            return None
        if weight is not None:
            check_tensor(weight, "weight")
        if weight is None or weight.shape[-1:] != (self.weight_numel,):
            got = "none" if weight is None else f"shape {tuple(weight.shape)}"
            raise ValueError(
                f"expected weights of shape ({self.weight_numel},) or "
                f"(..., {self.weight_numel}), got {got}"
            )
        return weight

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in1} * {self.irreps_in2} -> "
            f"{self.irreps_out}, {len(self.product.paths)} paths, "
            f"{self.weight_numel} weights)"
        )


class FullyConnectedTensorProduct(TensorProduct):
    r"""All paths that the selection rule allows, with all channels mixed.

    .. math::
        z_{kw} = c \sum_{\text{paths}} \sum_{uv} W_{uvw}
                 \sum_{ij} C_{ijk}\, x_{iu}\, y_{jv}

    The counterpart of e3nn's module of that name: same normalization, same order of the
    flat weights.

    Args:
        irreps_in1: irreps of the first input.
        irreps_in2: irreps of the second input.
        irreps_out: irreps of the output. A block that no path reaches is zero, and a
            warning names it.
        internal_weights: as in :class:`TensorProduct` (default: ``True``).
        irrep_normalization: as in :class:`pyg_equivariant.o3.TensorProductPaths`.
        path_normalization: as in :class:`pyg_equivariant.o3.TensorProductPaths`.

    Shapes:
        as in :class:`TensorProduct`

    Example:
        >>> FullyConnectedTensorProduct("8x0e+4x1o", "1x0e+1x1o", "8x0e+4x1o")
        FullyConnectedTensorProduct(8x0e+4x1o * 1x0e+1x1o -> 8x0e+4x1o, 4 paths, 144 weights)
    """  # noqa: E501

    def __init__(
        self,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        irreps_out: IrrepsLike,
        internal_weights: bool = True,
        irrep_normalization: str = "component",
        path_normalization: str = "element",
    ) -> None:
        product = o3.TensorProductPaths.fully_connected(
            Irreps(irreps_in1),
            Irreps(irreps_in2),
            Irreps(irreps_out),
            irrep_normalization,
            path_normalization,
        )
        super().__init__(product, internal_weights)
