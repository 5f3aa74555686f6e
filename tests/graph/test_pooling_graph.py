from __future__ import annotations

from typing import Any

import pytest
import torch

from pyg_equivariant.graph import edge_vectors, fps, knn, pooling_graph, radius


def test_edges_lead_from_all_points_to_some(generator: torch.Generator) -> None:
    pos = torch.randn(60, 3, generator=generator).double().requires_grad_()
    batch = torch.randint(3, (60,), generator=generator)
    index, coarse = pooling_graph(pos, batch, ratio=0.2, k=5)
    assert torch.equal(index, fps(pos, batch, ratio=0.2))
    assert torch.equal(coarse.pos, pos[index])
    assert torch.equal(coarse.batch, batch[index])
    assert coarse.batch_size == 3
    expected, _ = knn(pos, pos[index], 5, batch, batch[index])
    assert torch.equal(coarse.edge_index, expected)
    vectors = coarse.edge_vec()
    assert torch.equal(vectors, edge_vectors((pos, pos[index]), expected))
    vectors[:, 0].square().sum().backward()
    assert (pos.grad != 0).any()
    index, coarse = pooling_graph(pos, batch, num_points=4, cutoff=1.5)
    assert len(index) == 12
    expected, _ = radius(pos, pos[index], 1.5, batch, batch[index])
    assert torch.equal(coarse.edge_index, expected)
    itself = coarse.edge_index[0] == index[coarse.edge_index[1]]
    assert int(itself.sum()) == 12


def test_clouds_of_no_points() -> None:
    index, coarse = pooling_graph(torch.zeros(0, 3), ratio=0.5, k=2)
    assert len(index) == 0
    assert coarse.edge_vec().shape == (0, 3)
    assert coarse.batch_size == 1
    batch = torch.zeros(0).long()
    assert pooling_graph(torch.zeros(0, 3), batch, 0.5, k=2)[1].batch_size == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({"k": 3}, "give ratio, .* neither came"),
    ({"ratio": 0.5}, "give k, a number of neighbors, or cutoff, got neither"),
    ({"ratio": 0.5, "k": 2, "cutoff": 1.0}, "or cutoff, got both"),
    ({"ratio": 0.5, "k": 0}, "k must be at least 1"),
    ({"ratio": 0.5, "cutoff": -1.0}, "cutoff must be a positive"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_bad_input_is_one_clear_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pooling_graph(torch.rand(4, 3), **given)
