"""A network is fitted to anyone's data, extended, and begun with another's weights."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn import ForceField, load_model
from pyg_equivariant.training import Structures, fit, predict
from pyg_equivariant.training.checkpoint import LAST, load_checkpoint
from pyg_equivariant.training.curve import CURVE, read_curve
from pyg_equivariant.training.own_data import divide
from pyg_equivariant.training.resume import SETTINGS

SMALL = {"hidden_channels": 16, "num_layers": 1}


def run(data: Any, folder: Path, **settings: Any) -> Any:
    chosen = {"cutoff": 3.0, "arguments": SMALL, "batch_size": 10, "lr": 1e-2}
    machine = {"accelerator": "cpu"}
    return fit(
        data, folder=folder, machine=machine, verbose=False, **{**chosen, **settings}
    )


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text("utf-8"))


def test_a_potential_of_molecules_and_crystals_learns(
    structures, tmp_path: Path
) -> None:
    data = structures(120, crystals=60)
    weights = {"energy": 10.0, "stress": 10.0}
    model = run(data, tmp_path, epochs=20, ema=0.9, loss="l1", weights=weights)
    said = report(tmp_path)
    for key in ("energy_meV_per_atom", "forces_meV_per_A", "stress_meV_per_A3"):
        assert said[f"test_{key}_mae"] < 0.6 * said[f"mean_predictor_{key}_mae"], key
        assert said[f"test_{key}_rmse"] > said[f"test_{key}_mae"]
    assert said["num_test_energy_meV"] == 12
    assert (tmp_path / "report.png").stat().st_size > 10_000
    assert (model.card.unit, model.card.species) == ("eV", (1, 8))

    tested = data.select(divide(data).split.test)
    found = predict(model, tested)
    rows = [f"test_{key}_mae" for key in ("energy_meV", "forces_meV_per_A")]
    for row, name in zip(rows, ("energy", "forces"), strict=True):
        error = (found[name] - tested.labels[name]).abs().mean()
        assert 1000 * float(error) == pytest.approx(said[row], rel=1e-3)
    found = predict(model, data)
    assert (
        found["stress"].isnan().any(-1).any(-1).tolist() == [False] * 60 + [True] * 60
    )
    one = data.select(torch.tensor([3]))
    field = ForceField(model, compute_stress=True).eval()
    energy, forces, stress = field(one.z, one.pos, cell=one.cell[0])
    first = int(data.sizes[:3].sum())
    own = slice(first, first + int(one.sizes))
    torch.testing.assert_close(found["forces"][own], forces, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["stress"][3:4], stress, rtol=1e-4, atol=1e-6)
    assert float(found["energy"][3]) == pytest.approx(float(energy), rel=1e-6)


def test_nothing_is_shown_and_no_random_numbers_are_used_up(
    structures, tmp_path: Path, capsys
) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    run(structures(30), tmp_path, epochs=1)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert capsys.readouterr().out == ""


def test_the_model_is_that_of_the_best_checkpoint(structures, tmp_path: Path) -> None:
    model = run(structures(30), tmp_path, epochs=2)
    state = load_checkpoint(tmp_path / "best.ckpt")["state_dict"]
    for name, value in model.state_dict().items():
        assert torch.equal(state[f"network.{name}"], value), name
    again = load_model(tmp_path / "best.ckpt")
    assert again.card == model.card


@pytest.mark.parametrize("schedule", ["constant", "cosine", "steps", "plateau"])
def test_a_finished_run_is_extended(
    structures, tmp_path: Path, schedule: str, capsys
) -> None:
    data = structures(30)
    chosen = {"schedule": schedule, "ema": 0.9}
    run(data, tmp_path / "whole", epochs=4, **chosen)
    run(data, tmp_path / "parts", epochs=2, **chosen)
    with pytest.raises(ValueError, match=r"epochs 2 \(now 1\); repeat its flags"):
        run(data, tmp_path / "parts", epochs=1, resume=True, **chosen)
    run(data, tmp_path / "parts", epochs=4, resume=True, **chosen)
    assert f"2 epochs become 4, schedule '{schedule}': " in capsys.readouterr().out
    whole, parts = (read_curve(tmp_path / name / CURVE) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    later = [step for step in whole if "lr" in whole[step] and whole[step]["epoch"] > 1]
    for step in later:
        assert parts[step]["lr"] == pytest.approx(
            whole[step]["lr"], rel=1e-6, abs=1e-12
        )
    if schedule in ("constant", "plateau"):  # as if it had never ended
        states = [load_checkpoint(tmp_path / n / LAST) for n in ("whole", "parts")]
        for name, value in states[0]["state_dict"].items():
            assert torch.equal(states[1]["state_dict"][name], value), name
    saved = json.loads((tmp_path / "parts" / SETTINGS).read_text("utf-8"))
    assert saved["epochs"] == 4


def test_more_patience_goes_on(structures, tmp_path: Path) -> None:
    data = structures(30)
    still = {"lr": 0.0, "epochs": 20}
    run(data, tmp_path, patience=2, **still)
    stopped = load_checkpoint(tmp_path / LAST)["epoch"]
    run(data, tmp_path, patience=2, resume=True, **still)
    assert load_checkpoint(tmp_path / LAST)["epoch"] == stopped
    run(data, tmp_path, patience=5, resume=True, **still)
    assert load_checkpoint(tmp_path / LAST)["epoch"] == stopped + 3


def test_a_warm_start_predicts_at_once(structures, tmp_path: Path) -> None:
    """Also where the new energies are those of another level of theory."""
    data = structures(60)
    run(data, tmp_path / "first", epochs=10, ema=0.0)
    trained = report(tmp_path / "first")["test_energy_meV_per_atom_mae"]
    labels = {**data.labels, "energy": data.labels["energy"] + 7.0 * data.sizes}
    shifted = data._replace(labels=labels)
    init = tmp_path / "first" / "model.pt"
    # the architecture is that of the file, whatever is said of the network
    model = run(
        *(shifted, tmp_path / "second"),
        **{"init": init, "epochs": 1, "lr": 0.0, "arguments": {}, "ema": 0.0},
    )
    assert report(tmp_path / "second")["test_energy_meV_per_atom_mae"] < 1.5 * trained
    first = load_model(init)
    for name, value in first.named_parameters():
        assert torch.equal(model.get_parameter(name), value), name
    assert torch.equal(model.scale, first.scale)
    assert not torch.equal(model.atomref, first.atomref)
    with pytest.raises(ValueError, match=r"got cutoff=4.0, but .* has 3.0; leave that"):
        run(shifted, tmp_path / "third", init=init, cutoff=4.0, arguments={})
    with pytest.raises(
        ValueError, match=r"do not fit this PaiNN: convs\.0.* \(16,\) there"
    ) as e:
        run(
            *(shifted, tmp_path / "third"),
            **{"init": init, "epochs": 1, "arguments": {"hidden_channels": 8}},
        )
    assert str(init) in str(e.value)


@pytest.mark.parametrize(
    ("labels", "head", "mae"),
    [
        ("charge", "node", "of atoms"),
        ("force", "vector", "vectors"),
        ("gap", "mean", ""),
    ],
)
def test_any_other_label_is_a_property(
    tmp_path: Path, labels: str, head: str, mae: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    graphs = []
    for _ in range(40):
        pos = torch.randn(4, 3, generator=generator)
        center = pos - pos.mean(0)
        graphs.append(
            Data(
                z=torch.tensor([1, 6, 8, 1]),
                pos=pos,
                charge=center.norm(dim=-1),
                force=center,
                gap=center.norm(dim=-1).mean().view(1),
            )
        )
    options = {"labels": {labels: labels}}
    model = run(graphs, tmp_path, reader=options, unit="e", epochs=8, cutoff=6.0)
    assert json.loads((tmp_path / SETTINGS).read_text("utf-8"))["head"] == head
    said = report(tmp_path)
    assert (said["target"], said["unit"]) == (labels, "e")
    assert said["test_mae"] < 0.9 * said["mean_predictor_mae"]
    assert (model.card.property, model.card.unit) == (labels, "e")


def test_what_cannot_be_trained_is_named(structures, tmp_path: Path) -> None:
    data = structures(30)
    with pytest.raises(ValueError, match="got target 'gap', expected one of energy, f"):
        run(data, tmp_path, target="gap")
    with pytest.raises(ValueError, match="got network 'pain'"):
        run(data, tmp_path, network="pain")
    with pytest.raises(ValueError, match="got 2 structures, too few to divide"):
        run(data.select(torch.arange(2)), tmp_path)
    strange = data.select(torch.arange(3))
    strange = strange._replace(z=torch.full_like(strange.z, 14))
    with pytest.raises(ValueError, match=r"test structures hold elements \[14\]"):
        run(data, tmp_path, test=strange)
    unlabeled = data._replace(labels={"energy": data.labels["energy"] * torch.nan})
    with pytest.raises(ValueError, match="to validate on has a label of energy"):
        run(data, tmp_path, valid=unlabeled)
    bare: Structures = data._replace(labels={})
    with pytest.raises(ValueError, match="expected one of no labels"):
        run(bare, tmp_path)


def test_points_that_are_no_atoms_bring_features_of_any_irreps(tmp_path: Path) -> None:
    """Charged points: their dipole moment, from charges and velocities."""
    graphs = []
    for _ in range(60):
        pos, charge = torch.randn(4, 3), torch.randn(4, 1)
        x = torch.cat([charge, torch.randn(4, 3)], dim=-1)
        graphs.append(Data(pos=pos, x=x, y=(charge * pos).sum(0, keepdim=True)))
    asked = {"target": "y", "network": "tfn", "epochs": 15}
    with pytest.raises(ValueError, match=r"say what irreps they are, .*'4x0e'"):
        run(graphs, tmp_path, **asked)
    arguments = {**SMALL, "irreps_in": "0e+1o", "irreps_out": "1o"}
    model = run(graphs, tmp_path, arguments=arguments, **asked)
    said = report(tmp_path)
    assert said["test_mae"] < 0.9 * said["mean_predictor_mae"]
    data = graphs[0]
    assert model(data.x, data.pos).shape == (1, 3)


@pytest.mark.parametrize("each", [False, True])
def test_tensors_of_graphs_and_of_nodes_are_learned(tmp_path: Path, each: bool) -> None:
    graphs = []
    for _ in range(40):
        z, pos = torch.randint(1, 4, (5,)), torch.randn(5, 3)
        outer = pos.unsqueeze(-1) * pos.unsqueeze(-2)
        y = outer if each else outer.sum(0, keepdim=True)
        graphs.append(Data(z=z, pos=pos, y=y))
    with pytest.raises(ValueError, match=r"say what is predicted, such as .*ij=ji"):
        run(graphs, tmp_path, target="y")
    arguments = {**SMALL, "irreps_out": "ij=ji"}
    model = run(graphs, tmp_path, target="y", epochs=1, arguments=arguments)
    assert model(z, pos).shape == ((5, 3, 3) if each else (1, 3, 3))


def test_features_that_are_missing_are_named(tmp_path: Path) -> None:
    z, pos = torch.ones(4, dtype=torch.long), torch.randn(4, 3)
    graphs = [Data(z=z, pos=pos, y=pos.norm().view(1)) for _ in range(20)]
    with pytest.raises(ValueError, match="structures have none named 'x'"):
        run(graphs, tmp_path, target="y", arguments={**SMALL, "irreps_in": "0e"})
