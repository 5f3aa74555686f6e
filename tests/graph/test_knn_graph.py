from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import (
    _cell_list,
    _nearest,
    edge_vectors,
    knn,
    knn_graph,
    radius_graph,
)

Edge = tuple[int, int, int, int, int]


def edges(edge_index: Tensor, edge_shift: Tensor | None) -> list[Edge]:
    """Target, source and shift of every edge, in the order given."""
    if edge_shift is None:
        edge_shift = torch.zeros(edge_index.size(1), 3, dtype=torch.long)
    rows = torch.cat([edge_index.flip(0).t(), edge_shift], 1).tolist()
    return [tuple(row) for row in rows]


def brute_force(
    pos: Tensor,
    k: int,
    batch: Tensor | None = None,
    cell: Tensor | None = None,
    images: tuple[int, int, int] = (0, 0, 0),
    loop: bool = False,
) -> list[Edge]:
    """By sorting all pairs by length, source and shift."""
    pos = pos.double().numpy()
    box = np.zeros((3, 3)) if cell is None else cell.double().numpy()
    graph = np.zeros(len(pos)) if batch is None else batch.numpy()
    shifts = list(itertools.product(*(range(-n, n + 1) for n in images)))
    found: list[Edge] = []
    for i, at in enumerate(pos):
        others = []
        for j in (graph == graph[i]).nonzero()[0].tolist():
            for s in shifts:
                x, y, z = pos[j] - at + np.array(s) @ box
                others.append((x * x + y * y + z * z, j, s))
        near = [(j, *s) for _, j, s in sorted(others) if loop or j != i or any(s)]
        found += [(i, *edge) for edge in sorted(near[:k])]
    return found


# Against the definition and a peer


def test_equals_a_tree_of_scipy(generator: torch.Generator) -> None:
    spatial = pytest.importorskip("scipy.spatial")
    for count, k in ((3000, 1), (3000, 12), (500, 40), (500, 499)):
        pos = torch.randn(count, 3, generator=generator)
        _, near = spatial.cKDTree(pos.double().numpy()).query(pos.double(), k + 1)
        expected = torch.from_numpy(near[:, 1:].astype(int)).sort(1).values
        edge_index, shift = knn_graph(pos, k)
        assert shift is None
        assert torch.equal(edge_index[0].view(count, k), expected)
        assert torch.equal(edge_index[1], torch.arange(count).repeat_interleave(k))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loop", [False, True])
def test_random_clouds_equal_the_definition(
    dtype: torch.dtype, loop: bool, generator: torch.Generator
) -> None:
    """Small and large graphs of any scale, in any order; points that coincide."""
    for trial in range(30):
        count = 3 * trial % 100
        scale = 10.0 ** int(torch.randint(-9, 9, (), generator=generator))
        pos = scale * torch.randn(count, 3, generator=generator).to(dtype)
        if trial % 3 == 0 and count:
            pos = (pos / scale).round() * 0.25  # exact, with many ties
        batch = torch.randint(1 + trial % 4, (count,), generator=generator) * 2
        k = 1 + trial % 11
        found = knn_graph(pos, k, batch, loop=loop)
        assert edges(*found) == brute_force(pos, k, batch, loop=loop)


@pytest.mark.parametrize(
    "pbc", list(itertools.product([True, False], repeat=3)), ids=str
)
def test_random_crystals_equal_the_definition(
    pbc: tuple[bool, bool, bool], generator: torch.Generator
) -> None:
    for count in (1, 2, 7):
        cell = 2 * torch.eye(3) + 0.4 * torch.randn(3, 3, generator=generator)
        pos = torch.rand(count, 3, generator=generator).double() @ cell.double()
        images = tuple((0, 9, 5, 4)[sum(pbc)] * periodic for periodic in pbc)
        for k in (1, 5, 14):
            expected = brute_force(pos, k, None, cell, images)
            found = knn_graph(pos, k, cell=cell.double(), pbc=pbc)
            assert edges(*found) == expected
            assert (found[1] is None) == (not any(pbc))


def test_ties_of_a_lattice_go_to_the_first(generator: torch.Generator) -> None:
    grid = torch.cartesian_prod(*[torch.arange(4.0)] * 3)
    grid = grid[torch.randperm(64, generator=generator)]
    assert edges(*knn_graph(grid, 5)) == brute_force(grid, 5)
    cell = 4 * torch.eye(3)
    found = knn_graph(grid, 9, cell=cell)
    assert edges(*found) == brute_force(grid, 9, None, cell, (1, 1, 1))


def test_as_many_neighbors_as_there_are(generator: torch.Generator) -> None:
    pos = torch.randn(7, 3, generator=generator)
    batch = torch.tensor([0, 3, 0, 1, 0, 3, 0])
    assert torch.equal(knn_graph(pos, 9, batch)[0], radius_graph(pos, 1e3, batch)[0])
    degree = knn_graph(pos, 2, batch, loop=True)[0][1].bincount()
    assert degree.tolist() == [2, 2, 2, 1, 2, 2, 2]
    cells, pbc = torch.eye(3).expand(4, 3, 3), torch.tensor([[False] * 3] * 4)
    pbc[1, 2] = True
    degree = knn_graph(pos, 8, batch, cells, pbc)[0][1].bincount()
    assert degree.tolist() == [3, 1, 3, 8, 3, 1, 3]


def test_points_that_coincide_are_neighbors() -> None:
    pos = torch.ones(5, 3)
    found = knn_graph(pos, 2)[0].tolist()
    assert found[0] == [1, 2, 0, 2, 0, 1, 0, 1, 0, 1]
    assert edges(*knn_graph(pos, 9, loop=True)) == brute_force(pos, 9, loop=True)
    many = torch.cat([torch.zeros(200, 3), torch.rand(100, 3)])
    assert edges(*knn_graph(many, 3)) == brute_force(many, 3)


@pytest.mark.parametrize("periodic", [False, True])
def test_no_points_no_edges(periodic: bool) -> None:
    cell = torch.eye(3) if periodic else None
    edge_index, shift = knn_graph(torch.zeros(0, 3), 3, cell=cell)
    assert edge_index.shape == (2, 0)
    assert edge_index.dtype == torch.long
    assert shift is None if not periodic else shift.shape == (0, 3)
    assert knn_graph(torch.zeros(1, 3), 3)[0].shape == (2, 0)


# However the search goes about it


def test_parts_of_the_search_do_not_matter(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pos = torch.rand(150, 3, generator=generator)
    pos[::3] *= 0.05
    batch = torch.randint(3, (150,), generator=generator)
    cell = torch.eye(3) + 0.1 * torch.rand(3, 3, 3, generator=generator)
    for pbc in (True, [True, False, False], False):
        whole = knn_graph(pos, 7, batch, cell, pbc)
        assert whole[0].size(1) == 7 * 150
        for first in (0.1, 3.0):
            with monkeypatch.context() as small:
                small.setattr(_cell_list, "MAX_ROWS", 300)
                small.setattr(_cell_list, "MAX_PAIRS", 200)
                small.setattr(_nearest, "MAX_PAIRS", 0)
                small.setattr(_nearest, "FIRST", first)
                parts = knn_graph(pos, 7, batch, cell, pbc)
            assert edges(*parts) == edges(*whole)


def test_graphs_of_a_batch_are_as_alone(generator: torch.Generator) -> None:
    """Of any scale, and in any order."""
    sizes = (80, 1, 70, 0, 9)
    scales = torch.tensor([1e-12, 1.0, 1e20, 1.0, 1e3]).double()
    pos = [
        scale * torch.rand(n, 3, generator=generator).double()
        for n, scale in zip(sizes, scales, strict=True)
    ]
    cell = (torch.eye(3) + 0.2 * torch.rand(5, 3, 3, generator=generator)).double()
    cell = cell * scales.view(-1, 1, 1)
    pbc = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1]]).bool()
    batch = torch.arange(5).repeat_interleave(torch.tensor(sizes))
    together = knn_graph(torch.cat(pos), 6, batch, cell, pbc)
    alone, start = [], 0
    for graph, one in enumerate(pos):
        found = knn_graph(one, 6, cell=cell[graph], pbc=pbc[graph])
        alone += [(i + start, j + start, *s) for i, j, *s in edges(*found)]
        start += len(one)
    assert edges(*together) == alone
    order = torch.randperm(160, generator=generator)
    place = order.argsort()
    edge_index, shift = together
    mixed = knn_graph(torch.cat(pos)[order], 6, batch[order], cell, pbc)
    assert edges(*mixed) == sorted(edges(place[edge_index], shift))


def test_points_may_lie_outside_of_the_cell(generator: torch.Generator) -> None:
    cell = (4 * torch.eye(3) + torch.rand(3, 3, generator=generator)).double()
    pos = torch.rand(12, 3, generator=generator).double() @ cell
    moves = torch.randint(-9, 9, (12, 3), generator=generator)
    edge_index, shift = knn_graph(pos, 9, cell=cell)
    moved = knn_graph(pos + moves.double() @ cell, 9, cell=cell)
    j, i = edge_index
    assert edges(*moved) == sorted(edges(edge_index, shift + moves[i] - moves[j]))


def test_outliers_and_clusters(generator: torch.Generator) -> None:
    pos = torch.randn(300, 3, generator=generator).double()
    pos[:100] *= 1e-6
    pos[100], pos[101], pos[102] = 1e9, -1e9, 1e15
    assert edges(*knn_graph(pos, 4)) == brute_force(pos, 4)
    far = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1e300, 0, 0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="too far apart for the squares"):
        knn_graph(far, 2)


@pytest.mark.parametrize("case", ["uniform", "clusters", "crystal", "outliers"])
def test_candidates_grow_with_the_number_of_points(
    case: str, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pos, cell = torch.rand(4000, 3, generator=generator).double(), None
    if case == "clusters":
        pos[::2] *= 0.01
    if case == "crystal":
        cell = torch.eye(3)
    if case == "outliers":
        pos[::1000] *= 1e6
    counts = []

    def counted(*arguments: Any) -> Any:
        for pairs in _cell_list.cell_list(*arguments):
            counts.append(len(pairs[0]))
            yield pairs

    monkeypatch.setattr(_nearest, "cell_list", counted)
    assert knn_graph(pos, 8, cell=cell)[0].size(1) == 8 * 4000
    assert sum(counts) < 200 * len(pos)


# As radius_graph


@pytest.mark.parametrize("periodic", [False, True])
def test_target_to_source_turns_every_edge_around(
    periodic: bool, generator: torch.Generator
) -> None:
    pos = torch.rand(12, 3, generator=generator)
    cell = torch.eye(3) if periodic else None
    edge_index, shift = knn_graph(pos, 3, cell=cell)
    turned = knn_graph(pos, 3, cell=cell, flow="target_to_source")
    assert torch.equal(turned[0], edge_index.flip(0))
    there = edge_vectors(pos, edge_index, shift, cell)
    assert torch.equal(edge_vectors(pos, *turned, cell), -there)


def energy(pos: Tensor) -> Tensor:
    edge_index, shift = knn_graph(pos, 4)
    assert not edge_index.requires_grad
    return edge_vectors(pos, edge_index, shift).square().sum(-1).sin().sum()


def test_vectors_have_gradients_and_edges_have_none(
    generator: torch.Generator,
) -> None:
    pos = torch.rand(9, 3, generator=generator).double().requires_grad_()
    (expected,) = torch.autograd.grad(energy(pos), pos)
    found = torch.func.grad(energy)(pos.detach())
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match=r"^pos is one of many"):
        torch.func.vmap(energy)(torch.stack([pos.detach()] * 2))


@pytest.mark.slow
def test_what_is_compiled_finds_the_same(generator: torch.Generator) -> None:
    pos = torch.rand(9, 3, generator=generator).double().requires_grad_()
    (expected,) = torch.autograd.grad(energy(pos), pos)
    (found,) = torch.autograd.grad(torch.compile(energy, backend="eager")(pos), pos)
    torch.testing.assert_close(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu(generator: torch.Generator) -> None:
    pos = torch.rand(300, 3, generator=generator)
    batch = torch.randint(3, (300,), generator=generator)
    cell = torch.eye(3) + 0.1 * torch.rand(3, 3, 3, generator=generator)
    for box in (None, cell):
        here = knn_graph(pos, 5, batch, box)
        there = knn_graph(
            pos.cuda(), 5, batch.cuda(), None if box is None else box.cuda()
        )
        shift = None if there[1] is None else there[1].cpu()
        assert edges(there[0].cpu(), shift) == edges(*here)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"k": 0}, "k must be at least 1 neighbor, got 0"),
    ({"k": -2}, "k"),
    ({"k": 2.0}, "k"),
    ({"flow": "up"}, "flow must be one of"),
    ({"pos": torch.zeros(2, 2)}, r"pos must have shape \(n, 3\)"),
    ({"pos": torch.zeros(2, 3).long()}, "pos must be floating-point"),
    ({"pos": torch.full((2, 3), torch.nan)}, "pos has NaN"),
    ({"batch": torch.zeros(3).long()}, "batch must hold one graph number"),
    ({"batch": torch.zeros(2)}, "batch must be an integer tensor"),
    ({"pbc": True}, "pbc asks for periodic images, but there is no cell"),
    ({"cell": torch.zeros(3, 3)}, "cell of graph 0 spans no volume"),
    (
        {"cell": torch.eye(3), "pos": torch.tensor([[1e15, 0, 0]]).double()},
        "pos reaches 1e.15 in row 0",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_clear_line(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"pos": torch.zeros(2, 3), "k": 1}
    with pytest.raises((ValueError, TypeError), match=message) as error:
        knn_graph(**(good | change))
    assert "\n" not in str(error.value)


def test_itself_is_among_all_its_sources(generator: torch.Generator) -> None:
    pos = torch.randn(50, 3, generator=generator)
    assert torch.equal(knn(pos, pos, 4)[0], knn_graph(pos, 4, loop=True)[0])
