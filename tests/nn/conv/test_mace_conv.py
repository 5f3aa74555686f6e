"""The layer of MACE: a linear convolution, and polynomials at every node."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn.conv import MACEConv
from pyg_equivariant.testing import assert_equivariant

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])
SPECIES = torch.tensor([0, 2, 1, 1, 0])
IRREPS = "4x0e+2x1o", "0e+1o+2e", "3x0e+3x1o"


def build(randomize, **options) -> MACEConv:
    return randomize(
        MACEConv(*IRREPS, 5, num_species=3, radial_channels=(6,), **options)
    )


def inputs(conv: MACEConv) -> tuple[Tensor, ...]:
    x = conv.irreps_in.randn(5, -1, dtype=torch.float64)
    sh = conv.irreps_sh.randn(6, -1, dtype=torch.float64)
    return x, EDGE_INDEX, sh, torch.rand(6, 5, dtype=torch.float64), SPECIES


def test_says_what_it_is() -> None:
    conv = MACEConv(*IRREPS, 5, num_species=3)
    assert str(conv) == (
        "MACEConv(4x0e+2x1o -> 3x0e+3x1o, irreps_sh=1x0e+1x1o+1x2e, edge_dim=5, "
        "correlation=3)"
    )
    assert str(conv.irreps_message) == "3x0e+3x1o+3x2e"


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("fuse", [True, False])
def test_is_the_formula_of_the_paper(randomize, residual: bool, fuse: bool) -> None:
    conv = build(randomize, residual=residual, avg_num_neighbors=2.5)
    conv.fuse = fuse
    x, edge_index, sh, edge_attr, species = inputs(conv)
    total = torch.zeros(5, conv.tp.irreps_out.dim, dtype=torch.float64)
    sent = conv.mix_in(x)
    for e, (j, i) in enumerate(edge_index.T.tolist()):
        total[i] += conv.tp(sent[j], sh[e], conv.radial(edge_attr[e])) / 2.5
    arrived = conv.mix(total)
    if not residual:
        arrived = conv.skip(arrived, species)
    expected = conv.mix_out(conv.product(arrived, species))
    if residual:
        expected = expected + conv.skip(x, species)
    found = conv(x, edge_index, sh, edge_attr, species)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("fuse", [True, False])
def test_sums_are_divided_by_the_density(randomize, residual: bool, fuse: bool) -> None:
    conv = build(randomize, residual=residual, density=True, avg_num_neighbors=2.5)
    conv.fuse = fuse
    x, edge_index, sh, edge_attr, species = inputs(conv)
    total = torch.zeros(5, conv.tp.irreps_out.dim, dtype=torch.float64)
    density = torch.ones(5, 1, dtype=torch.float64)
    sent, (w,) = conv.mix_in(x), conv.rho.weights
    for e, (j, i) in enumerate(edge_index.T.tolist()):
        total[i] += conv.tp(sent[j], sh[e], conv.radial(edge_attr[e]))
        density[i] += torch.tanh((edge_attr[e] @ w[:, 0]) ** 2 / 5)
    arrived = conv.mix(total) / density
    if not residual:
        arrived = conv.skip(arrived, species)
    expected = conv.mix_out(conv.product(arrived, species))
    if residual:
        expected = expected + conv.skip(x, species)
    found = conv(x, edge_index, sh, edge_attr, species)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_a_density_is_asked_for(randomize) -> None:
    conv = build(randomize, density=True)
    x, edge_index, sh, edge_attr, species = inputs(conv)
    with pytest.raises(ValueError, match=r"density is missing.*edge_density"):
        conv.interact(x, edge_index, sh, conv.radial(edge_attr), species)
    assert build(randomize).edge_density(edge_attr) is None


@pytest.mark.parametrize("residual", [True, False])
def test_a_node_without_neighbors(randomize, residual: bool) -> None:
    conv = build(randomize, residual=residual)
    x, edge_index, sh, edge_attr, species = inputs(conv)
    out = conv(x, edge_index, sh, edge_attr, species)
    kept = conv.skip(x, species)[3] if residual else torch.zeros(12).double()
    assert torch.equal(out[3], kept)
    assert out[:3].abs().min() > 0


def test_three_neighbors_meet_at_once(randomize) -> None:
    """What neighbors do together is more than what all pairs of them do."""
    conv = build(randomize, residual=False)
    x, _, sh, edge_attr, species = inputs(conv)

    def energy(*edges: int) -> Tensor:
        edge_index = torch.tensor([[1, 2, 3], [0, 0, 0]])[:, list(edges)]
        given = sh[list(edges)], edge_attr[list(edges)]
        return conv(x, edge_index, *given, species)[0]

    joint = energy(0, 1, 2) - energy(0, 1) - energy(0, 2) - energy(1, 2)
    joint = joint + energy(0) + energy(1) + energy(2)
    assert joint.abs().max() > 1e-3
    conv = build(randomize, residual=False, correlation=2)
    joint = energy(0, 1, 2) - energy(0, 1) - energy(0, 2) - energy(1, 2)
    joint = joint + energy(0) + energy(1) + energy(2)
    assert joint.abs().max() < 1e-11


def test_both_parities(randomize, on_edges, graphs, generator) -> None:
    irreps = "2x0o+2x0e+2x1o+2x1e"
    conv = randomize(
        MACEConv(irreps, "0e+1o", irreps, 5, irreps_message=irreps, radial_channels=())
    )
    data = graphs["asymmetric"]
    x = conv.irreps_in.randn(len(data.pos), -1, dtype=torch.float64)

    def radial(length: Tensor) -> Tensor:
        return torch.stack([(-k * length).exp() for k in range(5)], dim=-1)

    assert_equivariant(
        lambda x, pos: on_edges(conv, radial)(x, pos, data.edge_index),
        [conv.irreps_in, "pos"],
        conv.irreps_out,
        [x, data.pos],
        generator=generator,
    )


def test_species_are_needed_where_there_are_several(randomize) -> None:
    conv = build(randomize)
    *given, species = inputs(conv)
    with pytest.raises(ValueError, match="species are missing"):
        conv(*given)
    with pytest.raises(IndexError, match="species from 0 to 2"):
        conv(*given, species + 1)
    conv = build(randomize, residual=False)
    with pytest.raises(ValueError, match="species are missing"):
        conv.multiply(conv.irreps_message.randn(5, -1).double())


def test_targets_need_features_for_the_residual_only(randomize) -> None:
    x = torch.randn(5, 4, dtype=torch.float64)
    sh, edge_attr = torch.randn(6, 4).double(), torch.rand(6, 5).double()
    irreps = "4x0e", "0e+1o", "3x0e"
    conv = MACEConv(*irreps, 5, residual=False).double()
    out = conv((x, None), EDGE_INDEX % 3, sh, edge_attr, size=(5, 3))
    assert out.shape == (3, 3)
    conv = MACEConv(*irreps, 5).double()
    with pytest.raises(ValueError, match="residual needs"):
        conv((x, None), EDGE_INDEX % 3, sh, edge_attr, size=(5, 3))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_number_of_neighbors_is_positive(value: float) -> None:
    with pytest.raises(ValueError, match="avg_num_neighbors"):
        MACEConv("4x0e", "0e", "4x0e", 5, avg_num_neighbors=value)


def test_channels_are_equally_many_in_all_outputs() -> None:
    with pytest.raises(ValueError, match="equal multiplicities"):
        MACEConv("4x0e", "0e+1o", "4x0e+3x1o", 5)
