"""Cartesian tensors against e3nn's."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.interop import features_to_e3nn
from pyg_equivariant.o3 import CartesianTensor

io = pytest.importorskip("e3nn.io")

FORMULAS = ["ij", "ij=ji", "ij=-ji", "ijk=jik=ikj", "ijk=ikj", "ijkl=jikl=klij", "ijkl"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_same_numbers(formula: str) -> None:
    ours, theirs = CartesianTensor(formula), io.CartesianTensor(formula)
    assert str(ours.irreps) == str(theirs)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # e3nn's basis is rounded to it
    T = torch.randn(4, *(3,) * ours.rank)
    expected = theirs.from_cartesian(T)
    torch.set_default_dtype(before)
    found = features_to_e3nn(ours.irreps, ours.from_cartesian(T))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
