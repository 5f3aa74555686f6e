"""What a potential is trained on is what its network predicts."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import ForceField
from pyg_equivariant.training.choices import choose_settings, target_of
from pyg_equivariant.training.references import fit_references
from pyg_equivariant.training.structures import Structures
from pyg_equivariant.training.table import StructureTable
from pyg_equivariant.training.task import Task
from pyg_equivariant.training.tasks import make_task

SMALL = {"hidden_channels": 8, "num_layers": 1}


def make(training: Structures, model: str = "painn", **chosen: object) -> Task:
    settings = choose_settings(training, model, network=SMALL, cutoff=3.0, **chosen)
    scaling = fit_references(training)
    return make_task(settings, scaling, target_of(settings, "made up"), [1, 8])


def whole(training: Structures) -> object:
    return StructureTable(training, 3.0).__getitems__(range(len(training.sizes)))


def test_energies_forces_and_stress_are_those_of_the_network(structures) -> None:
    training = structures(6, crystals=4)
    task, batch = make(training).double().eval(), whole(training)
    pairs = task.compare(batch, task(batch))
    units = [quantity.unit for quantity in pairs]
    assert units == ["meV", "meV/atom", "meV/A", "meV/A^3"]
    field = ForceField(task.network, compute_stress=True)
    edges = {name: batch[name] for name in ("edge_index", "edge_shift")}
    edges |= {"cell": batch.cell.double(), "batch_size": 6}
    energy, forces, stress = field(batch.z, batch.pos.double(), batch.batch, **edges)
    (e, e_true), (each, each_true), (f, f_true), (s, s_true) = pairs.values()
    torch.testing.assert_close(e - e_true, energy.squeeze(-1) - batch.labels["energy"])
    torch.testing.assert_close(each - each_true, (e - e_true) / training.sizes)
    torch.testing.assert_close(f, forces)
    torch.testing.assert_close(s, stress)
    assert torch.equal(f_true, batch.labels["forces"].double())
    assert s_true.isnan().any(-1).any(-1).tolist() == [False] * 4 + [True] * 2


def test_total_energies_keep_their_digits_in_float32(structures) -> None:
    training = structures(8)
    labels = {**training.labels}
    labels["energy"] = labels["energy"] * 1000
    training = training._replace(labels=labels)
    task, batch = make(training), whole(training)
    (_, true), *_ = task.compare(batch, task(batch)).values()
    energy = task.references(batch) + true.double()
    torch.testing.assert_close(energy, labels["energy"], rtol=0, atol=1e-3)
    assert labels["energy"].float().double().sub(labels["energy"]).abs().max() > 1e-2


def test_references_stay_in_the_network(structures, energies_of_atoms) -> None:
    training = structures(40)
    task, batch = make(training), whole(training)
    atomref = task.network.atomref
    task(batch)
    assert task.network.atomref is atomref
    for number, energy in energies_of_atoms.items():
        assert float(atomref[number]) == pytest.approx(energy, abs=10.0)


def test_labels_that_are_missing_are_left_out(structures) -> None:
    training = structures(6)
    batch = whole(training)
    task = make(training)
    energy, forces = batch.labels["energy"], batch.labels["forces"]
    energy[3:] = torch.nan
    forces[batch.batch < 3] = torch.nan
    loss = task.loss(task.compare(batch, task(batch)))
    loss.backward()
    assert loss.isfinite()
    assert all(weight.grad is not None for weight in task.parameters())
    energy[:] = torch.nan
    assert task.loss(task.compare(batch, task(batch))).isfinite()


@pytest.mark.parametrize("model", NETWORKS)
def test_every_network_makes_a_smooth_extensive_potential(
    structures, model: str
) -> None:
    training = structures(5, crystals=3)
    task = make(training, model)
    assert task.network.is_smooth
    assert task.network.is_extensive
    if "species" in task.network.arguments:
        assert list(task.network.arguments["species"]) == [1, 8]
    batch = whole(training)
    loss = task.train().loss(task.compare(batch, task(batch)))
    loss.backward()
    lacking = [n for n, weight in task.named_parameters() if weight.grad is None]
    assert not lacking


def test_weights_choose_what_counts(structures) -> None:
    training = structures(5, crystals=3)
    task = make(training, weights={"energy": 0.0, "stress": 0.0, "forces": 2.0})
    batch = whole(training)
    pairs = task.compare(batch, task(batch))
    forces = next(q for q in pairs if q.name == "forces")
    only = task.loss({forces: pairs[forces]})
    assert torch.equal(task.loss(pairs), only)
    alone = make(training, target="energy")
    assert alone(batch).keys() == {"energy"}
    total = make(training, per_atom=False)
    assert [q.weight for q in total.quantities[:2]] == [10.0, 0.0]
    with pytest.raises(
        ValueError, match="a weight of stress, but there are labels of e"
    ):
        make(structures(5), weights={"stress": 1.0})
