"""The tensor product, term by term: the specification of every faster version."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.o3 import clebsch_gordan

_EINSUM = {
    "uvw": "ijk,...iu,...jv,...uvw->...kw",
    "uvu": "ijk,...iu,...jv,...uv->...ku",
    "uuu": "ijk,...iu,...ju,...u->...ku",
}


def tensor_product(
    product: o3.TensorProductPaths, x1: Tensor, x2: Tensor, weight: Tensor | None = None
) -> Tensor:
    r"""The sum over paths, see :class:`pyg_equivariant.o3.TensorProductPaths`.

    Args:
        product: the paths.
        x1: features ``(..., irreps_in1.dim)``.
        x2: features ``(..., irreps_in2.dim)``.
        weight: ``(weight_numel,)``, or ``(..., weight_numel)`` for weights of their
            own at every sample; may be left out if no path carries weights.

    Returns:
        Features ``(..., irreps_out.dim)``; leading dimensions broadcast.

    Raises:
        ValueError: if weights are missing.

    Example:
        >>> product = o3.TensorProductPaths.elementwise("1x1o", "1x1o", keep="0e")
        >>> x = torch.tensor([0.0, 3.0, 4.0])
        >>> tensor_product(product, x, x)  # |x|^2 / sqrt(3)
        tensor([14.4338])
    """
    if weight is None:
        weight = x1.new_ones(0)
        if product.weight_numel:
            raise ValueError(
                f"expected weights (..., {product.weight_numel}), got none"
            )
    batch = torch.broadcast_shapes(x1.shape[:-1], x2.shape[:-1], weight.shape[:-1])
    out = [
        x1.new_zeros(*batch, block.ir.dim, block.mul) for block in product.irreps_out
    ]
    in1, in2 = product.irreps_in1.slices(), product.irreps_in2.slices()
    terms = zip(product.paths, product.weight_slices, product.coefficients, strict=True)
    for path, part, coefficient in terms:
        (mul1, ir1), (mul2, ir2), (_, ir) = product.blocks(path)
        c = clebsch_gordan(ir1.l, ir2.l, ir.l, dtype=x1.dtype, device=x1.device)
        a = x1[..., in1[path.i_in1]].unflatten(-1, (ir1.dim, mul1))
        b = x2[..., in2[path.i_in2]].unflatten(-1, (ir2.dim, mul2))
        shape = product.weight_shape(path)
        if path.has_weight:
            w = weight[..., part].unflatten(-1, shape)
        else:
            w = x1.new_ones((mul1, mul2)[: 1 + (path.connection == "uvu")])
        term = torch.einsum(_EINSUM[path.connection], c, a, b, w)
        out[path.i_out] = out[path.i_out] + coefficient * term
    if not out:
        return x1.new_zeros(*batch, 0)
    return torch.cat([block.flatten(-2) for block in out], dim=-1)
