from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import edge_vectors, radius_graph, triplets
from pyg_equivariant.testing import difficult_graphs

GRAPHS = difficult_graphs(generator=torch.Generator().manual_seed(0))


def by_loops(edge_index: Tensor, edge_shift: Tensor | None = None) -> set[tuple]:
    """The definition."""
    source, target = edge_index.tolist()
    shifts = torch.zeros(len(source), 3) if edge_shift is None else edge_shift
    return {
        (kj, ji)
        for kj in range(len(source))
        for ji in range(len(source))
        if target[kj] == source[ji]
        and (source[kj] != target[ji] or (shifts[kj] + shifts[ji]).any())
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_is_the_definition(name: str) -> None:
    edge_index = GRAPHS[name].edge_index
    found = triplets(edge_index)
    assert found.dtype == torch.long
    assert found.shape == (2, len(by_loops(edge_index)))
    assert {tuple(pair) for pair in found.T.tolist()} == by_loops(edge_index)
    assert (found[1].diff() >= 0).all()


def test_edges_may_come_twice_and_lead_nowhere(generator: torch.Generator) -> None:
    edge_index = torch.randint(4, (2, 30), generator=generator)
    found = triplets(edge_index.int())
    assert {tuple(pair) for pair in found.T.tolist()} == by_loops(edge_index)


def test_batches_are_disjoint() -> None:
    single = GRAPHS["asymmetric"].edge_index
    count = single.shape[1]
    both = triplets(torch.cat([single, single + 6], dim=1))
    expected = torch.cat([triplets(single), triplets(single) + count], dim=1)
    assert torch.equal(both, expected)


def test_other_images_of_an_atom_are_other_neighbors(
    generator: torch.Generator,
) -> None:
    """In a cell smaller than the cutoff; one atom alone has angles with its images."""
    cell = torch.diag(torch.tensor([1.5, 9.0, 9.0])).double()
    pos = torch.rand(2, 3, generator=generator, dtype=torch.float64)
    edge_index, shift = radius_graph(pos, 2.0, cell=cell)
    assert shift is not None
    found = triplets(edge_index, shift)
    assert {tuple(pair) for pair in found.T.tolist()} == by_loops(edge_index, shift)
    vec = edge_vectors(pos, edge_index, shift, cell)
    there_and_back = vec[found[0]] + vec[found[1]]
    assert there_and_back.norm(dim=1).min() > 1e-6
    assert (edge_index[0, found[0]] == edge_index[1, found[1]]).any()
    assert found.shape[1] > triplets(edge_index).shape[1]
    assert torch.equal(triplets(edge_index, edge_vec=vec.float()), found)
    with pytest.raises(ValueError, match="one row of edge_vec for each"):
        triplets(edge_index, edge_vec=vec[1:])
    alone, shift = radius_graph(pos[:1], 2.0, cell=cell)
    assert triplets(alone, shift).shape == (2, 2)


def test_what_does_not_fit_is_refused() -> None:
    edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match=r"expected edge_index \(2, \|E\|\)"):
        triplets(edge_index[0])
    with pytest.raises(ValueError, match="one row of edge_shift"):
        triplets(edge_index, torch.zeros(3, 3))
