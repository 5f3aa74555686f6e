from __future__ import annotations

import pytest
import torch

from pyg_equivariant.graph import edge_vectors, knn, radius


def test_equals_a_tree_of_scipy(generator: torch.Generator) -> None:
    spatial = pytest.importorskip("scipy.spatial")
    source = torch.randn(2000, 3, generator=generator).double()
    target = 2 * torch.randn(150, 3, generator=generator).double() + 1
    graph, at = torch.arange(2000) % 3, torch.arange(150) % 2 * 2
    edge_index, shift = knn(source, target, 6, graph, at)
    assert shift is None
    for number in (0, 2):
        numbers = (graph == number).nonzero().flatten()
        tree = spatial.cKDTree(source[numbers].numpy())
        _, near = tree.query(target[at == number].numpy(), 6)
        expected = numbers[torch.from_numpy(near.astype(int))].sort(1).values
        found = edge_index[0, at[edge_index[1]] == number]
        assert torch.equal(found.view(-1, 6), expected)


@pytest.mark.parametrize("pbc", [True, [True, False, False], False])
def test_is_what_a_radius_would_find(
    pbc: bool | list[bool], generator: torch.Generator
) -> None:
    """The nearest of all within a radius that holds more."""
    cell = 4 * torch.eye(3).double() + torch.rand(2, 3, 3, generator=generator)
    source = 6 * torch.rand(90, 3, generator=generator).double()
    target = 9 * torch.rand(7, 3, generator=generator).double() - 3
    at = torch.randint(2, (97,), generator=generator)
    box = None if pbc is False else cell
    found = knn(source, target, 3, at[:90], at[90:], cell, pbc)
    every = radius(
        source, target, 50.0 if pbc is False else 8.0, *at.split(90), cell, pbc
    )
    length = edge_vectors((source, target), *every, box, at[90:]).norm(dim=-1)
    assert found[0].size(1) == 21
    for i in range(7):
        near = length.masked_fill(every[0][1] != i, torch.inf).topk(3, largest=False)
        keep = near.indices.sort().values
        mine = found[0][1] == i
        assert torch.equal(found[0][:, mine], every[0][:, keep])
        if every[1] is not None:
            assert torch.equal(found[1][mine], every[1][keep])


def test_targets_without_sources_have_no_edges() -> None:
    pos, batch = torch.rand(4, 3), torch.tensor([0, 0, 1, 1])
    assert knn(pos[:0], pos, 2)[0].shape == (2, 0)
    assert knn(pos, pos[:0], 2)[0].shape == (2, 0)
    edge_index, _ = knn(pos[:2], pos, 3, batch[:2], batch)
    assert edge_index.tolist() == [[0, 1, 0, 1], [0, 0, 1, 1]]
    cells = torch.eye(3).expand(2, 3, 3)
    edge_index, shift = knn(pos[:2], pos, 3, batch[:2], batch, cells)
    assert edge_index[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert shift is not None


def test_points_of_two_sets_that_coincide_are_joined() -> None:
    edge_index, _ = knn(torch.ones(3, 3), torch.ones(1, 3), 2)
    assert edge_index.tolist() == [[0, 1], [0, 0]]


def test_bad_input_is_one_clear_line() -> None:
    pos, batch = torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match="batch_target is missing"):
        knn(pos, pos, 1, batch)
    with pytest.raises(ValueError, match="pos_target has NaN"):
        knn(pos, pos * float("nan"), 1)
    with pytest.raises(ValueError, match="batch_source must hold one graph number"):
        knn(pos, pos, 1, batch[:1], batch)
    with pytest.raises(ValueError, match="k must be at least 1 neighbor, got 0"):
        knn(pos, pos, 0)
