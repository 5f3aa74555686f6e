"""The depth-wise tensor-product convolution as a table of numbers."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

import torch

from pyg_equivariant.o3 import TensorProductPaths, clebsch_gordan

from ..compiled.forms import Dims, from_text, to_text


class Term(NamedTuple):
    """One path: degrees, channels, where its blocks begin, and its coefficient."""

    l1: int
    l2: int
    l3: int
    mul: int
    x: int
    y: int
    w: int  # -1 without weights
    g: int
    coefficient: float


class Table(NamedTuple):
    """All paths, with the sizes of the rows of ``x``, ``y``, ``w`` and ``g``.

    Example:
        >>> table = Table.of(TensorProductPaths.depthwise("8x0e", "0e+1o"))
        >>> table.terms[1]
        Term(l1=0, l2=1, l3=1, mul=8, x=0, y=1, w=8, g=8, coefficient=1.7320508075688772)
        >>> Table.parse(table.text()) == table
        True
    """  # noqa: E501

    dims: Dims
    terms: tuple[Term, ...]

    @staticmethod
    def supports(product: TensorProductPaths) -> bool:
        """Whether all paths are ``uvu`` with one copy in the second input."""
        return all(
            path.connection == "uvu" and product.irreps_in2[path.i_in2].mul == 1
            for path in product.paths
        )

    @classmethod
    def of(cls, product: TensorProductPaths) -> Table:
        """The table of a product.

        Raises:
            ValueError: if the product is not depth-wise with single harmonics.
        """
        if not cls.supports(product):
            raise ValueError(
                "the fused convolution joins every channel of the first input with one "
                f"harmonic (paths uvu, multiplicity 1 in the second), got {product}"
            )
        dims, (in1, in2, out) = layout(product)
        terms = []
        for path, weights, coefficient in zip(
            product.paths, product.weight_slices, product.coefficients, strict=True
        ):
            (mul, ir1), (_, ir2), (_, ir3) = product.blocks(path)
            if mul > 0:
                starts = in1[path.i_in1], in2[path.i_in2]
                w = weights.start if path.has_weight else -1
                degrees = ir1.l, ir2.l, ir3.l
                terms.append(
                    Term(*degrees, mul, *starts, w, out[path.i_out], coefficient)
                )
        return cls(dims, tuple(terms))

    def text(self) -> str:
        """The table in one line, exactly: what a saved graph holds."""
        return to_text(self.dims, self.terms)

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Table:
        """The inverse of :meth:`text`."""
        dims, rows = from_text(text)
        return Table(dims, tuple(Term._make(row) for row in rows))


def layout(product: TensorProductPaths) -> tuple[Dims, list[list[int]]]:
    """Sizes of the rows, and where the blocks of inputs and output begin."""
    all_irreps = product.irreps_in1, product.irreps_in2, product.irreps_out
    x, y, g = (irreps.dim for irreps in all_irreps)
    starts = [[part.start for part in irreps.slices()] for irreps in all_irreps]
    return (x, y, product.weight_numel, g), starts


@cache
def entries(l1: int, l2: int, l3: int) -> tuple[tuple[int, int, int, float], ...]:
    """The Clebsch-Gordan coefficients that are not zero, ``(i, j, k, value)``.

    Example:
        >>> [(i, j, k, round(value, 3)) for i, j, k, value in entries(1, 1, 0)]
        [(0, 0, 0, 0.577), (1, 1, 0, 0.577), (2, 2, 0, 0.577)]
    """
    c = clebsch_gordan(l1, l2, l3, dtype=torch.float64, device="cpu")
    found = (c.abs() > 1e-12).nonzero().tolist()
    return tuple((i, j, k, float(c[i, j, k])) for i, j, k in found)
