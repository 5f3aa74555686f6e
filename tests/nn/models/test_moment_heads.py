"""Dipoles, polarizabilities and other moments turn as they should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian
from torch_geometric.data import Data

from pyg_equivariant.nn.models import (
    DipoleHead,
    Features,
    MolecularModel,
    PolarizabilityHead,
    PositionHead,
    SpatialExtentHead,
    VectorHead,
    moment_heads,
)
from pyg_equivariant.nn.pool import Atoms
from pyg_equivariant.o3 import rand_matrix
from pyg_equivariant.testing import assert_equivariant

Build = Callable[..., MolecularModel]
# networks that have nothing else
SCALARS = ("SchNet", "LieResNet", "NMP", "DimeNet", "DimeNetPlusPlus", "SphereNet")
KINDS = {
    "sum": None,
    "extensive": None,
    "mean": None,
    "node": None,
    "dipole": "1o",
    "dipole_magnitude": None,
    "isotropic_polarizability": None,
    "spatial_extent": None,
    "vector": "1o",
    "pos": "pos",
}
SHAPES = {"node": (11, 1), "dipole": (2, 3), "vector": (11, 3), "pos": (11, 3)}


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("head", [DipoleHead, PolarizabilityHead, SpatialExtentHead])
def test_without_a_batch_there_is_one_molecule(head: Any) -> None:
    x, pos = torch.randn(5, 8).double(), torch.randn(5, 3).double()
    features, z = Features(x, None, pos), torch.tensor([6, 1, 1, 8, 1])
    module = head(8).double()
    close(module(features, z), module(features, z, torch.zeros_like(z), 1))
    assert len(module(features, z)) == 1


def have(name: str, head: str) -> dict[str, Any] | None:
    """What a network needs for a head, or None if the head has no meaning there."""
    if name == "EGNN":
        return {"update_pos": True}
    if head == "pos" or (head == "vector" and name in SCALARS):
        return None
    return {}


@pytest.mark.parametrize("head", KINDS)
def test_every_head_has_its_symmetry(
    build: Build, name: str, group: Any, graphs: dict[str, Data], head: str
) -> None:
    data, kwargs = graphs["two_molecules"], have(name, head)
    if kwargs is None:
        with pytest.raises(ValueError, match=r"vectors|moves"):
            build(name, head=head)
        return
    model = build(name, head=head, **kwargs)
    out = model(data.z, data.pos, data.batch)
    assert out.shape == SHAPES.get(head, (2, 1))
    assert out.abs().max() > 1e-6
    assert_equivariant(
        lambda pos: model(data.z, pos, data.batch),
        "pos",
        [KINDS[head]],
        [data.pos],
        group=group,
    )


def test_polarizability_is_a_symmetric_tensor(
    build: Build, name: str, group: str, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    kwargs = have(name, "polarizability") or {}
    model = build(name, head="polarizability", **kwargs)
    found = model(data.z, data.pos, data.batch)
    assert found.shape == (2, 3, 3)
    close(found, found.transpose(1, 2))
    for sign in (1, -1) if group == "O(3)" else (1,):
        turn = sign * rand_matrix(dtype=torch.float64)
        if group == "T(3)":
            turn = torch.eye(3, dtype=torch.float64)
        moved = model(data.z, data.pos @ turn.T - 3, data.batch)
        close(moved, turn @ found @ turn.T, 1e-10)
    anisotropy = found - found.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * (
        torch.eye(3, dtype=torch.float64)
    )
    assert (anisotropy.abs().max() > 1e-6) == (name not in SCALARS)


@pytest.fixture
def features() -> Features:
    draw = {"dtype": torch.float64}
    return Features(
        torch.randn(5, 4, **draw),
        torch.randn(5, 3, 2, **draw),
        torch.randn(5, 3, **draw),
    )


BATCH = torch.tensor([0, 0, 0, 1, 1])
Z = torch.tensor([6, 1, 8, 7, 1])


def atomic(head: Any, features: Features) -> tuple[Tensor, Tensor]:
    """The scalar and the vector that a head makes of every atom."""
    x, vec = features.x, features.vec
    for block in head.blocks:
        x, vec = block(x, vec)
    return x, vec.squeeze(-1)


def test_dipole_is_its_formula(features: Features) -> None:
    head = DipoleHead(4, 2).double()
    q, mu = atomic(head, features)
    expected = []
    for graph in range(2):
        own = graph == BATCH
        neutral = q[own] - q[own].mean(0)
        expected.append((neutral * features.pos[own] + mu[own]).sum(0))
    found = head(features, Z, BATCH, 2)
    close(found, torch.stack(expected))
    size = DipoleHead(4, 2, magnitude=True).double()
    size.load_state_dict(head.state_dict())
    close(size(features, Z, BATCH, 2), found.norm(dim=-1, keepdim=True))
    shifted = features._replace(pos=features.pos + 10)
    close(head(shifted, Z, BATCH, 2), found, 1e-11)


def test_dipole_about_the_center_of_mass(features: Features) -> None:
    masses = torch.arange(10).double() * 2
    head = DipoleHead(4, 2, masses=masses).double()
    q, mu = atomic(head, features)
    own = BATCH == 0
    m = masses[Z[own]].unsqueeze(-1)
    r = features.pos[own]
    r = r - (m * r).sum(0) / m.sum()
    found = head(features, Z, BATCH, 2)[0]
    close(found, (q[own] * r + mu[own]).sum(0))


def test_moments_are_of_where_the_atoms_are(features: Features) -> None:
    """A network that moves atoms does not move the charges of the molecule."""
    moved = features._replace(pos=features.pos + 1, start=features.pos)
    for head in (
        DipoleHead(4, 2),
        PolarizabilityHead(4, 2),
        SpatialExtentHead(4, 2),
    ):
        head.double()
        assert torch.equal(head(moved, Z, BATCH, 2), head(features, Z, BATCH, 2))
    assert torch.equal(PositionHead()(moved, Z), moved.pos)
    with pytest.raises(ValueError, match="does not move"):
        PositionHead()(features, Z)


def centered(features: Features, graph: int) -> Tensor:
    own = graph == BATCH
    charge = Z[own].double().unsqueeze(-1)
    r = features.pos[own]
    return r - (charge * r).sum(0) / charge.sum()


def test_polarizability_and_extent_are_their_formulas(features: Features) -> None:
    head = PolarizabilityHead(4, 2).double()
    alpha, nu = atomic(head, features)
    found = head(features, Z, BATCH, 2)
    for graph in range(2):
        own, r = graph == BATCH, centered(features, graph)
        outer = torch.einsum("ni,nj->ij", nu[own], r)
        identity = alpha[own].sum() * torch.eye(3, dtype=torch.float64)
        close(found[graph], identity + outer + outer.T)
    third = PolarizabilityHead(4, 2, isotropic=True).double()
    third.load_state_dict(head.state_dict())
    trace = found.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
    close(third(features, Z, BATCH, 2), trace)

    extent = SpatialExtentHead(4).double()
    q = extent.scalar(features.x)
    found = extent(features, Z, BATCH, 2)
    for graph in range(2):
        own, r = graph == BATCH, centered(features, graph)
        close(found[graph], (q[own] * r.square().sum(1, keepdim=True)).sum(0))


def test_magnitude_of_no_dipole_has_finite_derivatives(features: Features) -> None:
    head = DipoleHead(4, magnitude=True).double()
    alone = Features(features.x[:1], None, features.pos[:1].requires_grad_())
    (gradient,) = torch.autograd.grad(head(alone, Z[:1]).sum(), alone.pos)
    assert torch.equal(gradient, torch.zeros(1, 3).double())


def test_heads_without_what_they_need_are_refused(features: Features) -> None:
    with pytest.raises(ValueError, match="no vectors"):
        VectorHead(4, 0)
    bare = features._replace(vec=None)
    with pytest.raises(ValueError, match="built for vectors"):
        DipoleHead(4, 2).double()(bare, Z, BATCH, 2)


def test_an_unknown_head_is_named(build: Build, name: str) -> None:
    with pytest.raises(ValueError, match="'energies'"):
        build(name, head="energies")


def test_a_head_of_ones_own(build: Build, name: str, graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    kwargs = have(name, "dipole") or {}
    if name == "SEGNN":  # hands over what is asked for, by a last steerable network
        model = build(name, head=DipoleHead(7, 3).double(), irreps_pool="7x0e+3x1o")
        assert model(data.z, data.pos, data.batch).shape == (2, 3)
        return
    scalars = build(name, head=None, **kwargs)(data.z, data.pos).x.shape[-1]
    mine = DipoleHead(scalars).double()
    model = build(name, head=mine, **kwargs)
    bare = build(name, head=None, **kwargs)
    bare.load_state_dict(model.state_dict(), strict=False)
    expected = mine(bare(data.z, data.pos, data.batch), data.z, data.batch, 2)
    close(model(data.z, data.pos, data.batch), expected)


@pytest.mark.parametrize("head", ["dipole", "spatial_extent"])
def test_hessians_of_a_batch_by_forward_mode(
    build: Build, graphs: dict[str, Data], head: str
) -> None:
    data, model = graphs["two_molecules"], build("PaiNN", head=head, num_layers=1)

    def function(pos: Tensor) -> Tensor:
        return model(data.z, pos, data.batch, data.edge_index).square().sum()

    options = {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}
    expected = hessian(function, data.pos)
    tolerance = 1e-12 * float(expected.abs().max())
    close(hessian(function, data.pos, **options), expected, tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_graph_without_charge_has_a_center(dtype: torch.dtype) -> None:
    """1e-12 is nothing in half precision."""
    pos = torch.tensor([[1.0, 2.0, 3.0], [300.0, 0.0, 0.0]], dtype=dtype)
    atoms = Atoms(torch.tensor([0, 119]), torch.tensor([0, 2]), 3)
    found = moment_heads.centered(pos, atoms)
    assert found.tolist() == [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]
