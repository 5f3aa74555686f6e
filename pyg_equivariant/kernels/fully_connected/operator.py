"""The fully connected tensor product with weights that all rows share."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..dispatch import fast_or_plain, kernel_for
from ..multilinear import Arguments, Shapes, multilinear
from ..paths import Paths
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


fully_connected: Any = multilinear(
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
