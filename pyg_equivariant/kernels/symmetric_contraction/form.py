"""A symmetric contraction as a polynomial: its monomials, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from pyg_equivariant.o3 import (
    Irrep,
    Irreps,
    IrrepsLike,
    SymmetricCoupling,
    symmetric_couplings,
)

_Monomial = tuple[int, ...]
_ROUNDING = 1e-12


class ContractionPath(NamedTuple):
    """Couplings of one degree that lead to one output block.

    Attributes:
        i_out: the output block.
        correlation: the degree.
        couplings: a basis of all there are.
    """

    i_out: int
    correlation: int
    couplings: tuple[SymmetricCoupling, ...]


class ContractionForm:
    r"""The polynomials that a symmetric contraction is made of.

    Every coupling is a polynomial of the components of one channel. All of them are
    evaluated together: each monomial is the product of one of a degree less and of one
    component. What several couplings add to one monomial of an output is joined before,
    as a row of a table of coefficients: weights enter there, once for a species.

    Args:
        irreps_in: irreps of the input; only their order counts.
        irreps_out: irreps of the output.
        correlation: the largest degree.

    Attributes:
        text: the form in one line: what a saved graph holds.
        dim_in: components of a channel of the input.
        dim_out: of the output.
        paths: output block after output block, degree after degree.
        num_paths: how many couplings there are together.
        sizes: how many monomials of each degree there are; those of degree 1 are the
            components themselves.
        factors: for every monomial of a higher degree which one it continues, numbered
            within that degree, and by which component, ``(2, *)``.
        monomials: for every row of the table which monomial it multiplies, numbered
            through all degrees.
        row_sizes: how many rows belong to each output component, in order.
        coefficients: of the couplings in the rows, ``(rows, num_paths)``.

    Example:
        >>> form = ContractionForm("0e+1o", "0e", 2)
        >>> form.num_paths, form.sizes, form.row_sizes  # x_0, and x_0^2 beside x . x
        (3, (4, 4), (5,))
        >>> ContractionForm.parse(form.text).num_paths
        3
    """

    def __init__(
        self, irreps_in: IrrepsLike, irreps_out: IrrepsLike, correlation: int
    ) -> None:
        irreps = Irreps([ir for _, ir in Irreps(irreps_in)])
        outputs = [ir for _, ir in Irreps(irreps_out)]
        self.text = contraction_text(irreps, irreps_out, correlation)
        self.dim_in = irreps.dim
        self.dim_out = sum(ir.dim for ir in outputs)
        self.paths = tuple(
            ContractionPath(o, n, symmetric_couplings(irreps, ir, n))
            for o, ir in enumerate(outputs)
            for n in range(1, correlation + 1)
        )
        self.num_paths = sum(len(path.couplings) for path in self.paths)
        rows = sorted(self._rows(irreps, outputs), key=_by_output)
        ranks = _with_prefixes(self.dim_in, {m for m, _, _ in rows})
        places = {m: n for n, m in enumerate(m for rank in ranks for m in rank)}
        self.sizes = tuple(map(len, ranks))
        self.factors = _factors(ranks)
        self._tabulate(rows, places)

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> ContractionForm:
        """The form of a text."""
        irreps_in, irreps_out, correlation = text.split(";")
        return ContractionForm(irreps_in, irreps_out, int(correlation))

    def _rows(
        self, irreps: Irreps, outputs: list[Irrep]
    ) -> Iterator[tuple[_Monomial, int, dict[int, float]]]:
        """Monomials of output components, and what each coupling adds to them."""
        starts = [part.start for part in irreps.slices()]
        firsts = list(accumulate((ir.dim for ir in outputs), initial=0))
        rows: dict[tuple[_Monomial, int], dict[int, float]] = {}
        number = 0
        for i_out, _, couplings in self.paths:
            for coupling in couplings:
                where = [starts[b] for b in coupling.blocks]
                for *at, k in np.argwhere(coupling.tensor).tolist():
                    monomial = tuple(sorted(map(int.__add__, where, at)))
                    row = rows.setdefault((monomial, firsts[i_out] + k), {})
                    value = coupling.num_orders * float(coupling.tensor[(*at, k)])
                    row[number] = row.get(number, 0.0) + value
                number += 1
        for (monomial, k), row in rows.items():
            kept = {n: value for n, value in row.items() if abs(value) > _ROUNDING}
            if kept:
                yield monomial, k, kept

    def _tabulate(
        self,
        rows: list[tuple[_Monomial, int, dict[int, float]]],
        places: dict[_Monomial, int],
    ) -> None:
        self.coefficients = np.zeros((len(rows), self.num_paths))
        self.monomials = np.array([places[m] for m, _, _ in rows], dtype=np.int64)
        counts = [0] * self.dim_out
        for r, (_, k, row) in enumerate(rows):
            counts[k] += 1
            self.coefficients[r, list(row)] = list(row.values())
        self.row_sizes = tuple(counts)


def contraction_text(
    irreps_in: IrrepsLike, irreps_out: IrrepsLike, correlation: int
) -> str:
    """The text of a form, from which :meth:`ContractionForm.parse` makes it once."""
    ends = (Irreps([ir for _, ir in Irreps(x)]) for x in (irreps_in, irreps_out))
    return ";".join([*map(str, ends), str(correlation)])


def _by_output(
    row: tuple[_Monomial, int, dict[int, float]],
) -> tuple[int, int, _Monomial]:
    monomial, k, _ = row
    return k, len(monomial), monomial


def _with_prefixes(dim: int, monomials: set[_Monomial]) -> list[list[_Monomial]]:
    """Monomials of every degree, with those that others continue."""
    for degree in range(max(map(len, monomials), default=1), 1, -1):
        monomials |= {m[:-1] for m in monomials if len(m) == degree}
    components: list[_Monomial] = [(i,) for i in range(dim)]
    top = max(map(len, monomials), default=1)
    rest = [sorted(m for m in monomials if len(m) == n) for n in range(2, top + 1)]
    return [components, *rest]


def _factors(ranks: list[list[_Monomial]]) -> np.ndarray:
    pairs = []
    for rank, continued in zip(ranks[1:], ranks, strict=False):
        places = {m: n for n, m in enumerate(continued)}
        pairs += [(places[m[:-1]], m[-1]) for m in rank]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy()
