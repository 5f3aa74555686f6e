"""EGNN at its published sizes: QM9 and the charged particles."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.graph import complete_graph
from pyg_equivariant.nn.models import EGNN, SEGNN
from pyg_equivariant.testing import assert_equivariant


def nbody(hidden: int = 64, layers: int = 4) -> EGNN:
    """The configuration of the charged particles."""
    return EGNN(
        hidden,
        layers,
        attention=False,
        update_pos=True,
        velocity=True,
        edge_dim=2,
        in_channels=1,
        head="pos",
    )


def test_says_what_it_is() -> None:
    assert str(EGNN(16, 2)) == "EGNN(hidden_channels=16, num_layers=2, cutoff=None)"


@pytest.mark.parametrize("network", [EGNN, SEGNN])
def test_the_species_are_those_of_qm9(network: Any) -> None:
    model = network(8, num_layers=1, cutoff=2.0)
    for z in range(1, 12):
        if z in (1, 6, 7, 8, 9):
            assert model(torch.tensor([z]), torch.zeros(1, 3)).shape == (1, 1)
        else:
            with pytest.raises(ValueError, match=f"got \\[{z}\\]"):
                model(torch.tensor([z]), torch.zeros(1, 3))


def test_moves_charged_particles(build: Any) -> None:
    """Translations, rotations and reflections of positions and velocities."""
    model = nbody(8, 3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.double()
    batch = torch.tensor([0] * 5 + [1] * 5)
    edge_index = complete_graph(10, batch)
    charge = torch.randint(0, 2, (10,)).double() * 2 - 1
    product = (charge[edge_index[0]] * charge[edge_index[1]]).unsqueeze(-1)
    pos, vel = torch.randn(2, 10, 3, dtype=torch.float64)

    def move(pos: torch.Tensor, vel: torch.Tensor) -> torch.Tensor:
        edge_vec = pos[edge_index[0]] - pos[edge_index[1]]
        edge_attr = torch.cat([product, edge_vec.square().sum(-1, True)], dim=-1)
        speed = vel.norm(dim=-1, keepdim=True)
        return model(speed, pos, batch, edge_index, vel=vel, edge_attr=edge_attr)

    assert (move(pos, vel) - pos).abs().max() > 0.1
    assert_equivariant(move, ["pos", "1o"], ["pos"], [pos, vel])


def test_all_pairs_are_joined_unless_there_is_a_cutoff() -> None:
    pos = 100 * torch.rand(6, 3)
    assert EGNN(8, 1).graph(pos).edge_index.shape == (2, 30)
    assert EGNN(8, 1, cutoff=1e-3).graph(pos).edge_index.shape == (2, 0)


def test_an_envelope_needs_a_cutoff() -> None:
    with pytest.raises(ValueError, match="smooth=True needs a cutoff"):
        EGNN(8, 1, smooth=True)


def test_edges_change_with_the_positions(build: Any, graphs: dict[str, Data]) -> None:
    """Later layers see where earlier ones have moved the atoms."""
    data = graphs["planar"]
    model = build("EGNN", update_pos=True, head=None, cutoff=None)
    features = model(data.z, data.pos)
    x, pos = model.embedding(model.species(data.z)), data.pos
    edge_index = complete_graph(4)
    for conv in model.convs:
        x, pos = conv(x, pos, edge_index)
    torch.testing.assert_close(features.x, x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(features.pos, pos, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("atoms", [2, 3])
def test_positions_pass_the_cutoff_without_a_jump(build: Any, atoms: int) -> None:
    """Also where the last neighbor leaves, whose displacement is a mean of one."""
    z = torch.tensor([1, 6, 8])[:atoms]
    pos = torch.tensor([[0.0, 0, 0], [0, 0, 0], [1, 1, 0]])[:atoms].double()
    model = build("EGNN", update_pos=True, head="pos", smooth=True)

    def displacement(r: float) -> torch.Tensor:
        at = pos.clone()
        at[0, 0] = -r
        return (model(z, at) - at).detach()

    cutoff = model.cutoff
    near, far = displacement(cutoff - 1e-5), displacement(cutoff + 1e-5)
    assert (near - far).abs().max() < 1e-8
    assert (displacement(cutoff / 2) - far).abs().max() > 1e-3


def test_velocities_need_moving_positions() -> None:
    with pytest.raises(ValueError, match="update_pos"):
        EGNN(8, 1, velocity=True)
