"""SE(3)-Transformer: what only this network has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn import (
    NormActivation,
    NormMLP,
    SE3Conv,
    SE3Transformer,
    SE3TransformerConv,
)
from pyg_equivariant.nn.models import ForceField
from pyg_equivariant.testing import assert_equivariant

SMALL: dict[str, Any] = {"hidden_channels": 4, "lmax": 1, "num_layers": 2}
SMALL |= {"num_heads": 2, "radial_channels": 8, "species": tuple(range(1, 10))}


def build(**options: Any) -> SE3Transformer:
    model = SE3Transformer(**{**SMALL, "cutoff": 4.0, **options})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double()


def test_is_written_with_its_symmetry() -> None:
    assert repr(build()) == (
        "SE3Transformer(4x0e+4x1e, num_layers=2, cutoff=4.0, parity=False)"
    )
    assert str(build(parity=True).irreps_hidden) == "4x0e+4x1o"


@pytest.mark.parametrize("head", ["max", "sum"])
def test_parity_is_an_option(graphs: dict[str, Data], head: str) -> None:
    data = graphs["two_molecules"]
    for parity in (False, True):
        model = build(parity=parity, lmax=2, head=head)
        given = data.z, data.pos, data.batch
        mirrored = model(data.z, -data.pos, data.batch)
        assert torch.allclose(model(*given), mirrored, rtol=1e-9) == parity
    assert_equivariant(
        lambda pos: model(data.z, pos, data.batch), "pos", [None], [data.pos]
    )


def test_the_default_head_takes_the_maximum_over_atoms(graphs: dict[str, Data]) -> None:
    """Copies of a molecule among its atoms change nothing; a sum would double."""
    model = build(head="max")
    data = graphs["planar"]
    once = model(data.z, data.pos)
    z, pos = data.z.repeat(2), torch.cat([data.pos, data.pos + 100])
    torch.testing.assert_close(model(z, pos), once)
    largest = model.represent(data.z, model.graph(data.pos)).x.amax(0)
    torch.testing.assert_close(model.head.post(largest), once[0])
    assert not model.is_extensive
    with_references = build(head="max", atomref=torch.ones(10))
    with_references.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(with_references(data.z, data.pos), once + 4)


def test_bonds_are_edges_with_features() -> None:
    """The published form: one-hot kinds, known before the distance."""
    model = build(cutoff=None, edge_dim=4, head="max")
    z, pos = torch.tensor([6, 8, 1]), torch.randn(3, 3).double()
    bonds = torch.tensor([[0, 1, 0, 2], [1, 0, 2, 0]])
    kinds = torch.eye(4).double()[[1, 1, 0, 0]]
    once = model(z, pos, edge_index=bonds, edge_attr=kinds)
    other = model(z, pos, edge_index=bonds, edge_attr=kinds.flip(1))
    assert not torch.allclose(once, other)
    seen = []
    model.convs[0].register_forward_pre_hook(lambda _, given: seen.append(given[3]))
    model(z, pos, edge_index=bonds, edge_attr=kinds)
    assert torch.equal(seen[0][:, :4], kinds)
    length = (pos[bonds[0]] - pos[bonds[1]]).norm(dim=1)
    torch.testing.assert_close(seen[0][:, 4], length)


def test_atoms_begin_with_their_number_beside_one_hot() -> None:
    model = build()
    z = torch.tensor([6, 1])
    inputs = model._inputs(z, None, torch.zeros(2, 3).double())
    assert torch.equal(inputs[:, :-1].argmax(1), z - 1)
    assert torch.equal(inputs[:, -1], z.double())


def test_layers_are_those_that_are_asked_for() -> None:
    assert all(isinstance(c, SE3TransformerConv) for c in build().convs)
    assert all(isinstance(c, SE3Conv) for c in build(attention=False).convs)
    assert isinstance(build().last, SE3Conv)
    assert isinstance(build().norms[0], NormMLP)
    assert isinstance(build(norm="bias").norms[0], NormActivation)
    ended = build(last="attentive", irreps_pool="2x0e+2x1e")
    assert isinstance(ended.last, SE3TransformerConv)
    with pytest.raises(ValueError, match="'layer' or 'bias', got 'batch'"):
        build(norm="batch")
    with pytest.raises(ValueError, match="needs a cutoff"):
        build(smooth=True, cutoff=None)


def test_forces_are_the_gradient_through_the_harmonics(graphs: dict[str, Data]) -> None:
    data, model = graphs["planar"], build(smooth=True, act="silu", head="extensive")
    forces = ForceField(model).eval()(data.z, data.pos).forces
    step = torch.zeros_like(data.pos)
    step[0, 1] = 1e-5
    with torch.no_grad():
        rise = model(data.z, data.pos + step) - model(data.z, data.pos - step)
    torch.testing.assert_close(forces[0, 1], -rise.squeeze() / 2e-5, rtol=1e-5, atol=0)
    harmonics = model.edges.spherical_harmonics
    harmonics.register_forward_hook(lambda *given: given[-1].detach())
    detached = ForceField(model).eval()(data.z, data.pos).forces
    assert (detached - forces).abs().max() > 1e-3
