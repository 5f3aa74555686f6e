"""A batch cut out of the table is the batch of the single graphs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.data import Batch, Data
from training.graphs import MoleculeTable
from training.loaders import as_it_is

from pyg_equivariant.graph import radius_graph

SIZES = torch.tensor([3, 1, 5, 2, 4])
CUTOFF = 1.5


@pytest.fixture
def molecules(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    total = int(SIZES.sum())
    z = torch.randint(1, 10, (total,), generator=generator)
    return z, torch.randn(total, 3, generator=generator), torch.arange(5.0)


def single(z: Tensor, pos: Tensor, y: Tensor) -> list[Data]:
    parts = zip(z.split(SIZES.tolist()), pos.split(SIZES.tolist()), y, strict=True)
    return [
        Data(z=a, pos=b, y=c.view(1), edge_index=radius_graph(b, CUTOFF)[0])
        for a, b, c in parts
    ]


@pytest.mark.parametrize("index", [[0], [1], [4, 2], [1, 3, 0], [2, 2]])
def test_a_batch_is_that_of_pyg(molecules, index: list[int]) -> None:
    z, pos, y = molecules
    batch = MoleculeTable(z, pos, SIZES, y, CUTOFF).__getitems__(index)
    graphs = single(z, pos, y)
    expected = Batch.from_data_list([graphs[i] for i in index])
    for key in ("z", "pos", "edge_index", "batch", "y"):
        assert torch.equal(batch[key], expected[key]), key
    assert batch.index.tolist() == index


def test_the_table_feeds_a_loader(molecules) -> None:
    z, pos, y = molecules
    table = MoleculeTable(z, pos, SIZES, y, CUTOFF)
    loader = DataLoader(table, batch_size=2, shuffle=True, collate_fn=as_it_is)
    seen = torch.cat([batch.y for batch in loader])
    assert seen.sort().values.tolist() == y.tolist()
    assert table[3].z.tolist() == z[9:11].tolist()


def test_an_infinite_cutoff_joins_all_pairs(molecules) -> None:
    z, pos, y = molecules
    table = MoleculeTable(z, pos, SIZES, y, float("inf"))
    assert table.edge_index.shape[1] == int((SIZES * (SIZES - 1)).sum())


def test_positions_that_are_not_finite_are_refused(molecules) -> None:
    z, pos, y = molecules
    pos[4, 1] = torch.nan
    with pytest.raises(ValueError, match="positions that are not finite"):
        MoleculeTable(z, pos, SIZES, y, CUTOFF)
