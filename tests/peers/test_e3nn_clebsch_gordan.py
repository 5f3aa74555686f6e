"""Clebsch-Gordan coefficients against e3nn's ``wigner_3j``, signs included."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.o3._clebsch_gordan import clebsch_gordan

o3 = pytest.importorskip("e3nn.o3")


@pytest.mark.parametrize("l1", range(12))
def test_equal_to_degree_11(l1: int) -> None:
    for l2 in range(12):
        for l3 in range(abs(l1 - l2), min(l1 + l2, 11) + 1):
            expected = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
            C = clebsch_gordan(l1, l2, l3, dtype=torch.float64)
            assert (C - expected).abs().max() < 1e-14
