"""Pictures of a molecule, of a network that has learned nothing."""

from __future__ import annotations

from pathlib import Path

import molecule_pictures
import pytest
import torch

from pyg_equivariant.nn import PaiNN, SchNet, save_model

from .springs import springs

WATER = torch.tensor([8, 1, 1]), torch.eye(3)


def test_a_probe_feels_the_molecule_alone() -> None:
    """Together with others, and beyond the cutoff, as by itself."""
    torch.manual_seed(0)
    model = PaiNN(16, num_layers=2, cutoff=3.0, head="extensive").double()
    z, pos = WATER[0], WATER[1].double()
    points = torch.tensor([[0.0, 0.0, 2.5], [0.0, 0.1, 2.4], [0.0, 0.0, 9.0]]).double()
    together = molecule_pictures.probe_energies(model, z, pos, 1, points)
    single = [
        molecule_pictures.probe_energies(model, z, pos, 1, point[None])
        for point in points
    ]
    torch.testing.assert_close(together, torch.cat(single))
    assert together[2] == 0
    assert together[0] != together[1]


def test_a_map_turns_with_the_molecule() -> None:
    torch.manual_seed(0)
    model = SchNet(16, num_layers=2, cutoff=3.0, head="extensive").double()
    z, pos = WATER[0], WATER[1].double()
    points = torch.randn(5, 3).double() + 2
    turn = torch.linalg.qr(torch.randn(3, 3).double()).Q
    found = molecule_pictures.probe_energies(model, z, pos, 8, points)
    turned = molecule_pictures.probe_energies(model, z, pos @ turn, 8, points @ turn)
    torch.testing.assert_close(found, turned)


def test_four_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    springs(tmp_path, "water", 20, 5)
    model = PaiNN(8, num_layers=1, cutoff=4.0, head="extensive")
    save_model(model, tmp_path / "model.pt")
    molecule_pictures.main(
        [
            *(str(tmp_path / "model.pt"), str(tmp_path / "rmd17_water_test_01.npz")),
            *("--steps", "20", "--rest-steps", "2", "--kelvin", "50"),
            *("--folder", str(tmp_path / "pictures")),
        ]
    )
    modes = capsys.readouterr().out.splitlines()[0]
    assert len(modes.removeprefix("normal modes, 1/cm: ").split()) == 9
    names = sorted(path.stem for path in (tmp_path / "pictures").glob("*.svg"))
    assert names == ["chemical_potential", "distances", "embeddings", "normal_modes"]
