"""A linear map of channels steered by an attribute, as a table of numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pyg_equivariant.o3 import TensorProductPaths

from ..compiled.forms import Dims, from_text, to_text
from ..convolution.table import layout


class SteerTerm(NamedTuple):
    """One path: degrees, channels, where its blocks begin, and its coefficient."""

    l1: int
    l2: int
    l3: int
    mul1: int
    mul3: int
    x: int
    y: int
    w: int
    g: int
    coefficient: float


class SteerTable(NamedTuple):
    """All paths, with the sizes of the rows of ``x``, ``y``, ``w`` and ``g``.

    Example:
        >>> product = TensorProductPaths.fully_connected("8x0e", "0e+1o", "4x0e+2x1o")
        >>> table = SteerTable.of(product)
        >>> table.dims, len(table.terms)
        ((8, 4, 48, 10), 2)
        >>> SteerTable.parse(table.text()) == table
        True
    """

    dims: Dims
    terms: tuple[SteerTerm, ...]

    @staticmethod
    def supports(product: TensorProductPaths) -> bool:
        """Whether all paths are ``uvw`` with weights and one copy in the second input.

        A product that has no weights, or no output, has nothing to gain.
        """
        return product.weight_numel > 0 and all(
            path.connection == "uvw"
            and path.has_weight
            and product.irreps_in2[path.i_in2].mul == 1
            for path in product.paths
        )

    @classmethod
    def of(cls, product: TensorProductPaths) -> SteerTable:
        """The table of a product.

        Raises:
            ValueError: if the product is not fully connected with single harmonics.
        """
        if not cls.supports(product):
            raise ValueError(
                "the steered map mixes all channels of the first input for every "
                "harmonic (paths uvw with weights, multiplicity 1 in the second), got "
                f"{product}"
            )
        dims, (in1, in2, out) = layout(product)
        terms = []
        for path, weights, coefficient in zip(
            product.paths, product.weight_slices, product.coefficients, strict=True
        ):
            (mul1, ir1), (_, ir2), (mul3, ir3) = product.blocks(path)
            if mul1 and mul3:
                degrees = ir1.l, ir2.l, ir3.l
                starts = in1[path.i_in1], in2[path.i_in2], weights.start
                terms.append(
                    SteerTerm(
                        *degrees, mul1, mul3, *starts, out[path.i_out], coefficient
                    )
                )
        return cls(dims, tuple(terms))

    def text(self) -> str:
        """The table in one line, exactly: what a saved graph holds."""
        return to_text(self.dims, self.terms)

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> SteerTable:
        """The inverse of :meth:`text`."""
        dims, rows = from_text(text)
        return SteerTable(dims, tuple(SteerTerm._make(row) for row in rows))
