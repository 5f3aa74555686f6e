"""A batch cut out of the table is the batch of the single graphs."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader
from torch_geometric.data import Batch, Data

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.training.loaders import as_it_is
from pyg_equivariant.training.structures import Structures
from pyg_equivariant.training.table import StructureTable

SIZES = torch.tensor([3, 1, 5, 2, 4])
CUTOFF = 1.5


@pytest.fixture
def molecules(generator: torch.Generator) -> Structures:
    total = int(SIZES.sum())
    z = torch.randint(1, 10, (total,), generator=generator)
    pos = torch.randn(total, 3, generator=generator)
    return Structures(z, pos, SIZES, {"y": torch.arange(5.0)})


def singles(molecules: Structures) -> list[Data]:
    atoms = (molecules.z.split(SIZES.tolist()), molecules.pos.split(SIZES.tolist()))
    return [
        Data(z=z, pos=pos, y=y.view(1), edge_index=radius_graph(pos, CUTOFF)[0])
        for z, pos, y in zip(*atoms, molecules.labels["y"], strict=True)
    ]


def test_molecules_are_selected_with_their_atoms(molecules: Structures) -> None:
    few = molecules.select(torch.tensor([4, 1]))
    assert few.sizes.tolist() == [4, 1]
    assert few.labels["y"].tolist() == [4.0, 1.0]
    assert torch.equal(few.pos, torch.cat([molecules.pos[11:], molecules.pos[3:4]]))
    assert torch.equal(few.z, torch.cat([molecules.z[11:], molecules.z[3:4]]))


@pytest.mark.parametrize("index", [[0], [1], [4, 2], [1, 3, 0], [2, 2]])
def test_a_batch_is_that_of_pyg(molecules, index: list[int]) -> None:
    batch = StructureTable(molecules, CUTOFF).__getitems__(index)
    graphs = singles(molecules)
    expected = Batch.from_data_list([graphs[i] for i in index])
    for key in ("z", "pos", "edge_index", "batch"):
        assert torch.equal(batch[key], expected[key]), key
    assert torch.equal(batch.labels["y"], expected.y)
    assert batch.index.tolist() == index


def test_the_table_feeds_a_loader(molecules) -> None:
    table = StructureTable(molecules, CUTOFF)
    loader = DataLoader(table, batch_size=2, shuffle=True, collate_fn=as_it_is)
    seen = torch.cat([batch.labels["y"] for batch in loader])
    assert seen.sort().values.tolist() == molecules.labels["y"].tolist()
    assert table[3].z.tolist() == molecules.z[9:11].tolist()


def test_an_infinite_cutoff_joins_all_pairs(molecules) -> None:
    table = StructureTable(molecules, float("inf"))
    assert table.edge_index.shape[1] == int((SIZES * (SIZES - 1)).sum())


def test_positions_that_are_not_finite_are_refused(molecules) -> None:
    molecules.pos[4, 1] = torch.nan
    with pytest.raises(ValueError, match="positions that are not finite"):
        StructureTable(molecules, CUTOFF)


def test_a_crystal_beside_a_molecule_keeps_its_images(molecules) -> None:
    cell = torch.zeros(5, 3, 3)
    cell[2] = 2.0 * torch.eye(3)
    table = StructureTable(molecules._replace(cell=cell), CUTOFF)
    batch = table.__getitems__([4, 2])
    pos = molecules.pos[4:9]
    edge_index, edge_shift = radius_graph(pos, CUTOFF, cell=cell[2])
    own = batch.batch[batch.edge_index[1]] == 1
    assert torch.equal(batch.edge_index[:, own] - int(SIZES[4]), edge_index)
    assert torch.equal(batch.edge_shift[own], edge_shift)
    assert edge_shift.any()
    assert not batch.edge_shift[~own].any()
    assert torch.equal(batch.cell, cell[[4, 2]])
    assert "cell" not in StructureTable(molecules, CUTOFF).__getitems__([0])


def test_a_crystal_has_no_end_of_pairs(molecules) -> None:
    crystals = molecules._replace(cell=3 * torch.eye(3).repeat(5, 1, 1))
    with pytest.raises(ValueError, match="choose a finite cutoff"):
        StructureTable(crystals, float("inf"))
    flat = crystals._replace(pbc=torch.zeros(5, 3, dtype=torch.bool))
    assert StructureTable(flat, float("inf")).edge_shift is None
