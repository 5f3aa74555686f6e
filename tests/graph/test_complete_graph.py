from __future__ import annotations

import pytest
import torch

from pyg_equivariant.graph import complete_graph, radius_graph


def test_is_the_radius_graph_of_an_endless_cutoff(generator: torch.Generator) -> None:
    pos = torch.randn(30, 3, generator=generator)
    batch = torch.randint(4, (30,), generator=generator)
    for at in (None, batch, batch.sort().values):
        expected, _ = radius_graph(pos, 1e3, at, backend="torch")
        assert torch.equal(complete_graph(30, at), expected)
    assert complete_graph(30).size(1) == 30 * 29


def test_few_nodes_and_bad_input() -> None:
    assert complete_graph(0).shape == (2, 0)
    assert complete_graph(1).shape == (2, 0)
    with pytest.raises(ValueError, match="batch names the graph of each of 3 nodes"):
        complete_graph(3, torch.tensor([0, 0]))
