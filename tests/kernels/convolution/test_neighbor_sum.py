"""The sum over neighbors is ``index_add`` in a fixed order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_equivariant.kernels import dispatch, neighbor_sum

GRAPHS = {"some": (5, 40), "many": (40, 700), "none": (2, 0)}  # targets, edges


def edges_of(graph: str) -> tuple[Tensor, int]:
    targets, edges = GRAPHS[graph]
    return torch.stack(
        [torch.zeros(edges).long(), torch.randint(targets, (edges,))]
    ), targets


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_is_index_add(graph: str, weighted: bool, compiled: bool, monkeypatch) -> None:
    if not compiled:
        monkeypatch.setattr(dispatch, "has_c", lambda: False)
    edge_index, targets = edges_of(graph)
    count = edge_index.shape[1]
    messages = torch.randn(count, 11, dtype=torch.float64)
    weight = torch.randn(count, dtype=torch.float64) if weighted else None
    weighed = messages if weight is None else messages * weight[:, None]
    expected = messages.new_zeros(targets, 11).index_add(0, edge_index[1], weighed)
    for index in (edge_index, edge_index.int()):
        found = neighbor_sum(messages, index, targets, weight)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    narrow = neighbor_sum(messages.bfloat16(), edge_index, targets)
    assert narrow.dtype == torch.bfloat16


def test_vmap_runs_in_plain_torch() -> None:
    edge_index, targets = edges_of("some")
    batch = torch.randn(3, 40, 2)
    found = torch.func.vmap(lambda m: neighbor_sum(m, edge_index, targets))(batch)
    expected = torch.stack([neighbor_sum(m, edge_index, targets) for m in batch])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("rows", [0, 1, 39, 41])
def test_wrong_rows_are_refused(rows: int) -> None:
    edge_index, targets = edges_of("some")
    messages, weight = torch.ones(40, 2), torch.ones(40)
    with pytest.raises(ValueError, match=r"expected messages \(40, 2\)"):
        neighbor_sum(torch.ones(rows, 2), edge_index, targets)
    with pytest.raises(ValueError, match=r"expected weight \(40,\)"):
        neighbor_sum(messages, edge_index, targets, torch.ones(rows))
    with pytest.raises(ValueError, match=r"expected weight \(40,\)"):
        neighbor_sum(messages, edge_index, targets, weight[:, None])
    edge_index[1, 0] = targets
    with pytest.raises(IndexError):
        neighbor_sum(messages, edge_index, targets)
