"""The fully connected tensor product with weights that all rows share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from pyg_equivariant.o3 import TensorProductPaths, check_broadcast, check_last

from ..dispatch import autocasts, backend, fast_or_plain, kernel_for
from ..multilinear import Arguments, Shapes, check_arguments, multilinear
from ..paths import Paths
from ..tensor_product.blocked import BlockedTensorProduct
from .cpu import fully_connected_c
from .reference import fully_connected_reference


def _shapes(paths: Paths, rows: int) -> Shapes:
    x, y, w, g = paths.dims
    return {"x": (rows, x), "y": (rows, y), "w": (w,), "g": (rows, g)}


def _run(
    paths: Paths, arguments: Arguments, shapes: Shapes, outputs: str, rows: int
) -> list[Tensor]:
    plain = partial(fully_connected_reference, paths, arguments, rows, outputs)
    like = next(t for t in arguments.values() if t is not None)
    if kernel_for(like) == "plain":
        return plain()
    fast = partial(fully_connected_c, paths, arguments, shapes, outputs)
    return fast_or_plain(fast, plain)


fully_connected = multilinear(
    "fully_connected", "uvw", "", "SymInt rows", _run, _shapes
)
"""Derivatives of the product, see its reference."""


def product_of_rows(x: Tensor, y: Tensor, weight: Tensor, paths: str) -> Tensor:
    """The product of each row.

    What :class:`~pyg_equivariant.kernels.tensor_product.blocked.BlockedTensorProduct`
    computes from products of matrices is here one operation, which keeps the joined
    features in the cache, forward and in derivatives of any order.

    Args:
        x: features, ``(*, irreps_in1.dim)``.
        y: attributes, ``(*, irreps_in2.dim)``; leading dimensions broadcast.
        weight: ``(weight_numel,)``.
        paths: as text.

    Numbers below float32 are summed in float32.
    """
    leading = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), weight.dtype)
    wide = torch.promote_types(dtype, torch.float32)
    x = x.to(wide).expand(*leading, -1).reshape(-1, x.shape[-1])
    y = y.to(wide).expand(*leading, -1).reshape(-1, y.shape[-1])
    weight = weight.to(wide)
    (out,) = fully_connected(x, y, weight, None, paths, "g", x.shape[0])
    return out.reshape(*leading, out.shape[-1]).to(dtype)


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
        self._dims = (
            product.irreps_in1.dim,
            product.irreps_in2.dim,
            product.weight_numel,
        )
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
        """The product; arguments and result as in the reference.

        Raises:
            TypeError: if an argument is no tensor of real numbers, or dtypes differ
                while autocast is off.
            ValueError: if a last dimension or a device does not fit, leading dimensions
                do not broadcast, or weights are missing.
        """
        self._check(x1, x2, weight)
        paths = self._paths if weight is not None and weight.dim() == 1 else None
        if weight is not None and paths and backend(x1, x2, weight) == "c":
            return product_of_rows(x1, x2, weight, paths)
        return self._blocked(x1, x2, weight, constants)

    def _check(self, x1: Tensor, x2: Tensor, weight: Tensor | None) -> None:
        check_arguments({"x1": x1, "x2": x2}, weight=weight)
        dims, batches = self._dims, []
        for name, t, dim in zip(
            ("x1", "x2", "weight"), (x1, x2, weight), dims, strict=True
        ):
            if t is None:
                continue
            check_last(t, dim, name)
            batches.append((name, tuple(t.shape[:-1])))
            if t.dtype != x1.dtype and not autocasts(t.device.type):
                raise TypeError(
                    f"{name} is {t.dtype}, x1 {x1.dtype}; convert one of them, or use "
                    "torch.autocast"
                )
        check_broadcast(**dict(batches))
