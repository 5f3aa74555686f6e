"""Symmetric powers of features, projected on irreps: a basis without redundancy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations_with_replacement, groupby, permutations, product
from typing import NamedTuple

import numpy as np

from ._clebsch_gordan import _float64 as _clebsch_gordan
from ._irreps import Irrep, IrrepLike, Irreps, IrrepsLike

# What is left of a coupling that depends on others is rounding, far below.
_INDEPENDENT = 1e-7
_ROUNDING = 1e-13


class SymmetricCoupling(NamedTuple):
    r"""One symmetric equivariant map :math:`V \times \dots \times V \to L`.

    Attributes:
        blocks: the input blocks that it joins, ascending; it is zero at others.
        tensor: the map at these blocks, ``(2 l_1 + 1, ..., 2 l_n + 1, 2 L + 1)``, read
            only. Blocks in another order have the same numbers with the axes exchanged.
    """

    blocks: tuple[int, ...]
    tensor: np.ndarray

    @property
    def num_orders(self) -> int:
        """In how many orders its blocks stand."""
        counts = Counter(self.blocks).values()
        return math.factorial(len(self.blocks)) // math.prod(
            math.factorial(count) for count in counts
        )

    def at(self, blocks: Iterable[int]) -> np.ndarray:
        """The map at the same blocks in another order."""
        free = list(enumerate(self.blocks))
        axes = []
        for block in blocks:
            axis = next(a for a, other in free if other == block)
            free.remove((axis, block))
            axes.append(axis)
        return self.tensor.transpose(*axes, len(axes))


def symmetric_couplings(
    irreps_in: IrrepsLike, ir_out: IrrepLike, correlation: int
) -> tuple[SymmetricCoupling, ...]:
    r"""An orthogonal basis of the maps from a symmetric power of features to an irrep.

    A polynomial of degree :math:`n` of features :math:`x` that rotates as :math:`L`
    is a sum of

    .. math::
        P_M(x) = \sum_{q_1 \dots q_n} S_{q_1 \dots q_n M}\, x_{q_1} \cdots x_{q_n},

    with tensors :math:`S` that are symmetric in all :math:`q` and equivariant. These
    are all of them, by the blocks that they join, coupled one after the other by
    :func:`clebsch_gordan`, symmetrized, and orthogonalized in that order: none is a sum
    of others. :math:`\sum S S' = (2L+1)\, \delta_{SS'}`. They are computed once.

    Args:
        irreps_in: irreps of the features; multiplicities do not matter, every block
            counts once.
        ir_out: the irrep :math:`L`.
        correlation: the degree :math:`n`, 1 or more.

    Returns:
        The basis, empty if there is no such polynomial.

    Raises:
        TypeError: if ``correlation`` is not an ``int``.
        ValueError: if it is below 1.

    Example:
        >>> for blocks, _ in symmetric_couplings("0e+1o", "1o", 3):
        ...     print(blocks)
        (0, 0, 1)
        (1, 1, 1)
    """
    if isinstance(correlation, bool) or not isinstance(correlation, int):
        raise TypeError(f"correlation is an int, got {correlation!r}")
    if correlation < 1:
        raise ValueError(f"correlation is a degree, 1 or more, got {correlation}")
    irs = tuple(ir for _, ir in Irreps(irreps_in))
    return _couplings(irs, Irrep(ir_out), correlation)


@cache
def _couplings(
    irs: tuple[Irrep, ...], ir_out: Irrep, correlation: int
) -> tuple[SymmetricCoupling, ...]:
    found = []
    for blocks in combinations_with_replacement(range(len(irs)), correlation):
        kept: list[np.ndarray] = []
        for chain in _chains([irs[b] for b in blocks], ir_out):
            tensor = _symmetrized(chain, blocks)
            norm = float(np.linalg.norm(tensor))
            for _ in range(2):  # the second time removes what rounding left
                for other in kept:
                    tensor = tensor - other * np.vdot(other, tensor)
            rest = np.linalg.norm(tensor)
            if rest > _INDEPENDENT * max(norm, 1.0):
                kept.append(tensor / rest)
        found += [_normalized(blocks, tensor, ir_out) for tensor in kept]
    return tuple(found)


def _chains(irs: list[Irrep], ir_out: Irrep) -> Iterator[np.ndarray]:
    """All ways to couple irreps one after the other."""
    chains = [(irs[0], np.eye(irs[0].dim))]
    for n, right in enumerate(irs[1:], 2):
        reach = sum(ir.l for ir in irs[n:])
        chains = [
            (ir, np.tensordot(tensor, _clebsch_gordan(left.l, right.l, ir.l), 1))
            for left, tensor in chains
            for ir in left * right
            if abs(ir.l - ir_out.l) <= reach
        ]
    return (tensor for ir, tensor in chains if ir == ir_out)


def _symmetrized(tensor: np.ndarray, blocks: tuple[int, ...]) -> np.ndarray:
    """The mean over all exchanges of equal blocks."""
    axes = [
        list(permutations([axis for axis, _ in group]))
        for _, group in groupby(enumerate(blocks), key=lambda pair: pair[1])
    ]
    orders = [sum(parts, ()) for parts in product(*axes)]
    last = len(blocks)
    total = sum(tensor.transpose(*order, last) for order in orders)
    return np.asarray(total) / len(orders)


def _normalized(
    blocks: tuple[int, ...], tensor: np.ndarray, ir_out: Irrep
) -> SymmetricCoupling:
    orders = SymmetricCoupling(blocks, tensor).num_orders
    tensor = np.where(np.abs(tensor) < _ROUNDING, 0.0, tensor)
    tensor = tensor * math.sqrt(ir_out.dim / orders)
    tensor.setflags(write=False)
    return SymmetricCoupling(blocks, tensor)
