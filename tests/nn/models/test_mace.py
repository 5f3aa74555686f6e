"""MACE: what it has besides what all networks have."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn import (
    MACE,
    AgnesiTransform,
    ForceField,
    SecondMomentActivation,
    ZBLRepulsion,
)
from pyg_equivariant.nn.models._mace_parts import MACEReadout
from pyg_equivariant.testing import assert_equivariant

SMALL = {"hidden_channels": 4, "lmax": 2, "num_radial": 5, "radial_channels": (6,)}
SMALL |= {"cutoff": 2.5, "avg_num_neighbors": 2.0}


def build(**options) -> MACE:
    species = options.pop("species", tuple(range(1, 10)))
    return MACE(**{**SMALL, **options}, species=species).double().eval()


def test_says_what_it_is() -> None:
    assert (
        str(build())
        == "MACE(4x0e+4x1o, lmax=2, correlation=3, num_layers=2, cutoff=2.5)"
    )


def test_the_energy_of_an_atom_alone_is_its_reference() -> None:
    atomref = torch.arange(10, dtype=torch.float64)
    z, pos = torch.tensor([8]), torch.zeros(1, 3, dtype=torch.float64)
    assert build(atomref=atomref)(z, pos).item() == 8
    assert build(atomref=atomref, residual_first=True)(z, pos).item() != 8


def test_the_last_layer_keeps_what_its_head_reads(graphs: dict[str, Data]) -> None:
    data = graphs["planar"]
    given = data.z, data.pos
    irreps = [str(layer.irreps_out) for layer in build().convs]
    assert irreps == ["4x0e+4x1o", "4x0e"]
    model = build(head="dipole")
    assert [str(layer.irreps_out) for layer in model.convs] == ["4x0e+4x1o"] * 2
    assert model(*given).shape == (1, 3)
    assert str(build(num_layers=1).convs[0].irreps_out) == "4x0e"


def test_energies_are_read_from_every_layer(graphs: dict[str, Data]) -> None:
    data, model = graphs["two_molecules"], build(num_layers=3)
    features = model.represent(data.z, model.graph(data.pos, data.batch))
    assert features.x.shape == (len(data.z), 12)
    parts = features.x.split(4, dim=1)
    terms = [f(x) for f, x in zip(model.head.pre.layers, parts, strict=True)]
    node = build(num_layers=3, head="node")
    node.load_state_dict(model.state_dict())
    torch.testing.assert_close(node(data.z, data.pos, data.batch), sum(terms))
    hidden = [len(f.weights) for f in model.head.pre.layers]
    assert hidden == [1, 1, 2]


def test_nuclei_repel(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    model, scale = build(zbl=True, scale=2.0), 2.0
    bare = build(scale=2.0)
    bare.load_state_dict(model.state_dict(), strict=False)
    edges = model.edges.embed(model.graph(data.pos, data.batch))
    repulsion = ZBLRepulsion(5).double()
    energy = repulsion(data.z, edges.edge_index, edges.edge_length)
    assert energy.sum() > 1e-3
    pooled = scale * energy.new_zeros(2).index_add(0, data.batch, energy)
    given = data.z, data.pos, data.batch
    found = (model(*given) - bare(*given)).squeeze(1)
    torch.testing.assert_close(found, pooled, rtol=1e-10, atol=1e-10)


def test_repulsive_energies_turn_and_are_smooth(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    model = ForceField(build(zbl=True))

    def function(pos: Tensor) -> tuple[Tensor, Tensor]:
        return model(data.z, pos, data.batch)[:2]

    assert_equivariant(function, "pos", [None, "1o"], [data.pos])
    pos = data.pos.clone().requires_grad_()
    energy = model.model(data.z, pos, data.batch).sum()
    (first,) = torch.autograd.grad(energy, pos, create_graph=True)
    assert first.square().sum().requires_grad


@pytest.mark.parametrize(
    "options", [{"head": "dipole"}, {"irreps_out": "1x2e"}, {"irreps_in": "3x0e"}]
)
def test_repulsion_is_an_energy_of_atoms(options: dict) -> None:
    with pytest.raises(ValueError, match="zbl=True"):
        build(zbl=True, **options)


def test_layers_may_differ(graphs: dict[str, Data]) -> None:
    model = build(density=(False, True), correlation=[3, 1])
    assert [conv.density for conv in model.convs] == [False, True]
    assert [conv.correlation for conv in model.convs] == [3, 1]
    data = graphs["two_molecules"]
    assert model(data.z, data.pos, data.batch).isfinite().all()
    for name in ("density", "correlation"):
        with pytest.raises(ValueError, match=rf"got {name}=\[1\] for 2 layers"):
            build(**{name: [1]})


def test_radial_functions_read_the_transformed_distance(
    graphs: dict[str, Data],
) -> None:
    """Once for both directions, where edges are paired, or for each."""
    data = graphs["two_molecules"]
    model = build(distance_transform="agnesi")
    graph = model.graph(data.pos, data.batch)
    index, length = graph.edge_index, graph.edge_vec().norm(dim=1)
    T = AgnesiTransform().double()(data.z, index, length)
    envelope = model.edges.envelope(length)
    assert envelope.min() > 0
    expected = model.edges.basis(T) * envelope.unsqueeze(-1)
    for by_pair in (True, False):
        edges = model._embed(data.z, graph, by_pair)
        assert (edges.pair is not None) is by_pair
        found = edges.spread(edges.edge_attr)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_envelope_multiplies_weights_instead(graphs: dict[str, Data]) -> None:
    """Of a linear radial network that is the same: the envelope commutes with it."""
    data = graphs["two_molecules"]
    options = {"radial_channels": (), "distance_transform": "soft"}
    model, other = build(**options), build(**options, envelope="weights")
    other.load_state_dict(model.state_dict())
    given = data.z, data.pos, data.batch
    torch.testing.assert_close(other(*given), model(*given), rtol=1e-10, atol=1e-12)
    hidden = build(envelope="weights")
    same = build()
    same.load_state_dict(hidden.state_dict())
    assert (hidden(*given) - same(*given)).abs().max() > 1e-4


def test_the_envelope_multiplies_densities_too(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    model = build(envelope="weights", density=True)
    graph = model.graph(data.pos, data.batch)
    length = graph.edge_vec().norm(dim=1)
    edges, conv = model._embed(data.z, graph, by_pair=True), model.convs[1]
    features = model.edges.basis(length)
    envelope = model.edges.envelope(length).unsqueeze(-1)
    found = model._radial(conv, edges)
    expected = conv.radial(features) * envelope, conv.edge_density(features) * envelope
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"distance_transform": "agnes"}, "'agnesi', 'soft' or None, got 'agnes'"),
        ({"radial_basis": "chebyshev"}, "'bessel' or 'gaussian', got 'chebyshev'"),
        ({"envelope": "both"}, "'features' or 'weights', got 'both'"),
        ({"distance_transform": "soft", "irreps_in": "3x0e"}, "reads atomic numbers"),
    ],
)
def test_what_is_no_choice_is_named(options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        build(**options)


def test_both_parities(graphs: dict[str, Data]) -> None:
    model = build(irreps_hidden="2x0o+2x0e+2x1o+2x1e", lmax=1, correlation=4)
    assert str(model.convs[1].irreps_message) == "2x0o+2x0e+2x1o+2x1e"
    data = graphs["two_molecules"]
    assert_equivariant(
        lambda pos: model(data.z, pos, data.batch), "pos", [None], [data.pos]
    )


def test_atoms_enter_as_scalars() -> None:
    with pytest.raises(ValueError, match="atoms enter as scalars 0e"):
        build(irreps_hidden="2x1o")


def test_unknown_species_are_named() -> None:
    with pytest.raises(ValueError, match=r"knows the species \[1, 8\], got \[6\]"):
        build(species=(1, 8))(torch.tensor([6, 1]), torch.randn(2, 3).double())


def test_readout_adds_energies_as_they_are() -> None:
    readout = MACEReadout([4, 3], (5,), SecondMomentActivation("silu"), 2)
    x = torch.randn(6, 9)
    apart = readout(torch.cat([x[:, :7], torch.zeros(6, 2)], dim=1))
    torch.testing.assert_close(readout(x) - apart, x[:, 7:].sum(1, keepdim=True))
