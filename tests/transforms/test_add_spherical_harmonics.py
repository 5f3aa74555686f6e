from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data, HeteroData

from pyg_equivariant.o3 import Irreps
from pyg_equivariant.o3 import spherical_harmonics_reference as spherical_harmonics
from pyg_equivariant.transforms import (
    AddEdgeVectors,
    AddRadiusGraph,
    AddSphericalHarmonics,
)


@pytest.mark.parametrize("normalization", ["component", "integral", "norm"])
def test_harmonics_of_the_edges(crystals: list[Data], normalization: str) -> None:
    data = AddEdgeVectors()(AddRadiusGraph(3.0)(crystals[1]))
    transform = AddSphericalHarmonics(lmax=3, normalization=normalization)
    out = transform(data)
    expected = spherical_harmonics(
        [0, 1, 2, 3], data.edge_vec, normalization=normalization
    )
    torch.testing.assert_close(out.edge_sh, expected, atol=1e-12, rtol=0)
    assert transform.irreps_sh == Irreps("0e + 1o + 2e + 3o")
    assert "edge_sh" not in data


def test_between_types_of_nodes(complex_: HeteroData) -> None:
    near = ("ligand", "near", "protein")
    data = AddEdgeVectors()(AddRadiusGraph(2.0, edge_types=[near])(complex_))
    out = AddSphericalHarmonics(lmax=1, normalization="norm")(data)
    direction = data[near].edge_vec / data[near].edge_length[:, None]
    torch.testing.assert_close(out[near].edge_sh[:, 1:], direction)


def test_repr_and_bad_input() -> None:
    assert str(AddSphericalHarmonics(lmax=2)) == (
        "AddSphericalHarmonics('1x0e+1x1o+1x2e', normalization='component')"
    )
    with pytest.raises(ValueError, match="mean"):
        AddSphericalHarmonics(lmax=2, normalization="mean")
    with pytest.raises(ValueError, match="needs edge_index"):
        AddSphericalHarmonics(lmax=2)(Data(pos=torch.rand(2, 3)))
    with pytest.raises(ValueError, match="got 1x1e in"):
        AddSphericalHarmonics("0e+1e")


@pytest.mark.parametrize(("degree", "alone"), [(2, "2e"), (3, "3o")])
def test_a_bare_degree_is_ambiguous(degree: int, alone: str) -> None:
    message = f"lmax={degree} for the first, irreps_sh='{alone}' for the second"
    with pytest.raises(TypeError, match=message):
        AddSphericalHarmonics(degree)
    for options in ({}, {"irreps_sh": alone, "lmax": degree}):
        with pytest.raises(ValueError, match=r"give irreps_sh, .* or lmax"):
            AddSphericalHarmonics(**options)


def test_any_harmonics_of_the_edges(crystals: list[Data]) -> None:
    data = AddRadiusGraph(3.0)(crystals[1])
    every = AddSphericalHarmonics(lmax=2)(data).edge_sh
    for irreps in ("2e", [2]):
        alone = AddSphericalHarmonics(irreps)(data).edge_sh
        torch.testing.assert_close(alone, every[:, 4:])
