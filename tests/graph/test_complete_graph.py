"""All pairs of nodes of the same graph, against their definition."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.graph import complete_graph, radius_graph


def by_definition(batch: list[int]) -> list[list[int]]:
    """Ordered pairs of different nodes, by target, then by source."""
    nodes = range(len(batch))
    pairs = [(j, i) for i in nodes for j in nodes if i != j and batch[i] == batch[j]]
    return [list(column) for column in zip(*pairs, strict=True)] if pairs else [[], []]


@pytest.mark.parametrize(
    "batch",
    [
        [0, 0, 0],
        [0, 0, 1, 1, 1],
        [1, 0, 1, 2, 0, 1],  # in any order
        [0, 3, 3, 0],  # graphs without nodes
        [0, 1, 2],  # single nodes
        [5],
        [],
    ],
)
def test_joins_all_pairs_of_each_graph(batch: list[int]) -> None:
    index = torch.tensor(batch, dtype=torch.long)
    edge_index = complete_graph(len(batch), index)
    assert edge_index.tolist() == by_definition(batch)
    assert edge_index.dtype == torch.long


def test_random_batches(generator: torch.Generator) -> None:
    for _ in range(20):
        size = int(torch.randint(12, (), generator=generator))
        batch = torch.randint(4, (size,), generator=generator)
        assert complete_graph(size, batch).tolist() == by_definition(batch.tolist())


@pytest.mark.parametrize("size", [0, 1, 2, 5])
def test_without_batch_all_nodes_are_one_graph(size: int) -> None:
    assert complete_graph(size).tolist() == by_definition([0] * size)


def test_is_the_radius_graph_of_a_large_radius(generator: torch.Generator) -> None:
    pos = torch.randn(9, 3, generator=generator)
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    edge_index, _ = radius_graph(pos, 100.0, batch)
    assert torch.equal(complete_graph(9, batch), edge_index)


def test_batch_of_another_length_is_named() -> None:
    with pytest.raises(ValueError, match=r"3 nodes, got shape \(2,\)"):
        complete_graph(3, torch.tensor([0, 1]))
