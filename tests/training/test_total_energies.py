"""Total energies of thousands of eV keep their digits, in training and ever after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_equivariant.nn import load_model
from pyg_equivariant.training import Structures, fit, predict
from pyg_equivariant.training.checkpoint import BEST, load_run
from pyg_equivariant.training.table import StructureTable
from pyg_equivariant.training.tasks import load_task

ase = pytest.importorskip("ase")
MEAN = -4209.123456789
SMALL: dict[str, Any] = {
    "cutoff": 3.0,
    "arguments": {"hidden_channels": 8, "num_layers": 1},
    "machine": {"accelerator": "cpu"},
    "verbose": False,
}
TOLERANCE = 1e-6  # eV; float32 holds such energies to 2e-4 eV


def frames(count: int) -> Structures:
    """Of one molecule on springs."""
    generator = torch.Generator().manual_seed(0)
    rest = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    moved = 0.1 * torch.randn(count, 3, 3, generator=generator)
    energy = MEAN + moved.double().square().sum((1, 2))
    labels = {"energy": energy, "forces": -2 * moved.flatten(0, 1)}
    pos, sizes = (rest + moved).flatten(0, 1), torch.full((count,), 3)
    return Structures(torch.tensor([8, 1, 1]).repeat(count), pos, sizes, labels)


def test_from_training_to_prediction(tmp_path: Path) -> None:
    from pyg_equivariant.simulation.ase import Calculator

    data = frames(40)
    fit(data, folder=tmp_path, epochs=2, **SMALL)
    task = load_task(load_run(tmp_path / BEST)).eval()
    assert task.network.mean.dtype == torch.float32
    batch = StructureTable(data, 3.0).__getitems__(range(40))
    above = task(batch)["energy"].detach()
    assert above.dtype == torch.float32
    assert above.abs().max() < 10
    expected = above.double() + task.references(batch)
    model = load_model(tmp_path / "model.pt")
    found = predict(model, data)["energy"]
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)
    (guess, true), *_ = task.compare(batch, task(batch)).values()
    error = (guess - true).detach().double()
    off = found - data.labels["energy"]
    torch.testing.assert_close(error, off, rtol=0, atol=TOLERANCE)
    one = data.select(torch.tensor([7]))
    atoms = ase.Atoms(one.z, one.pos, calculator=Calculator(model))
    simulated = atoms.get_potential_energy()
    assert abs(simulated - float(expected[7])) < 2 * TOLERANCE


def test_references_of_one_composition_are_its_mean(tmp_path: Path) -> None:
    """To float64, of which a checkpoint and a model file lose nothing."""
    data = frames(40)
    fit(data, folder=tmp_path, epochs=1, **SMALL)
    checkpoint = load_run(tmp_path / BEST)
    atomref = torch.tensor(
        checkpoint["hyper_parameters"]["scaling"]["atomref"], dtype=torch.float64
    )
    reference = float(atomref[8] + 2 * atomref[1])
    energy = data.labels["energy"]
    assert float(energy.min()) < reference < float(energy.max())
    double = load_model(tmp_path / "model.pt").double()
    assert double.atomref is not None
    again = float(double.atomref[8] + 2 * double.atomref[1])
    assert abs(again - reference) < 1e-9
