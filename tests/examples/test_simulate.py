"""The example of simulations, on what is known of copper."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import simulate
import torch
from ase.calculators.emt import EMT

from pyg_equivariant.nn import PaiNN, save_model
from pyg_equivariant.nn.models import Card


def test_copper_is_copper() -> None:
    """Numbers of EMT from its literature, near those of the metal."""
    state = simulate.equation_of_state(EMT)
    assert state["lattice constant (A)"] == pytest.approx(3.59, abs=0.01)
    assert state["bulk modulus (GPa)"] == pytest.approx(134, abs=3)
    phonons = simulate.vibrate(EMT)
    assert phonons["X transverse (THz)"] == pytest.approx(5.5, abs=0.2)
    assert phonons["X longitudinal (THz)"] == pytest.approx(8.1, abs=0.2)
    assert simulate.relax(EMT)["vacancy energy (eV)"] == pytest.approx(1.2, abs=0.1)


def test_structures_are_labelled() -> None:
    for atoms in simulate.label(5):
        assert np.isfinite(atoms.get_stress()).all()
        assert np.abs(atoms.get_forces()).max() < 10
        assert np.isfinite(atoms.get_potential_energy())


def test_it_runs_with_a_network(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a network that has learned nothing takes long to find rest
    monkeypatch.setattr(simulate, "relax", lambda make: {})
    monkeypatch.setattr(simulate, "vibrate", lambda make: {})
    torch.manual_seed(0)
    model = PaiNN(8, 1, cutoff=3.0, head="extensive")
    model.card = Card(species=(29,))
    save_model(model, tmp_path / "model.pt")
    flags = f"--model {tmp_path / 'model.pt'} --folder {tmp_path} --steps 10"
    simulate.main(flags.split())
    out = capsys.readouterr().out
    assert "lattice constant (A)" in out
    found = json.loads((tmp_path / "simulate.json").read_text())
    assert set(found) == {"EMT", "float32", "float64"}
    assert found["float32"]["neighbor searches"] >= 1
    assert (tmp_path / "simulate.png").stat().st_size > 10_000
