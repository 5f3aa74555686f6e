"""The paths of a tensor product, as the kernels need them: numbers, and a line of text.

Two kinds of paths have kernels, both with one copy in the second input: ``"uvu"``,
channel by channel with weights of their own for every row, and ``"uvw"``, all channels
mixed by weights that the rows share.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import NamedTuple

import torch

from pyg_equivariant.o3 import TensorProductPaths, clebsch_gordan

LETTERS = "xywg"  # of the two inputs, the weights, and what the outputs meet


class Term(NamedTuple):
    """One path: degrees, channels, where its blocks begin, and its coefficient."""

    l1: int
    l2: int
    l3: int
    mul1: int
    mul3: int
    x: int
    y: int
    w: int  # -1 without weights
    g: int
    coefficient: float

    @property
    def degrees(self) -> tuple[int, int, int]:
        """Those of both inputs and of the output."""
        return self[:3]


class Dims(NamedTuple):
    """Sizes of the rows of the four arguments."""

    x: int
    y: int
    w: int
    g: int


class Paths(NamedTuple):
    """All paths, with the sizes of the rows of ``x``, ``y``, ``w`` and ``g``.

    Example:
        >>> product = TensorProductPaths.depthwise("8x0e", "0e+1o")
        >>> paths = Paths.of(product, "uvu")
        >>> paths.dims, [term.degrees for term in paths.terms]
        (Dims(x=8, y=4, w=16, g=32), [(0, 0, 0), (0, 1, 1)])
        >>> Paths.parse(paths.text()) == paths
        True
    """

    connection: str
    dims: Dims
    terms: tuple[Term, ...]

    @staticmethod
    def supports(product: TensorProductPaths, connection: str) -> bool:
        """Whether all paths are of one kind.

        Those that join the channels of both inputs take as many copies of the second
        one, all others one copy.
        """
        return all(
            path.connection == connection
            and (connection == "uuu" or product.irreps_in2[path.i_in2].mul == 1)
            for path in product.paths
        )

    @classmethod
    def of(cls, product: TensorProductPaths, connection: str) -> Paths:
        """The paths of a product.

        Raises:
            ValueError: if a path is of another kind.
        """
        if not cls.supports(product, connection):
            raise ValueError(
                f"expected paths {connection} with multiplicity 1 in the second input, "
                f"got {product}"
            )
        irreps = product.irreps_in1, product.irreps_in2, product.irreps_out
        in1, in2, out = ([block.start for block in i.slices()] for i in irreps)
        terms = []
        for path, weights, coefficient in zip(
            product.paths, product.weight_slices, product.coefficients, strict=True
        ):
            (mul1, ir1), (_, ir2), (mul3, ir3) = product.blocks(path)
            if mul1 and mul3:
                starts = in1[path.i_in1], in2[path.i_in2]
                w = weights.start if path.has_weight else -1
                sizes = ir1.l, ir2.l, ir3.l, mul1, mul3
                terms.append(Term(*sizes, *starts, w, out[path.i_out], coefficient))
        x, y, g = (i.dim for i in irreps)
        dims = Dims(x, y, product.weight_numel, g)
        return cls(connection, dims, tuple(terms))

    def shapes(self, term: Term) -> dict[str, tuple[int, ...]]:
        """Those of the blocks of one path, in a row."""
        w = (term.mul1, term.mul3) if self.connection == "uvw" else (term.mul1,)
        copies = (term.mul1,) if self.connection == "uuu" else ()
        return {
            "x": (2 * term.l1 + 1, term.mul1),
            "y": (2 * term.l2 + 1, *copies),
            "w": w if term.w >= 0 else (),
            "g": (2 * term.l3 + 1, term.mul3),
        }

    def text(self) -> str:
        """The paths in one line, exactly: what a saved graph holds."""
        rows = (self.connection, *self.dims), *self.terms
        return ";".join(" ".join(map(str, row)) for row in rows)

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Paths:
        """The inverse of :meth:`text`.

        Raises:
            ValueError: if a block lies outside the rows.
        """
        (connection, *head), *rows = (row.split() for row in text.split(";"))
        terms = (Term._make([*map(int, row[:-1]), float(row[-1])]) for row in rows)
        paths = Paths(connection, Dims(*map(int, head)), tuple(terms))
        paths._check()
        return paths

    def _check(self) -> None:
        if self.connection not in ("uvu", "uvw", "uuu"):
            raise ValueError(f"paths are uvu, uvw or uuu, got {self.connection!r}")
        for term in self.terms:
            if self.connection != "uvw" and term.mul1 != term.mul3:
                raise ValueError(
                    f"a path {self.connection} keeps its channels, got {term}"
                )
            for a, shape in self.shapes(term).items():
                start, size = getattr(term, a), getattr(self.dims, a)
                if shape and not 0 <= start <= size - math.prod(shape):
                    raise ValueError(f"rows of {a} have {size} columns, got {term}")


class Coupling(NamedTuple):
    """The coefficients :math:`C_{ijk}` of one pair ``(i, k)``: ``(j, C)``."""

    i: int
    k: int
    terms: tuple[tuple[int, float], ...]


@cache
def couplings(l1: int, l2: int, l3: int) -> tuple[Coupling, ...]:
    """The Clebsch-Gordan coefficients that are not zero, by pairs ``(i, k)``.

    Example:
        >>> [(c.i, c.k, c.terms[0][0]) for c in couplings(1, 1, 0)]
        [(0, 0, 0), (1, 0, 1), (2, 0, 2)]
    """
    c = clebsch_gordan(l1, l2, l3, dtype=torch.float64, device="cpu")
    pairs: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for i, j, k in (c.abs() > 1e-12).nonzero().tolist():
        pairs.setdefault((i, k), []).append((j, float(c[i, j, k])))
    return tuple(Coupling(*pair, tuple(terms)) for pair, terms in pairs.items())
