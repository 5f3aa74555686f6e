"""What is derived from edges, remembered until they change or go."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from pyg_equivariant.graph import radius_graph
from pyg_equivariant.kernels import edge_pairs, edges
from pyg_equivariant.kernels.edges import arrivals, ends, remembered


def test_one_pair_for_both_directions(generator: torch.Generator) -> None:
    pos = torch.rand(30, 3, generator=generator)
    edge_index, _ = radius_graph(pos, 0.5)
    edge_index = edge_index[:, torch.randperm(edge_index.shape[1], generator=generator)]
    pairs = edge_pairs(edge_index)
    assert pairs is not None
    assert 2 * len(pairs.edge) == edge_index.shape[1]
    ends = edge_index.sort(dim=0).values
    assert torch.equal(ends[:, pairs.edge][:, pairs.pair], ends)
    assert len(ends[:, pairs.edge].unique(dim=1).T) == len(pairs.edge)


def test_repeated_edges_and_loops_are_pairs_too() -> None:
    pairs = edge_pairs(torch.tensor([[2, 0, 1, 1, 0], [2, 1, 0, 0, 1]]))
    assert pairs is not None
    assert pairs.pair.tolist() == [1, 0, 0, 0, 0]
    assert pairs.edge.tolist() == [1, 0]


def test_nothing_where_most_edges_are_alone() -> None:
    directed = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 4, 4]])
    assert edge_pairs(directed) is None
    assert edge_pairs(torch.cat([directed, directed[:, :1].flip(0)], dim=1)) is None
    assert edge_pairs(directed[:, :0]) is None


def test_pairs_of_many_nodes_in_int32() -> None:
    """The product of two numbers of nodes does not fit 32 bits."""
    last = 60_000
    edge_index = torch.tensor([[0, 1, last, last], [1, 0, last - 1, 0]])
    edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    expected, found = edge_pairs(edge_index), edge_pairs(edge_index.int())
    assert expected is not None
    assert found is not None
    assert expected.pair.tolist() == [0, 0, 2, 1, 0, 0, 2, 1]
    assert torch.equal(found.pair, expected.pair)
    assert torch.equal(found.edge, expected.edge)


def test_no_pairs_where_they_are_not_known_cheaply() -> None:
    edge_index = torch.tensor([[0, 1], [1, 0]])
    assert edge_pairs(edge_index) is not None
    assert edge_pairs(edge_index.to("meta")) is None
    heard = []

    def function(x: Tensor) -> Tensor:
        heard.append(edge_pairs(edge_index))
        return x

    torch.func.vmap(function)(torch.ones(2))
    assert heard == [None]


def test_ends_and_arrivals() -> None:
    edge_index = torch.tensor([[2, 0, 1], [0, 0, 1]], dtype=torch.int32)
    assert ends(edge_index, 3, 2).tolist() == [[2, 0, 1, 3, 3, 4], [0, 1, 2, 0, 1, 2]]
    assert arrivals(edge_index).tolist() == [[0, 1, 2], [0, 0, 1]]


@pytest.mark.parametrize("sizes", [(2, 2), (3, 1)])
def test_nodes_that_are_not_there_are_refused(sizes: tuple[int, int]) -> None:
    edge_index = torch.tensor([[2, 0, 1], [0, 0, 1]])
    name = "source" if sizes[0] == 2 else "target"
    with pytest.raises(IndexError, match=f"{name} nodes from 0 to"):
        ends(edge_index, *sizes)
    # Compiled, nobody looks: then they are none, which the operators refuse.
    assert -1 in edges._ends(edge_index, *sizes)
    edge_index[:, 1] = -1
    with pytest.raises(IndexError, match="nodes from -1"):
        ends(edge_index, 3, 2)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            torch.zeros(3, 4, dtype=torch.int64),
            r"edge_index \(2, \|E\|\), got \(3, 4\)",
        ),
        (torch.zeros(2, dtype=torch.int64), r"got \(2,\)"),
        (torch.zeros(2, 4), "integers in edge_index, got torch.float32"),
        (torch.zeros(2, 4, dtype=torch.bool), "got torch.bool"),
    ],
)
def test_other_things_than_edges_are_refused(bad: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arrivals(bad)


def test_remembered_until_edges_change() -> None:
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    first = ends(edge_index, 3, 3)
    assert ends(edge_index, 3, 3) is first
    assert ends(edge_index.view(2, 4), 3, 3) is first
    assert ends(edge_index.clone(), 3, 3) is not first
    assert ends(edge_index, 4, 3) is not first
    pairs = edge_pairs(edge_index)
    assert edge_pairs(edge_index) is pairs
    edge_index[:, 2:] = torch.tensor([[0, 1], [1, 0]])
    assert edge_pairs(edge_index).pair.tolist() == [0, 0, 0, 0]
    edge_index.numpy()[1, 0] = 2  # behind torch's back
    assert arrivals(edge_index)[1].tolist() == [2, 0, 1, 0]
    assert ends(edge_index, 3, 3)[0, 4] == 5


def test_remembered_until_edges_go() -> None:
    gc.collect()
    arrivals(torch.tensor([[0], [0]]))
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    arrivals(arrivals(edge_index))  # of its own, and of what was derived from it
    before = len(edges._graphs)
    del edge_index
    gc.collect()
    arrivals(torch.tensor([[0], [0]]))
    assert len(edges._graphs) <= before - 1
    kept = [torch.tensor([[0], [0]]) for _ in range(2 * edges._GRAPHS)]
    for edge_index in kept:
        arrivals(edge_index)
    assert len(edges._graphs) == edges._GRAPHS


def test_what_inference_mode_derives_serves_training() -> None:
    edge_index = torch.tensor([[0, 1], [1, 0]])
    with torch.inference_mode():
        pairs = edge_pairs(edge_index)
        assert edge_pairs(torch.tensor([[0, 1], [1, 0]])) is not None
    assert pairs is not None
    x = torch.ones(2, 1, requires_grad=True)
    (
        x.square().index_select(0, pairs.edge).index_select(0, pairs.pair)
    ).sum().backward()
    assert x.grad.tolist() == [[4.0], [0.0]]


def test_devices_are_asked_in_the_forward_pass_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There, torch's count of writes is trusted for the answer that they changed."""
    edge_index = torch.zeros(2, 3, dtype=torch.int64, device="meta")
    storage = StorageWeakRef(edge_index.untyped_storage())
    graph = edges._Graph(storage, edges._version(edge_index), edge_index, {})
    answers = [True, False]
    monkeypatch.setattr(torch, "equal", lambda *_: answers.pop(0))
    assert graph.is_of(edge_index.view(2, 3))
    assert not graph.is_of(edge_index)  # written to behind torch's back
    seen = []
    x = torch.ones(1, requires_grad=True)
    y = 2 * x
    y.register_hook(lambda _: seen.append(graph.is_of(edge_index)))
    y.backward()
    assert seen == [True]
    monkeypatch.setattr(edges, "recording", lambda device: device == "meta")
    assert graph.is_of(edge_index)
    edge_index[0] += 1
    assert not graph.is_of(edge_index)
    assert not answers


def test_nothing_is_derived_while_a_cuda_graph_is_captured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge_index = torch.tensor([[0, 1], [1, 0]])
    known = ends(edge_index, 2, 2)
    monkeypatch.setattr(edges, "recording", lambda _: True)
    assert ends(edge_index, 2, 2) is known
    for function in (
        lambda: ends(edge_index, 3, 3),
        lambda: arrivals(edge_index.clone()),
    ):
        with pytest.raises(RuntimeError, match="while a CUDA graph is captured"):
            function()


def test_compiled_graphs_hold_them() -> None:
    @torch.compile(fullgraph=True, dynamic=True, backend="eager")
    def function(edge_index: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        return ends(edge_index, len(x), len(x)), arrivals(edge_index)

    for count in (3, 5):
        edge_index, x = torch.randint(count, (2, 7)), torch.ones(count)
        expected = ends(edge_index, count, count), arrivals(edge_index)
        assert all(map(torch.equal, function(edge_index, x), expected))


def test_derivation_gets_int64() -> None:
    edge_index = torch.tensor([[0, 1], [1, 0]], dtype=torch.uint8)
    assert remembered(lambda edges: edges.dtype, edge_index) == torch.int64
