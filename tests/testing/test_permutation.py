"""The permutation test lets through what does not depend on order, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.testing import assert_permutation_equivariant, difficult_graphs

KINDS = ["node", "edge_index", "edge"]


def messages(x: Tensor, edge_index: Tensor, w: Tensor) -> Tensor:
    source, target = edge_index
    return torch.zeros_like(x).index_add(0, target, x[source] * w)


def on_edges(x: Tensor, edge_index: Tensor, w: Tensor) -> Tensor:
    return x[edge_index[0]] - x[edge_index[1]] * w


RIGHT: dict[str, tuple[Callable[..., object], object]] = {
    "messages": (messages, "node"),
    "differences": (on_edges, "edge"),
    "total": (lambda *a: messages(*a).sum(0), "graph"),
    "all three": (
        lambda *a: (messages(*a), on_edges(*a), messages(*a).sum(0)),
        ["node", "edge", "graph"],
    ),
}
WRONG: dict[str, tuple[Callable[..., object], object]] = {
    "the last edge wins": (
        lambda x, e, w: torch.zeros_like(x).index_copy(0, e[1], x[e[0]] * w),
        "node",
    ),
    "order of nodes": (lambda x, e, w: x + torch.arange(len(x))[:, None], "node"),
    "order of edges": (lambda x, e, w: w.cumsum(0), "edge"),
    "the first node": (lambda x, e, w: x[0], "graph"),
    "edges taken for nodes": (lambda x, e, w: w[: len(x)], "node"),
    "not a number": (lambda x, e, w: x / 0, "node"),
    "second output": (lambda x, e, w: (x, x.cumsum(0)), ["node", "node"]),
}


def arguments() -> list[Tensor]:
    graph = difficult_graphs()["asymmetric"]
    x = torch.randn(graph.num_nodes, 2, dtype=torch.float64)
    w = torch.randn(graph.num_edges, 1, dtype=torch.float64)
    return [x, graph.edge_index, w]


@pytest.mark.parametrize("name", RIGHT)
def test_functions_of_the_graph_pass(name: str) -> None:
    function, kinds_out = RIGHT[name]
    assert_permutation_equivariant(function, arguments(), KINDS, kinds_out)


@pytest.mark.parametrize("name", WRONG)
def test_functions_of_the_order_fail(name: str) -> None:
    function, kinds_out = WRONG[name]
    with pytest.raises(AssertionError, match="not permutation equivariant"):
        assert_permutation_equivariant(function, arguments(), KINDS, kinds_out)


def test_gradients_and_empty_graphs_are_no_obstacle() -> None:
    x, edge_index, w = arguments()
    assert_permutation_equivariant(messages, [x.requires_grad_(), edge_index, w], KINDS)
    none = [torch.zeros(0, 2), torch.zeros(2, 0, dtype=torch.long), torch.zeros(0, 1)]
    assert_permutation_equivariant(messages, none, KINDS)


def test_arguments_left_alone() -> None:
    x, edge_index, w = arguments()
    assert_permutation_equivariant(
        lambda x, e, w, scale, none: scale * messages(x, e, w),
        [x, edge_index, w, torch.tensor(2.0), None],
        [*KINDS, None, "node"],
    )


def test_unknown_kinds_are_refused() -> None:
    x, edge_index, w = arguments()
    for kinds in (["node", "edge_index", "edges"], ["node", None, "edge"], [None] * 3):
        with pytest.raises(ValueError, match="kinds are"):
            assert_permutation_equivariant(messages, [x, edge_index, w], kinds)
