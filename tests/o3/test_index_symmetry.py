"""Formulas of indices, read to the end."""

from __future__ import annotations

import pytest

from pyg_equivariant.o3._index_symmetry import index_symmetry


@pytest.mark.parametrize(
    ("formula", "order"),
    [
        ("ij", 1),
        ("ij=ji", 2),
        ("ijk=jki", 3),
        ("ijk=jik=ikj", 6),
        ("ijkl=jikl=klij", 8),
        ("ijkl=jikl=jkli", 24),
    ],
)
def test_all_products_are_found(formula: str, order: int) -> None:
    rank, group = index_symmetry(formula)
    assert (rank, len(group)) == (len(formula.split("=")[0]), order)
    assert {sign for sign, _ in group} == {1}


def test_signs_multiply() -> None:
    rank, group = index_symmetry("ijk = -jik = - ikj")
    signs = {permutation: sign for sign, permutation in group}
    assert rank == 3
    assert signs[0, 1, 2] == signs[1, 2, 0] == 1
    assert signs[1, 0, 2] == signs[2, 1, 0] == -1
