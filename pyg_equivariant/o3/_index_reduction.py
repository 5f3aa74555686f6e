"""Tensors whose indices are irreps and trade places by a rule, as irreps."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch

from ._clebsch_gordan import clebsch_gordan
from ._index_symmetry import SignedPermutation
from ._irreps import Irrep, Irreps

_ROUNDING = 1e-9
Coupling = tuple[Irrep, np.ndarray]


def reduce_indices(
    indices: tuple[Irreps, ...],
    symmetry: tuple[SignedPermutation, ...],
    keep: Collection[Irrep] | None = None,
    through: Collection[Irrep] | None = None,
) -> tuple[Irreps, np.ndarray]:
    """The irreps within the tensors of a symmetry, and an orthonormal basis of them.

    On all couplings that end in one irrep the symmetrizer acts on their multiplicities
    alone. The basis is made of the symmetric ones among what the couplings span, one
    after the other, as in e3nn.

    Args:
        indices: irreps of every index; those that trade places are equal.
        symmetry: all signed permutations that leave the tensors alone.
        keep: irreps wanted (default: all).
        through: irreps through which couplings may lead (default: all).

    Returns:
        Irreps, and rows ``(irreps.dim, dim_1, dim_2, ...)``, all axes in the layout
        ``ir_mul``.

    Example:
        >>> from pyg_equivariant.o3 import index_symmetry
        >>> _, symmetry = index_symmetry("ij=ji")
        >>> irreps, rows = reduce_indices((Irreps("1o"), Irreps("1o")), symmetry)
        >>> irreps, rows.shape
        (1x0e+1x2e, (6, 3, 3))
    """
    groups: dict[Irrep, list[np.ndarray]] = {}
    for ir, tensor in _couplings(indices, through):
        if keep is None or ir in keep:
            groups.setdefault(ir, []).append(tensor)
    found, rows = [], [np.zeros((0, *(irreps.dim for irreps in indices)))]
    for ir, tensors in groups.items():
        base = np.stack(tensors)  # [paths, 2l+1, dim_1, dim_2, ...]
        for mixture in _orthonormal(_symmetric(base, symmetry)):
            found.append((1, ir))
            rows.append(np.tensordot(mixture, base, 1))
    out = Irreps(found).simplify()
    basis = np.concatenate(rows)
    for axis, irreps in enumerate((out, *indices)):
        if len(irreps):
            order = irreps.from_mul_ir(torch.arange(irreps.dim, device="cpu"))
            basis = basis.take(order.numpy(), axis=axis)
    return out, basis


def _couplings(
    indices: tuple[Irreps, ...], through: Collection[Irrep] | None
) -> list[Coupling]:
    """All couplings of the indices from the left: irrep, and orthonormal rows."""
    *left_indices, right_index = indices
    rows, places, start = np.eye(right_index.dim), [], 0
    for mul, ir in right_index:
        for _ in range(mul):
            places.append((ir, slice(start, start + ir.dim)))
            start += ir.dim
    if not left_indices:
        return [(ir, rows[place]) for ir, place in places]
    found = []
    for left, tensor in _couplings(tuple(left_indices), through):
        for right, place in places:
            for ir in left * right:
                if through is None or ir in through:
                    C = _orthonormal_coefficients(left.l, right.l, ir.l)
                    coupled = np.zeros((ir.dim, *tensor.shape[1:], right_index.dim))
                    coupled[..., place] = np.einsum("i...,ijk->k...j", tensor, C)
                    found.append((ir, coupled))
    return sorted(found, key=lambda coupling: coupling[0])


def _orthonormal_coefficients(l1: int, l2: int, l: int) -> np.ndarray:
    C = clebsch_gordan(l1, l2, l, dtype=torch.float64, device="cpu").numpy()
    return np.asarray(C * (2 * l + 1) ** 0.5)


def _symmetric(base: np.ndarray, symmetry: tuple[SignedPermutation, ...]) -> np.ndarray:
    """The projector on those mixtures of couplings that have the symmetry."""
    first = base[:, 0]  # by Schur's lemma the other components say the same
    symmetrized = np.zeros_like(first)
    for sign, permutation in symmetry:
        symmetrized += sign * first.transpose(0, *(1 + i for i in permutation))
    paths = len(base)
    overlap = first.reshape(paths, -1) @ symmetrized.reshape(paths, -1).T
    values, vectors = np.linalg.eigh(overlap / len(symmetry))
    kept = vectors[:, values > 1 - _ROUNDING]
    return np.asarray(kept @ kept.T)


def _orthonormal(projector: np.ndarray) -> list[np.ndarray]:
    """Orthonormal vectors that span the rows of a projector, one row after another."""
    out: list[np.ndarray] = []
    for row in projector:
        for _ in range(2):  # what rounding left of the others goes the second time
            row = row - sum((other * (other @ row) for other in out), np.zeros(1))
        if (length := np.linalg.norm(row)) > 1e-6:
            out.append(row / length)
    return out
