from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn import (
    BesselBasis,
    EdgeEmbedding,
    GaussianBasis,
    PolynomialCutoff,
)
from pyg_equivariant.transforms import AddRadialBasis, AddRadiusGraph


@pytest.mark.parametrize("kind", [BesselBasis, GaussianBasis])
def test_features_are_the_basis_of_the_lengths(
    kind: type, crystals: list[Data]
) -> None:
    data = AddRadiusGraph(3.0)(crystals[0])
    basis = kind(6, 3.0)
    out = AddRadialBasis(basis)(data)
    length = (
        data.pos[data.edge_index[0]]
        + data.edge_shift.double() @ data.cell[0]
        - data.pos[data.edge_index[1]]
    ).norm(dim=-1)
    torch.testing.assert_close(out.edge_attr, kind(6, 3.0).double()(length))
    assert out.edge_attr.dtype == torch.float64
    assert basis(torch.ones(1)).dtype == torch.float32  # the caller's own is untouched
    assert "edge_attr" not in data


def test_earlier_features_are_kept_or_replaced(molecules: list[Data]) -> None:
    data = AddRadiusGraph(9.0)(molecules[0])
    for earlier in (torch.rand(20, 1), torch.rand(20, 2)):
        data.edge_attr = earlier.squeeze(1)
        both = AddRadialBasis(BesselBasis(4, 9.0))(data).edge_attr
        alone = AddRadialBasis(BesselBasis(4, 9.0), cat=False)(data).edge_attr
        assert torch.equal(both, torch.cat([earlier.double(), alone], 1))
        assert alone.shape == (20, 4)


def test_any_function_of_lengths_will_do(molecules: list[Data]) -> None:
    def inverse(length: Tensor) -> Tensor:
        return 1 / length.unsqueeze(-1)

    data = AddRadiusGraph(9.0)(molecules[0])
    out = AddRadialBasis(inverse)(data)
    assert out.edge_attr.shape == (20, 1)
    with pytest.raises(TypeError, match="basis must map lengths to features"):
        AddRadialBasis(5.0)  # type: ignore[arg-type]


def test_repr() -> None:
    basis = BesselBasis(4, 9.0)
    assert str(AddRadialBasis(basis)) == f"AddRadialBasis({basis})"
    assert str(AddRadialBasis(basis, cat=False)).endswith(", cat=False)")


def test_features_are_those_of_the_module_on_edges(molecules: list[Data]) -> None:
    data = AddRadiusGraph(3.0)(molecules[0])
    basis, envelope = BesselBasis(4, 3.0), PolynomialCutoff(3.0)
    transform = AddRadialBasis(basis, envelope=envelope)
    edges = EdgeEmbedding(3.0, basis, envelope).double()(data.pos.double())
    assert torch.equal(data.edge_index, edges.edge_index)
    data.pos = data.pos.double()
    assert torch.equal(transform(data).edge_attr, edges.edge_attr)
    assert str(transform).endswith("envelope=PolynomialCutoff(3.0, p=6))")
    with pytest.raises(TypeError, match="envelope must map lengths to factors"):
        AddRadialBasis(basis, envelope=3.0)  # type: ignore[arg-type]
