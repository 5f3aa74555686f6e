"""What a network has room for stays, the rest enters by inner products."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn import EdgeEmbedding
from pyg_equivariant.nn.models._admitted import AdmittedFeatures, EdgeFeatures
from pyg_equivariant.nn.radial import BesselBasis
from pyg_equivariant.o3 import Irreps, rand_matrix, rotate


def test_inner_products_are_those_of_copies_of_one_irrep() -> None:
    """Also where the copies lie in several blocks."""
    irreps = Irreps("1x1e+2x0e+1x2e+1x1e")
    admitted = AdmittedFeatures(irreps, "0e+2e", "x")
    assert admitted.irreps_out == Irreps("2x0e+1x2e+4x0e")
    x = torch.randn(5, irreps.dim)
    out = admitted(x, x, 5)
    v, scalars, tensor, w = x.split([3, 2, 5, 3], dim=1)
    assert torch.equal(out[:, :7], torch.cat([scalars, tensor], dim=1))
    products = [(v * v).sum(1), (v * w).sum(1), (w * w).sum(1)]
    expected = [p / 3 for p in products] + [tensor.square().mean(1)]
    torch.testing.assert_close(out[:, 7:], torch.stack(expected, dim=1))


def test_symmetry_and_derivatives_at_zero() -> None:
    irreps = Irreps("2x0o+2x1o+1x2e")
    admitted = AdmittedFeatures(irreps, "1o", "x").double()
    x = irreps.randn(5, -1, dtype=torch.float64)
    R = -rand_matrix(dtype=torch.float64)
    found = admitted(rotate(irreps, x, R), x, 5)
    expected = rotate(admitted.irreps_out, admitted(x, x, 5), R)
    torch.testing.assert_close(found, expected)
    zero = torch.zeros(1, irreps.dim, dtype=torch.float64)
    second = torch.autograd.functional.hessian(
        lambda x: admitted(x, x, 1).sum(), zero
    ).squeeze()
    assert second.diagonal().gt(0).all()


def test_none_is_admitted_where_none_was_announced() -> None:
    admitted = AdmittedFeatures(None, "0e", "x")
    x = torch.randn(5, 2)
    assert admitted(None, x, 5) is None
    assert admitted.irreps_out.dim == 0
    with pytest.raises(ValueError, match=r"x came, but .* without irreps_x"):
        admitted(x, x, 5)
    with pytest.raises(ValueError, match="edge_attr is missing: expected 2 numbers"):
        AdmittedFeatures("2x0e", "0e", "edge_attr")(None, x, 5)
    with pytest.raises(ValueError, match=r"\(4, 2\), one row for each of 4 edges"):
        AdmittedFeatures("2x0e", "0e", "edge_attr")(x, x, 4)


def test_edges_carry_invariants_and_what_steers() -> None:
    features = EdgeFeatures("1x1o+1x0e+2x2e")
    assert features.num_scalars == 1 + 1 + 3
    assert features.irreps_steerable == Irreps("1x1o+1x2e+1x2e")
    embed = EdgeEmbedding(2.0, BesselBasis(4, 2.0), irreps_sh="0e+1o")
    edges = embed(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
    attr = torch.randn(6, 14)
    radial = features.radial(attr, edges).edge_attr
    assert torch.equal(radial[:, :4], edges.edge_attr)
    assert torch.equal(radial[:, 4], attr[:, 3])
    steered = features.steered(attr, edges).edge_sh
    assert torch.equal(steered[:, :7], torch.cat([edges.edge_sh, attr[:, :3]], dim=1))
    copies = attr[:, 4:].view(6, 5, 2)
    assert torch.equal(steered[:, 7:12], copies[..., 0])
    assert torch.equal(steered[:, 12:], copies[..., 1])


def test_invariants_vanish_under_the_envelope() -> None:
    features = EdgeFeatures("2x0e")
    embed = EdgeEmbedding(3.0, BesselBasis(4, 3.0), lambda r: (3 - r).clamp(min=0))
    edges = embed(torch.tensor([[0.0, 0, 0], [2.5, 0, 0]]))
    attr = torch.randn(2, 2)
    radial = features.radial(attr, edges).edge_attr
    torch.testing.assert_close(radial[:, 4:], 0.5 * attr)
