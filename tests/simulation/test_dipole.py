"""Dipole moments in e angstrom, as the network has them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pyg_equivariant.nn.models import Card, MolecularModel
from pyg_equivariant.simulation import NeighborList
from pyg_equivariant.simulation.dipole import DIPOLES, Dipole, has_dipole

Build = Callable[..., MolecularModel]


def predict(dipole: Dipole, shift: float = 0.0) -> torch.Tensor:
    pos = torch.tensor([[0.0, 0, 0], [0.9, 0, 0], [0, 0.8, 0.3]]).double() + shift
    edges = NeighborList(dipole.cutoff)(pos)
    return dipole(torch.tensor([8, 1, 1]), pos, *edges)


@pytest.mark.parametrize("name", ["painn", "schnet", "tfn"])
def test_is_what_the_network_says(build: Build, name: str) -> None:
    model = build(name, head="dipole")
    pos = torch.tensor([[0.0, 0, 0], [0.9, 0, 0], [0, 0.8, 0.3]]).double()
    expected = model(torch.tensor([8, 1, 1]), pos)[0].detach()
    found = predict(Dipole(model))
    assert not found.requires_grad
    torch.testing.assert_close(found, DIPOLES["D"] * expected)
    torch.testing.assert_close(predict(Dipole(model), shift=50.0), found)


def test_units(build: Build) -> None:
    from ase import units

    assert pytest.approx(units.Debye) == DIPOLES["D"]
    assert pytest.approx(units.Bohr) == DIPOLES["e*Bohr"]
    model = build(head="dipole")
    plain = predict(Dipole(model, unit="e*Ang"))
    model.card = Card("dipole", "e*Bohr", species=(1, 8))
    torch.testing.assert_close(predict(Dipole(model)), units.Bohr * plain)
    with pytest.raises(ValueError, match="'eV' as the unit of a dipole"):
        Dipole(model, unit="eV")
    model.card = Card("dipole", "D", species=(1, 6))
    with pytest.raises(ValueError, match="trained on the species"):
        predict(Dipole(model))


def test_other_heads_are_refused(build: Build) -> None:
    for head in ("extensive", "dipole_magnitude", None):
        model = build(head=head)
        assert not has_dipole(model)
        with pytest.raises(ValueError, match="head='dipole'"):
            Dipole(model)
