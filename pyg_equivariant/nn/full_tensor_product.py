"""Every product of two copies, without weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    Irrep,
    IrrepLike,
    Irreps,
    IrrepsLike,
    Path,
    TensorProductPaths,
    check_device,
)

from .module import EquivariantModule, check_dtype, check_features, describe
from .tensor_product import TensorProduct


class FullTensorProduct(EquivariantModule):
    r"""The tensor product of two features, as a direct sum of irreps.

    .. math::
        z_{k,uv} = \sqrt{2l_o + 1} \sum_{ij} C_{ijk}\, x_{iu}\, y_{jv}

    for every path :math:`(l_1, l_2 \to l_o)` and every pair of copies: nothing is lost
    and nothing learned. The counterpart of e3nn's module of that name: its
    normalization, its order of blocks and of copies in them.

    Args:
        irreps_in1: irreps of the first input.
        irreps_in2: irreps of the second input.
        filter_ir_out: irreps wanted in the output (default: all).
        irrep_normalization: as in :class:`pyg_equivariant.o3.TensorProductPaths`.

    Attributes:
        irreps_out: blocks of ``mul1 * mul2`` copies, sorted by degree and parity.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in1.dim})` and
          :math:`(*, \text{irreps\_in2.dim})`; :math:`*` broadcasts
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if an input is not floating-point, or they differ in dtype.
        ValueError: if a last dimension does not fit.

    Example:
        >>> product = FullTensorProduct("2x1o", "1x0e+1x1o")
        >>> product.irreps_out
        2x0e+2x1o+2x1e+2x2e
    """

    def __init__(
        self,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        filter_ir_out: Iterable[IrrepLike] | None = None,
        irrep_normalization: str = "component",
    ) -> None:
        super().__init__()
        self.irreps_in1 = Irreps(irreps_in1).simplify()
        self.irreps_in2 = Irreps(irreps_in2).simplify()
        wanted = None if filter_ir_out is None else {Irrep(ir) for ir in filter_ir_out}
        pairs = [
            (mul1 * mul2, ir1, ir2)
            for mul1, ir1 in self.irreps_in1
            for mul2, ir2 in self.irreps_in2
        ]
        terms = [
            (k, mul, ir)
            for k, (mul, ir1, ir2) in enumerate(pairs)
            for ir in ir1 * ir2
            if wanted is None or ir in wanted
        ]
        out, place, _ = Irreps([(mul, ir) for _, mul, ir in terms]).sort()
        self.irreps_out = out
        # copy by copy, once each pair of copies stands side by side
        firsts = Irreps([(mul, ir) for mul, ir, _ in pairs])
        seconds = Irreps([(mul, ir) for mul, _, ir in pairs])
        paths = tuple(
            Path(k, k, place[n], "uuu", False) for n, (k, *_) in enumerate(terms)
        )
        self.product = TensorProduct(
            TensorProductPaths(firsts, seconds, out, paths, irrep_normalization)
        )

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """All products of ``x1`` and ``x2``."""
        check_features(x1, self.irreps_in1, "x1")
        check_features(x2, self.irreps_in2, "x2")
        check_device(x2, x1, "x2", "x1")
        check_dtype(x2, x1, "x2")
        blocks1, blocks2 = self.irreps_in1.split(x1), self.irreps_in2.split(x2)
        if not (blocks1 and blocks2):
            shape = torch.broadcast_shapes(x1.shape[:-1], x2.shape[:-1])
            return x1.new_zeros(*shape, 0)
        pairs = [(a, b) for a in blocks1 for b in blocks2]
        first = [a.repeat_interleave(b.shape[-1], -1) for a, b in pairs]
        second = [torch.cat([b] * a.shape[-1], -1) for a, b in pairs]
        product = self.product
        out: Tensor = product(
            product.irreps_in1.join(first), product.irreps_in2.join(second)
        )
        return out

    def __repr__(self) -> str:
        return describe(self, "irreps_in1 * irreps_in2 -> irreps_out")
