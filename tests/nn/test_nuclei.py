"""What functions of two atoms share; what they refuse is tested with the repulsion."""

from __future__ import annotations

import torch

from pyg_equivariant.nn.nuclei import COVALENT_RADII, HEAVIEST, PairFunction


def test_radii_by_atomic_number() -> None:
    assert HEAVIEST == 96
    radii = PairFunction().double().radii
    assert radii[[1, 6, 8, 55, 96]].tolist() == [0.31, 0.76, 0.66, 2.44, 1.69]
    assert radii[1:].tolist() == list(COVALENT_RADII)


def test_reach_joins_both_ends() -> None:
    function = PairFunction().double()
    z, edge_index = torch.tensor([1, 6, 8]), torch.tensor([[0, 2, 2], [1, 1, 2]])
    expected = torch.tensor([0.31 + 0.76, 0.66 + 0.76, 2 * 0.66], dtype=torch.float64)
    torch.testing.assert_close(function.reach(z, edge_index), expected)
