"""The product of features with themselves, without what comes twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    Irrep,
    IrrepLike,
    Irreps,
    IrrepsLike,
    Path,
    TensorProductPaths,
)

from .module import EquivariantModule, check_features
from .tensor_product import TensorProduct


class _Pairs(NamedTuple):
    """Copies of two blocks, side by side."""

    i1: int
    i2: int
    alike: bool
    """every copy with itself; else all others, each pair once"""


class TensorSquare(EquivariantModule):
    r"""The tensor product of features with themselves, as a direct sum of irreps.

    .. math::
        z_{k,uv} = \sqrt{a} \sum_{ij} C_{ijk}\, x_{iu}\, x_{jv}, \qquad u \le v

    Of :math:`x_u \otimes x_v` and :math:`x_v \otimes x_u` one is taken, and of
    :math:`x_u \otimes x_u` the symmetric part, of even degrees. The counterpart of
    e3nn's module of that name: its normalization, its order of blocks, copies and
    weights.

    Args:
        irreps_in: irreps of the input.
        irreps_out: irreps of the output, to which all products are mixed by weights
            (default: all products as they are, without weights).
        filter_ir_out: irreps wanted in the output, where ``irreps_out`` is not given
            (default: all).
        irrep_normalization: ``"component"`` (default) for outputs of unit variance from
            inputs of unit variance, ``"norm"`` for outputs of unit length from
            unit-length inputs, or ``"none"``, :math:`a = 1`.

    Attributes:
        irreps_out: as given, or sorted by degree and parity.
        mixing: the module with the weights, ``weight`` in e3nn's order, or ``None``.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point.
        ValueError: if its last dimension does not fit, or ``irreps_out`` and
            ``filter_ir_out`` are both given.

    Example:
        >>> TensorSquare("1x1o").irreps_out, TensorSquare("2x1o").irreps_out
        (1x0e+1x2e, 1x0e+2x0e+1x1e+1x2e+2x2e)
        >>> TensorSquare("8x0e+4x1o", "8x0e+4x1o")
        TensorSquare(8x0e+4x1o -> 8x0e+4x1o, 496 weights)
    """

    mixing: TensorProduct | None

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_out: IrrepsLike | None = None,
        filter_ir_out: Iterable[IrrepLike] | None = None,
        irrep_normalization: str = "component",
    ) -> None:
        super().__init__()
        if irreps_out is not None and filter_ir_out is not None:
            raise ValueError("irreps_out says what is wanted: give no filter_ir_out")
        self.irreps_in = Irreps(irreps_in).simplify()
        self._pairs = pairs = _pairs(self.irreps_in)
        wanted = None if filter_ir_out is None else {Irrep(ir) for ir in filter_ir_out}
        if irreps_out is not None:
            wanted = {ir for _, ir in Irreps(irreps_out)}
        terms = _terms(self.irreps_in, pairs, wanted)
        blocks = [(_number(self.irreps_in, pairs[k]), ir) for k, ir in terms]
        self.irreps_out, place, _ = Irreps(blocks).sort()
        paths = [
            Path(k, k, o, "uuu", False, self._variance(k, ir, irrep_normalization))
            for (k, ir), o in zip(terms, place, strict=True)
        ]
        self.product = TensorProduct(
            TensorProductPaths(
                Irreps([(_number(self.irreps_in, p), self._ir(p.i1)) for p in pairs]),
                Irreps([(_number(self.irreps_in, p), self._ir(p.i2)) for p in pairs]),
                self.irreps_out,
                tuple(paths),
                "none",
            ),
            internal_weights=False,
        )
        self.mixing = None
        if irreps_out is not None:
            self.mixing = self._mixing(terms, place, Irreps(irreps_out).simplify())
            self.irreps_out = self.mixing.irreps_out

    def _ir(self, i: int) -> Irrep:
        return self.irreps_in[i].ir

    def _mixing(
        self, terms: list[tuple[int, Irrep]], place: Sequence[int], irreps_out: Irreps
    ) -> TensorProduct:
        """The linear map of all products, as one with the number 1: e3nn's weights."""
        mixed = sorted(
            (self._pairs[k][:2], o, k, i)
            for (k, ir), i in zip(terms, place, strict=True)
            for o, (_, ir_out) in enumerate(irreps_out)
            if ir == ir_out
        )
        paths = tuple(Path(i, 0, o) for _, o, _, i in mixed)
        return TensorProduct(
            TensorProductPaths(self.irreps_out, Irreps("0e"), irreps_out, paths)
        )

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        if self.mixing is not None:
            self.mixing.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """All products of two copies in ``x``."""
        check_features(
            x, self.irreps_in, like=next(iter(self.product.couplings()), None)
        )
        blocks = self.irreps_in.split(x)
        first, second = [], []
        for i, j, alike in self._pairs:
            a, b = blocks[i], blocks[j]
            if i < j:
                times = a.shape[-1]
                a, b = a.repeat_interleave(b.shape[-1], -1), torch.cat([b] * times, -1)
            elif not alike:
                u, v = torch.triu_indices(b.shape[-1], b.shape[-1], 1, device=x.device)
                a, b = a[..., u], b[..., v]
            first.append(a)
            second.append(b)
        if not first:
            return x.new_zeros(*x.shape[:-1], self.irreps_out.dim)
        product = self.product
        out: Tensor = product(
            product.irreps_in1.join(first), product.irreps_in2.join(second)
        )
        if self.mixing is not None:
            out = self.mixing(out, torch.ones_like(x[..., :1]))
        return out

    def _variance(self, k: int, ir: Irrep, normalization: str) -> float:
        """The number ``a`` of a product."""
        i, j, alike = self._pairs[k]
        dim1, dim2 = self._ir(i).dim, self._ir(j).dim
        if normalization == "none":
            return 1.0
        if normalization == "component":
            if not alike:
                return ir.dim
            return ir.dim / (dim1 + 2 if ir.l == 0 else 2)
        if normalization != "norm":
            raise ValueError(
                "irrep_normalization is 'component', 'norm' or 'none', got "
                f"{normalization!r}"
            )
        if not alike:
            return dim1 * dim2
        return dim1 if ir.l == 0 else dim1 * (dim1 + 2) / 2

    def __repr__(self) -> str:
        weights = "" if self.mixing is None else f", {self.mixing.weight_numel} weights"
        return f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}{weights})"


def _pairs(irreps: Irreps) -> list[_Pairs]:
    """All pairs of copies, each once."""
    out = []
    for i, (mul, _) in enumerate(irreps):
        if mul > 1:
            out.append(_Pairs(i, i, False))
        out.append(_Pairs(i, i, True))
        out += [_Pairs(i, j, False) for j in range(i + 1, len(irreps))]
    return out


def _number(irreps: Irreps, pairs: _Pairs) -> int:
    """How many pairs there are."""
    mul1, mul2 = irreps[pairs.i1].mul, irreps[pairs.i2].mul
    if pairs.i1 < pairs.i2:
        return mul1 * mul2
    return mul1 if pairs.alike else mul1 * (mul1 - 1) // 2


def _terms(
    irreps: Irreps, pairs: list[_Pairs], wanted: Collection[Irrep] | None
) -> list[tuple[int, Irrep]]:
    """Pairs and the irreps that they make, in e3nn's order."""
    terms = [
        (k, ir)
        for k, (i, j, alike) in enumerate(pairs)
        for ir in irreps[i].ir * irreps[j].ir
        if (wanted is None or ir in wanted) and not (alike and ir.l % 2)
    ]
    return sorted(terms, key=lambda term: (pairs[term[0]][:2], term[1], term[0]))
