"""Data sets of PyG, parts of them, lists and files give the same structures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, InMemoryDataset

pytest.importorskip("lightning")
readers = pytest.importorskip("pyg_equivariant.training.readers")


class Some(InMemoryDataset):
    """A data set of graphs that are at hand."""

    def __init__(self, graphs: list[Data], transform: Any = None) -> None:
        super().__init__(None, transform)
        self.data, self.slices = self.collate(graphs)


def molecules(count: int = 5, **more: Tensor) -> list[Data]:
    """Graphs of different sizes with labels of every kind."""
    graphs = []
    for index in range(count):
        size = 3 + index % 3
        graphs.append(
            Data(
                z=torch.arange(1, 1 + size),
                pos=torch.randn(size, 3),
                y=torch.randn(1, 4),
                energy=torch.randn(()),
                force=torch.randn(size, 3),
                charge=torch.randn(size, 1),
                spin=torch.tensor([index % 2]),
                moments=torch.randn(2),
                edge_index=torch.zeros(2, index, dtype=torch.long),
                name=f"molecule {index}",
                **more,
            )
        )
    return graphs


LABELS = {
    "second": ("y", 1),
    "all": "y",
    "energy": "energy",
    "forces": "force",
    "charge": "charge",
    "spin": "spin",
    "moments": "moments",
}


def check(structures: Any, graphs: list[Data]) -> None:
    batch = Batch.from_data_list(graphs)
    assert torch.equal(structures.check().z, batch.z)
    assert torch.equal(structures.pos, batch.pos)
    assert structures.sizes.tolist() == [graph.num_nodes for graph in graphs]
    expected = {
        "second": batch.y[:, 1],
        "all": batch.y,
        "energy": batch.energy.double(),
        "forces": batch.force,
        "charge": batch.charge.squeeze(1),
        "spin": batch.spin,
        "moments": batch.moments.view(-1, 2),
    }
    assert structures.labels.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(structures.labels[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_data_sets_lists_and_files_are_alike(tmp_path: Path, count: int) -> None:
    graphs = molecules(count)
    dataset = Some(graphs)
    torch.save(graphs, tmp_path / "list.pt")
    Some.save(graphs, str(tmp_path / "set.pt"))
    sources = (graphs, dataset, tmp_path / "list.pt", str(tmp_path / "set.pt"))
    for source in sources:
        check(readers.from_dataset(source, LABELS).structures, graphs)


def test_a_part_of_a_data_set() -> None:
    graphs = molecules()
    dataset = Some(graphs)
    for index in ([3, 0], slice(1, 4), torch.tensor([False, True, False, True, True])):
        part = dataset[index]
        chosen = [graphs[i] for i in part.indices()]
        check(readers.from_dataset(part, LABELS).structures, chosen)
    subset = torch.utils.data.Subset(dataset, [4, 1])
    check(readers.from_dataset(subset, LABELS).structures, [graphs[4], graphs[1]])


def test_a_transform_is_carried_out() -> None:
    def shifted(data: Data) -> Data:
        data.energy = data.energy + 1.0
        return data

    graphs = molecules()
    found = readers.from_dataset(Some(graphs, shifted), "energy").structures.labels
    expected = torch.stack([graph.energy for graph in graphs]).double() + 1.0
    torch.testing.assert_close(found["energy"], expected, rtol=1e-6, atol=1e-6)


def test_what_is_kept_together_is_read_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = Some(molecules())
    monkeypatch.setattr(InMemoryDataset, "get", None)
    assert len(readers.from_dataset(dataset[1:], "energy").structures.sizes) == 4


def test_labels_are_found_by_the_names_of_the_field() -> None:
    reading = readers.from_dataset(molecules())
    assert reading.taken == {"energy": "energy", "forces": "force"}
    bare = [Data(pos=torch.zeros(2, 3), y=torch.ones(1, 1)) for _ in range(3)]
    reading = readers.from_dataset(bare)
    assert reading.structures.labels["y"].tolist() == [1.0] * 3
    assert readers.from_dataset(molecules(), ("y", 2)).taken == {"y": "column 2 of y"}
    nothing = readers.from_dataset([Data(pos=torch.zeros(2, 3))])
    assert nothing.structures.labels == {}


def test_units_are_converted() -> None:
    graphs = molecules()
    asked = {"energy": "energy", "forces": "force", "second": ("y", 1)}
    units = {"energy_unit": "kcal/mol", "length_unit": "nm"}
    found = readers.from_dataset(graphs, asked, **units, dtype=torch.float64).structures
    plain = readers.from_dataset(graphs, asked, dtype=torch.float64).structures
    kcal = 0.04336410390059322
    factors = {"energy": kcal, "forces": kcal / 10, "second": 1.0}
    for name, factor in factors.items():
        torch.testing.assert_close(found.labels[name], factor * plain.labels[name])
    torch.testing.assert_close(found.pos, 10 * plain.pos)


def test_crystals() -> None:
    cell, stress = torch.eye(3).view(1, 3, 3), torch.ones(1, 3, 3)
    pbc = torch.tensor([[True, True, False]])
    graphs = molecules(3, cell=cell, pbc=pbc, stress=stress)
    structures = readers.from_dataset(graphs, length_unit="nm").structures.check()
    assert torch.equal(structures.cell, 10 * torch.eye(3).expand(3, 3, 3))
    assert structures.pbc.tolist() == [[True, True, False]] * 3
    torch.testing.assert_close(
        structures.labels["stress"], torch.full((3, 3, 3), 0.001)
    )
    flat = [Data(pos=torch.zeros(2, 3), cell=torch.eye(3), pbc=pbc[0])] * 2
    structures = readers.from_dataset(flat, stress_unit="GPa").structures.check()
    assert structures.cell.shape == (2, 3, 3)


def test_points_that_are_no_atoms() -> None:
    graphs = [
        Data(pos=torch.zeros(n, 3), x=torch.randn(n, 4), time=torch.tensor([n]))
        for n in (2, 4)
    ]
    structures = readers.from_dataset(graphs, inputs=["time"]).structures.check()
    assert structures.z.tolist() == [0] * 6
    assert torch.equal(structures.extra["x"], torch.cat([g.x for g in graphs]))
    assert structures.extra["time"].tolist() == [2, 2, 4, 4, 4, 4]
    charges = readers.from_dataset(molecules(), inputs=["charge"]).structures
    assert charges.extra["charge"].shape == (len(charges.z), 1)


def test_what_is_missing_is_named() -> None:
    graphs = molecules()
    with pytest.raises(ValueError, match="no 'gap', only charge, edge_index, energy"):
        readers.from_dataset(graphs, {"gap": "gap"})
    with pytest.raises(ValueError, match=r"column 4 of 'y', which has shape \(5, 4\)"):
        readers.from_dataset(graphs, ("y", 4))
    with pytest.raises(TypeError, match=r"such as \('y', 4\), got \('y', 'gap'\)"):
        readers.from_dataset(graphs, {"gap": ("y", "gap")})
    with pytest.raises(TypeError, match=r"such as \('y', 4\), got 3"):
        readers.from_dataset(graphs, 3)
    with pytest.raises(TypeError, match="'name' is a list, expected a tensor"):
        readers.from_dataset(graphs, "name")
    with pytest.raises(ValueError, match=r"need positions `pos`, the graphs have y"):
        readers.from_dataset([Data(y=torch.ones(1))] * 2)
    del graphs[3].energy
    with pytest.raises(ValueError, match="only one of graphs 0 and 3 has energy"):
        readers.from_dataset(graphs)


def test_what_belongs_to_neither_nodes_nor_graphs_is_refused() -> None:
    graphs = [Data(pos=torch.zeros(3, 3), y=torch.zeros(n)) for n in (1, 2)]
    with pytest.raises(ValueError, match="'y' has 1 to 2 rows in a graph"):
        readers.from_dataset(graphs)


def test_other_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="graphs or a file of these, got int"):
        readers.from_dataset(3)
    with pytest.raises(TypeError, match="number 0 is a int"):
        readers.from_dataset([1, 2])
    with pytest.raises(ValueError, match="got no graphs"):
        readers.from_dataset([])
    torch.save([Path("a")], tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt holds something else than graphs"):
        readers.from_dataset(tmp_path / "a.pt")


def test_atomic_numbers_are_whole() -> None:
    with pytest.raises(TypeError, match="expected atomic numbers z, whole numbers"):
        readers.from_dataset([Data(pos=torch.zeros(2, 3), z=torch.ones(2))] * 2)


def test_units_of_md17_are_not_taken_for_ev() -> None:
    class MD17(Some):
        pass

    with pytest.raises(ValueError, match=r"MD17 is in kcal/mol.*read_rmd17"):
        readers.from_dataset(MD17(molecules()))
    found = readers.from_dataset(MD17(molecules()), energy_unit="kcal/mol")
    assert len(found.structures.sizes) == 5


def test_molecules_of_qm9(qm9_root: Path) -> None:
    qm9 = pytest.importorskip("torch_geometric.datasets").QM9(str(qm9_root))
    structures = readers.from_dataset(qm9[::2], {"U0": ("y", 12)}).structures.check()
    expected = [qm9[i] for i in range(0, len(qm9), 2)]
    assert torch.equal(structures.pos, torch.cat([graph.pos for graph in expected]))
    assert structures.labels["U0"].tolist() == [float(g.y[0, 12]) for g in expected]
