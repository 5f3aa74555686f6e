"""Pairs that are kept are those that a search would find."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import edge_vectors, radius_graph
from pyg_equivariant.simulation import NeighborList

CUTOFF, SKIN = 2.0, 0.6


def found(
    pos: Tensor, batch: Tensor | None, cell: Tensor | None, pbc: Tensor | None
) -> tuple[Tensor, Tensor]:
    edge_index, shift = radius_graph(pos, CUTOFF, batch, cell, pbc)
    cell = None if shift is None else cell
    return edge_index, edge_vectors(pos, edge_index, shift, cell, batch)


def rows(edge_index: Tensor, edge_vec: Tensor) -> Tensor:
    """One sorted row for each edge: what is the same edge has the same row."""
    table = torch.cat([edge_index.T.double(), edge_vec.double()], dim=1)
    return table[
        [int(i) for i in sorted(range(len(table)), key=lambda i: key(table[i]))]
    ]


def key(row: Tensor) -> list[float]:
    return [round(x, 6) for x in row.tolist()]


def agree(neighbors: NeighborList, *system: Tensor | None) -> bool:
    """Whether the edges are those of a search; how many there are does not matter."""
    batch = system[1]
    size = 1 if batch is None else int(batch.max()) + 1
    kept, expected = rows(*neighbors(*system, size)), rows(*found(*system))  # type: ignore[arg-type]
    return kept.shape == expected.shape and torch.allclose(kept, expected, atol=1e-9)


def system(periodic: tuple[bool, bool, bool]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    cell = torch.tensor([[[3.0, 0, 0], [0.4, 2.5, 0], [0, -0.3, 4]], [[5.0, 0, 0]] * 3])
    cell[1] = 5 * torch.eye(3)
    pos = torch.cat([torch.rand(6, 3) @ cell[0], torch.rand(9, 3) @ cell[1]])
    batch = torch.tensor([0] * 6 + [1] * 9)
    pbc = torch.tensor([periodic, (True, True, True)])
    return pos.double(), batch, cell.double(), pbc


BOXES = [(True, True, True), (True, False, True), (False, False, False)]


@pytest.mark.parametrize("periodic", BOXES)
def test_a_long_walk_in_changing_cells(periodic: tuple[bool, bool, bool]) -> None:
    pos, batch, cell, pbc = system(periodic)
    neighbors = NeighborList(CUTOFF, SKIN)
    for _ in range(60):
        pos = pos + 0.03 * torch.randn_like(pos)
        strain = torch.eye(3).double() + 0.004 * torch.randn(2, 3, 3).double()
        pos = (pos.unsqueeze(1) @ strain[batch]).squeeze(1)
        cell = cell @ strain
        assert agree(neighbors, pos, batch, cell, pbc)
    assert 2 <= neighbors.builds < 30


def test_a_molecule() -> None:
    torch.manual_seed(0)
    pos = 3 * torch.rand(12, 3).double()
    neighbors = NeighborList(CUTOFF, SKIN)
    for _ in range(40):
        pos = pos + 0.02 * torch.randn_like(pos)
        assert agree(neighbors, pos, None, None, None)
    assert 2 <= neighbors.builds < 30


def test_pairs_last_until_half_the_skin() -> None:
    """Two atoms that move toward each other, each by so much."""
    neighbors = NeighborList(CUTOFF, SKIN)
    far = CUTOFF + SKIN + 1e-3
    pos = torch.tensor([[0.0, 0, 0], [far, 0, 0]]).double()
    step = torch.tensor([[1.0, 0, 0], [-1, 0, 0]]).double()
    assert neighbors(pos)[0].shape[1] == 0
    assert neighbors(pos + 0.499 * SKIN * step)[0].shape[1] == 0
    assert neighbors.builds == 1
    assert neighbors(pos + 0.51 * SKIN * step)[0].shape[1] == 2
    assert neighbors.builds == 2


def test_a_stretched_cell_that_keeps_its_pairs_and_one_that_does_not() -> None:
    pos, batch, cell, pbc = system((True, True, True))
    neighbors = NeighborList(CUTOFF, SKIN)
    neighbors(pos, batch, cell, pbc, 2)
    reach = CUTOFF / (CUTOFF + SKIN)
    for scale, builds in ((1.5, 1), (0.9, 1), (1.001 * reach, 1), (0.98 * reach, 2)):
        assert agree(neighbors, scale * pos, batch, scale * cell, pbc), scale
        assert neighbors.builds == builds, scale


def test_shear_counts_as_stretch() -> None:
    cell = 6 * torch.eye(3).double().unsqueeze(0)
    torch.manual_seed(2)
    pos = torch.rand(20, 3).double() @ cell[0]
    neighbors = NeighborList(CUTOFF, SKIN)
    deform = torch.eye(3).double()
    for shear in torch.linspace(0, 1.5, 16):
        deform[0, 1] = shear
        pbc = torch.tensor([[True] * 3])
        assert agree(neighbors, pos @ deform, None, cell @ deform, pbc)
    assert 2 <= neighbors.builds < 16


def test_atoms_put_back_into_the_cell_have_not_moved() -> None:
    pos, batch, cell, pbc = system((True, False, True))
    neighbors = NeighborList(CUTOFF, SKIN)
    neighbors(pos, batch, cell, pbc, 2)
    image = torch.randint(-2, 3, (len(pos), 3)).double() * pbc[batch]
    moved = pos + (image.unsqueeze(1) @ cell[batch]).squeeze(1)
    assert (moved - pos).abs().max() > 2
    assert agree(neighbors, moved, batch, cell, pbc)
    assert neighbors.builds == 1


def test_another_system_is_looked_at_anew() -> None:
    pos, batch, cell, pbc = system((True, True, True))
    for other in (
        (pos, 1 - batch, cell, pbc),
        (pos, batch, cell, pbc & torch.tensor([True, False, True])),
        (pos[1:], batch[1:], cell, pbc),
        (pos, None, cell[1:], pbc[1:]),
        (pos, batch, None, None),
        (pos.float(), batch, cell, pbc),
    ):
        neighbors = NeighborList(CUTOFF, SKIN)
        assert agree(neighbors, pos, batch, cell, pbc)
        assert agree(neighbors, *other)
        assert neighbors.builds == 2
    with pytest.raises(ValueError, match="batch"):
        neighbors(pos.float(), batch, cell, pbc, 1)


def test_positions_that_are_none_are_refused() -> None:
    neighbors = NeighborList(CUTOFF, SKIN)
    pos = torch.zeros(3, 3).double()
    neighbors(pos)
    pos[1, 2] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        neighbors(pos)
    assert neighbors(torch.zeros(3, 3).double())[0].shape[1] == 6


def test_without_a_cutoff_all_pairs_stay() -> None:
    neighbors = NeighborList(None)
    for scale in (1, 100):
        pos = scale * torch.rand(4, 3).double()
        edge_index, edge_vec = neighbors(pos)
        assert edge_index.shape == (2, 12)
        assert torch.equal(edge_vec, edge_vectors(pos, edge_index))
    assert neighbors.builds == 1
    with pytest.raises(ValueError, match="no end of pairs"):
        neighbors(pos, cell=torch.eye(3).double().unsqueeze(0))


@pytest.mark.parametrize("size", [0, 1])
def test_no_atoms_or_one(size: int) -> None:
    neighbors = NeighborList(CUTOFF, SKIN)
    for shift in (0, 5):
        edge_index, edge_vec = neighbors(torch.zeros(size, 3).double() + shift)
        assert (edge_index.shape, edge_vec.shape) == ((2, 0), (0, 3))


@pytest.mark.parametrize(
    "lengths", [(0, 0.5), (-1, 0.5), (float("inf"), 0.5), (2, -0.1), (2, float("nan"))]
)
def test_lengths_that_are_none_are_refused(lengths: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="length"):
        NeighborList(*lengths)
