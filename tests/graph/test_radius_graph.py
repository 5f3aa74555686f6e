from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import _cell_list, _radius_graph, edge_vectors, radius_graph
from pyg_equivariant.graph._vesin import has_vesin

Edge = tuple[int, int, int, int, int]


BACKENDS = ["torch", "vesin"] if has_vesin() else ["torch"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def edges(edge_index: Tensor, edge_shift: Tensor | None) -> list[Edge]:
    """Target, source and shift of every edge, in the order given."""
    if edge_shift is None:
        edge_shift = torch.zeros(edge_index.size(1), 3, dtype=torch.long)
    return [
        tuple(row)
        for row in torch.cat([edge_index.flip(0).t(), edge_shift], 1).tolist()
    ]


def brute_force(
    pos: Tensor, cutoff: float, cell: Tensor | None = None, images: int = 0
) -> list[Edge]:
    """All pairs with all images up to ``images`` along each lattice vector."""
    cell = torch.zeros(3, 3) if cell is None else cell
    steps = range(-images, images + 1)
    return [
        (i, j, *s)
        for i, j in itertools.product(range(len(pos)), repeat=2)
        for s in itertools.product(steps, repeat=3)
        if (i != j or any(s))
        and (pos[j] - pos[i] + torch.tensor(s).to(pos) @ cell.to(pos)).norm() < cutoff
    ]


def ase_edges(
    pos: Any, cutoff: float, cell: Any = None, pbc: Any = False
) -> list[Edge]:
    ase = pytest.importorskip("ase")
    neighborlist = pytest.importorskip("ase.neighborlist")
    atoms = ase.Atoms(positions=np.asarray(pos, float), cell=cell, pbc=pbc)
    i, j, s = neighborlist.neighbor_list("ijS", atoms, cutoff)
    return sorted(zip(i.tolist(), j.tolist(), *s.T.tolist(), strict=True))


def molecules(shared: Path, count: int) -> list[Tensor]:
    data = np.load(shared / "data" / "qm9" / "qm9.npz")
    ends = data["N"].astype(int).cumsum()
    chosen = np.random.default_rng(0).choice(np.arange(1, len(ends)), count, False)
    return [torch.from_numpy(data["R"][ends[k - 1] : ends[k]]).double() for k in chosen]


def frames(shared: Path, element: str) -> list[Any]:
    ase_io = pytest.importorskip("ase.io")
    return ase_io.read(shared / "data" / "periodic" / f"{element}_test.extxyz", ":")


def random_cell(rng: np.random.Generator, kind: int) -> tuple[np.ndarray, float]:
    """A triclinic, flat, small cubic or elongated cell, and a cutoff to try on it."""
    while True:
        cell = rng.normal(size=(3, 3)) * rng.uniform(1, 5)
        cell[2] *= (1, 0.2, 1, 5)[kind % 4]
        if kind % 4 == 2:
            cell = np.eye(3) * rng.uniform(1, 3) + 0.1 * rng.normal(size=(3, 3))
        height = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        if height.min() > 0.4:  # ASE takes minutes for flatter ones
            return cell, float(np.cbrt(height.prod()) * rng.uniform(0.4, 1.5))


# Against ASE


def test_200_random_cells_equal_ase() -> None:
    rng = np.random.default_rng(1)
    several = 0
    for kind in range(200):
        cell, cutoff = random_cell(rng, kind)
        pos = torch.from_numpy(rng.normal(size=(rng.integers(1, 9), 3)) * 4).float()
        box = torch.from_numpy(cell).float()
        pbc = (rng.random(3) < 0.7).tolist()
        expected = ase_edges(pos, cutoff, box.double().numpy(), pbc)
        several += len({edge[:2] for edge in expected}) < len(expected)
        for backend in BACKENDS:
            for p, b in ((pos, box), (pos.double(), box.double())):
                found = radius_graph(p, cutoff, cell=b, pbc=pbc, backend=backend)
                assert edges(*found) == expected
    assert several > 50  # cells that have several images of a pair


def test_molecules_equal_ase(shared: Path) -> None:
    mols = molecules(shared, 40)
    pos = torch.cat(mols)
    sizes = torch.tensor([len(mol) for mol in mols])
    batch = torch.arange(40).repeat_interleave(sizes)
    for cutoff in (2.0, 5.0):
        expected, start = [], 0
        for mol in mols:
            found = ase_edges(mol, cutoff)
            expected += [(i + start, j + start, *s) for i, j, *s in found]
            start += len(mol)
        for backend in BACKENDS:
            edge_index, shift = radius_graph(pos, cutoff, batch, backend=backend)
            assert shift is None
            assert edges(edge_index, None) == expected


@pytest.mark.parametrize("element", ["Li", "Mo", "Si"])
def test_a_batch_of_crystals_equals_ase(
    shared: Path, element: str, backend: str
) -> None:
    atoms = frames(shared, element)
    pos = torch.from_numpy(np.concatenate([a.positions for a in atoms]))
    cell = torch.from_numpy(np.stack([a.cell[:] for a in atoms]))
    pbc = torch.from_numpy(np.stack([a.pbc for a in atoms]))
    sizes = torch.tensor([len(a) for a in atoms])
    batch = torch.arange(len(atoms)).repeat_interleave(sizes)
    found = edges(*radius_graph(pos, 4.5, batch, cell, pbc, backend=backend))
    expected, start = [], 0
    for a in atoms:
        one = ase_edges(a.positions, 4.5, a.cell[:], a.pbc)
        expected += [(i + start, j + start, *s) for i, j, *s in one]
        start += len(a)
    assert found == expected


# Against the definition


def test_equals_the_definition_in_a_cell_smaller_than_the_cutoff(
    generator: torch.Generator, backend: str
) -> None:
    pos = torch.randn(3, 3, generator=generator).double()
    cell = torch.tensor([[1.1, 0.0, 0.0], [0.4, 1.3, 0.0], [-0.3, 0.2, 0.9]]).double()
    # The images needed to undo the wrapping of atoms outside come on top.
    expected = brute_force(pos, 2.0, cell, images=8)
    assert edges(*radius_graph(pos, 2.0, cell=cell, backend=backend)) == expected
    assert len(expected) > 3 * 30


def test_a_large_cluster_equals_the_definition(
    generator: torch.Generator, backend: str
) -> None:
    pos = torch.rand(600, 3, generator=generator).double() * torch.tensor([30, 8, 2])
    d = torch.cdist(pos, pos)
    d.fill_diagonal_(math.inf)
    i, j = (d < 2.5).nonzero().unbind(1)
    edge_index, _ = radius_graph(pos, 2.5, backend=backend)
    assert torch.equal(edge_index, torch.stack([j, i]))


@pytest.mark.parametrize(
    "extent", itertools.combinations_with_replacement((1, 2, 3), 3)
)
def test_few_bins_equal_the_definition(
    generator: torch.Generator, extent: tuple[int, int, int]
) -> None:
    """So many cutoffs, and a half, along each direction, of a cluster and a crystal."""
    size = torch.tensor(extent) + 0.5
    pos = torch.rand(80, 3, generator=generator).double() * size
    apart = pos.unsqueeze(0) - pos.unsqueeze(1)
    for cutoff, cell in ((1.0, None), (0.7, size.diag())):
        nearest = 0 if cell is None else (apart / size).round() * size
        near = (apart - nearest).norm(dim=-1).fill_diagonal_(math.inf) < cutoff
        j, i = radius_graph(pos, cutoff, cell=cell, backend="torch")[0]
        assert torch.equal(torch.stack([i, j], dim=1), near.nonzero())


def test_parts_of_the_search_do_not_matter(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pos = torch.rand(200, 3, generator=generator) * 9
    batch = torch.randint(3, (200,), generator=generator)
    cell = 9 * torch.eye(3) + torch.rand(3, 3, 3, generator=generator)
    for pbc in (True, [True, False, False], False):
        whole = radius_graph(pos, 3.0, batch, cell, pbc, backend="torch")
        with monkeypatch.context() as small:
            small.setattr(_cell_list, "MAX_ROWS", 100)
            small.setattr(_cell_list, "MAX_PAIRS", 50)
            parts = radius_graph(pos, 3.0, batch, cell, pbc, backend="torch")
        assert edges(*parts) == edges(*whole)
        assert len(edges(*whole)) > 1000


def test_candidates_may_come_in_any_order(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pos = 2 * torch.rand(5, 3, generator=generator).double()
    cell = torch.eye(3).double() + 0.3 * torch.rand(3, 3, generator=generator)
    expected = radius_graph(pos, 2.0, cell=cell, backend="torch")
    in_order = _radius_graph.cell_list

    def shuffled(*arguments: Any) -> Any:
        for j, i, shift in in_order(*arguments):
            order = torch.randperm(len(j), generator=generator)
            yield j[order], i[order], shift[order]

    monkeypatch.setattr(_radius_graph, "cell_list", shuffled)
    found = radius_graph(pos, 2.0, cell=cell, backend="torch")
    assert edges(*found) == edges(*expected)
    assert len(edges(*found)) > 20 * 25


# Symmetries


def crystal(generator: torch.Generator, n: int = 12) -> tuple[Tensor, Tensor]:
    cell = 4 * torch.eye(3).double() + torch.rand(3, 3, generator=generator).double()
    return torch.rand(n, 3, generator=generator).double() @ cell, cell


def test_every_edge_has_its_reverse(generator: torch.Generator, backend: str) -> None:
    pos, cell = crystal(generator)
    found = edges(*radius_graph(pos, 5.0, cell=cell, backend=backend))
    assert set(found) == {(j, i, -a, -b, -c) for i, j, a, b, c in found}
    assert len(set(found)) == len(found)
    assert found == sorted(found)


def test_atoms_may_lie_outside_of_the_cell(
    generator: torch.Generator, backend: str
) -> None:
    pos, cell = crystal(generator)
    moves = torch.randint(-9, 9, (12, 3), generator=generator)
    edge_index, shift = radius_graph(pos, 4.0, cell=cell, backend=backend)
    moved = radius_graph(pos + moves.double() @ cell, 4.0, cell=cell, backend=backend)
    j, i = edge_index
    assert edges(*moved) == sorted(edges(edge_index, shift + moves[i] - moves[j]))


def test_atoms_very_far_outside_are_sorted_too(generator: torch.Generator) -> None:
    inside = torch.randint(64, (5, 3), generator=generator).double() / 64
    far = torch.randint(-(2**40), 2**40, (5, 3), generator=generator)
    cell = torch.eye(3)
    edge_index, shift = radius_graph(inside, 1.5, cell=cell, backend="torch")
    found = radius_graph(inside + far.double(), 1.5, cell=cell, backend="torch")
    j, i = edge_index
    assert edges(*found) == sorted(edges(edge_index, shift + far[i] - far[j]))


def test_graphs_of_a_batch_are_as_alone(
    generator: torch.Generator, backend: str
) -> None:
    sizes = (5, 1, 70, 0, 9)
    pos = [4 * torch.rand(n, 3, generator=generator) for n in sizes]
    cell = 3 * torch.eye(3) + torch.rand(5, 3, 3, generator=generator)
    pbc = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1]]).bool()
    batch = torch.arange(5).repeat_interleave(torch.tensor(sizes))
    together = radius_graph(torch.cat(pos), 2.5, batch, cell, pbc, backend=backend)
    alone, start = [], 0
    for graph, one in enumerate(pos):
        found = radius_graph(
            one, 2.5, cell=cell[graph], pbc=pbc[graph], backend=backend
        )
        alone += [(i + start, j + start, *s) for i, j, *s in edges(*found)]
        start += len(one)
    assert edges(*together) == alone


def test_batch_may_be_in_any_order(generator: torch.Generator, backend: str) -> None:
    pos = 4 * torch.rand(40, 3, generator=generator)
    batch = torch.arange(4).repeat_interleave(10)
    order = torch.randperm(40, generator=generator)
    place = order.argsort()
    cell = 4 * torch.eye(3) * torch.tensor([1.0, 1.2, 0.9, 1.1]).view(4, 1, 1)
    for box in (None, cell):
        edge_index, shift = radius_graph(pos, 2.0, batch, box, backend=backend)
        mixed = radius_graph(pos[order], 2.0, batch[order], box, backend=backend)
        assert edges(*mixed) == sorted(edges(place[edge_index], shift))
    assert batch[order].diff().min() < 0


# Corner cases


@pytest.mark.parametrize("periodic", [False, True])
def test_no_atoms_no_edges(periodic: bool, backend: str) -> None:
    cell = torch.eye(3) if periodic else None
    edge_index, shift = radius_graph(torch.zeros(0, 3), 1.0, cell=cell, backend=backend)
    assert edge_index.shape == (2, 0)
    assert edge_index.dtype == torch.long
    assert shift is None if not periodic else shift.shape == (0, 3)


def test_one_atom_meets_only_its_images(backend: str) -> None:
    pos = torch.zeros(1, 3)
    assert edges(*radius_graph(pos, 9.0, backend=backend)) == []
    found = edges(*radius_graph(pos, 1.2, cell=torch.eye(3), backend=backend))
    units = [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert {e[2:] for e in found} == {
        tuple(s * x for x in u) for u in units for s in (1, -1)
    }
    slab = radius_graph(
        pos, 1.2, cell=torch.eye(3), pbc=[True, True, False], backend=backend
    )
    assert len(edges(*slab)) == 4


def test_coincident_atoms_are_neighbors(backend: str) -> None:
    found = edges(*radius_graph(torch.ones(3, 3), 0.5, backend=backend))
    assert found == [(i, j, 0, 0, 0) for i in range(3) for j in range(3) if i != j]


def test_loops_are_asked_for(backend: str) -> None:
    pos = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    found = edges(*radius_graph(pos, 1.0, loop=True, backend=backend))
    assert found == [(0, 0, 0, 0, 0), (1, 1, 0, 0, 0)]
    cell = 9 * torch.eye(3)
    found = edges(*radius_graph(pos, 1.0, cell=cell, loop=True, backend=backend))
    assert found == [(0, 0, 0, 0, 0), (1, 1, 0, 0, 0)]


def test_the_cutoff_itself_is_too_far(backend: str) -> None:
    pos = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]).double()
    assert edges(*radius_graph(pos, 2.0, backend=backend)) == []
    beyond = math.nextafter(2.0, 3.0)
    assert len(edges(*radius_graph(pos, beyond, backend=backend))) == 2
    assert ase_edges(pos, 2.0) == []


def test_a_direction_without_period_needs_no_lattice_vector(backend: str) -> None:
    pos = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 7.0]])
    cell = torch.diag(torch.tensor([1.0, 1.0, 0.0]))
    found = radius_graph(pos, 8.0, cell=cell, pbc=[True, True, False], backend=backend)
    tall = torch.diag(torch.tensor([1.0, 1.0, 100.0]))
    assert edges(*found) == edges(*radius_graph(pos, 8.0, cell=tall, backend=backend))


def test_nothing_periodic_gives_no_shift(backend: str) -> None:
    pos = torch.rand(4, 3)
    found = radius_graph(pos, 9.0, cell=torch.eye(3), pbc=False, backend=backend)
    assert found[1] is None
    assert len(edges(*found)) == 12


def test_target_to_source_turns_every_edge_around(generator: torch.Generator) -> None:
    pos, cell = crystal(generator)
    batch = torch.zeros(12, dtype=torch.long)
    with pytest.warns(UserWarning, match="max_num_neighbors=3"):
        edge_index, shift = radius_graph(pos, 4.0, cell=cell, max_num_neighbors=3)
    with pytest.warns(UserWarning, match="max_num_neighbors=3"):
        turned = radius_graph(
            pos, 4.0, batch, cell, max_num_neighbors=3, flow="target_to_source"
        )
    assert torch.equal(turned[0], edge_index.flip(0))
    there = edge_vectors(pos, edge_index, shift, cell)
    assert torch.equal(edge_vectors(pos, *turned, cell), -there)


def test_positions_need_no_gradient_but_may_have_one() -> None:
    pos = torch.rand(5, 3, requires_grad=True)
    edge_index, _ = radius_graph(pos, 9.0)
    assert edge_index.size(1) == 20
    assert not edge_index.requires_grad


# The cap


@pytest.mark.parametrize("periodic", [False, True])
def test_a_cap_keeps_the_nearest_and_warns(
    generator: torch.Generator, periodic: bool, backend: str
) -> None:
    pos, cell = crystal(generator, 30)
    box = cell if periodic else None
    with pytest.warns(UserWarning, match="drops") as record:
        capped = radius_graph(pos, 3.0, cell=box, max_num_neighbors=4, backend=backend)
    assert record[0].filename == __file__
    whole = radius_graph(pos, 3.0, cell=box)
    length = edge_vectors(pos, *whole, box).norm(dim=-1)
    expected = []
    for i in range(30):
        at_i = (whole[0][1] == i).nonzero().flatten()
        expected.append(at_i[length[at_i].argsort()[:4]])
    keep = torch.cat(expected).sort().values
    shift = None if whole[1] is None else whole[1][keep]
    assert edges(*capped) == edges(whole[0][:, keep], shift)


def test_a_cap_that_drops_nothing_is_silent() -> None:
    pos = torch.rand(5, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edge_index, _ = radius_graph(pos, 9.0, max_num_neighbors=4)
    assert edge_index.size(1) == 20


# Backends


def test_pyg_answers_where_it_is_asked_and_able(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    nn = pytest.importorskip("torch_geometric.nn")
    calls = []

    def search(x: Tensor, r: float, batch: Tensor, **kwargs: Any) -> Tensor:
        calls.append(kwargs)
        assert 2.0 < r < 2.1  # rounding there may be another
        assert batch.diff().min() >= 0
        near = (torch.cdist(x, x) < r) & (batch[:, None] == batch)
        return near.nonzero().t().flip(1)

    monkeypatch.setattr(nn, "radius_graph", search)
    pos = 4 * torch.rand(50, 3, generator=generator)
    batch = torch.randint(3, (50,), generator=generator)
    expected = radius_graph(pos, 2.0, batch, backend="torch")
    assert edges(*radius_graph(pos, 2.0, batch, backend="pyg")) == edges(*expected)
    assert calls[0]["loop"]
    assert calls[0]["max_num_neighbors"] >= int(batch.bincount().max())
    monkeypatch.setattr(_radius_graph, "has_pyg_lib", lambda: True)
    assert edges(*radius_graph(pos, 2.0, batch)) == edges(*expected)
    assert len(calls) == 2
    radius_graph(pos, 2.0, cell=9 * torch.eye(3))
    assert len(calls) == 2


def test_vesin_is_chosen_for_what_is_large_or_periodic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = []
    monkeypatch.setattr(_radius_graph, "has_pyg_lib", lambda: False)
    monkeypatch.setattr(_radius_graph, "has_vesin", lambda: True)
    monkeypatch.setattr(
        _radius_graph,
        "vesin_list",
        lambda *args: chosen.append("vesin") or _cell_list.cell_list(args[0], *args),
    )
    pos, batch = torch.rand(40, 3), torch.arange(2).repeat_interleave(20)
    radius_graph(pos, 0.1, batch)
    assert chosen == []
    radius_graph(pos, 0.1, batch, cell=torch.eye(3))
    assert chosen == ["vesin"]
    radius_graph(pos.repeat(10, 1), 0.03, batch.repeat(10))
    assert chosen == ["vesin"] * 2


def test_a_backend_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vesin", None)
    with pytest.raises(ImportError, match="pip install vesin"):
        radius_graph(torch.rand(3, 3), 1.0, backend="vesin")


def test_pyg_without_pyg_lib_says_what_is_missing() -> None:
    typing = pytest.importorskip("torch_geometric.typing")
    if getattr(typing, "WITH_RADIUS", False):
        pytest.skip("pyg-lib is installed")
    with pytest.raises(ImportError, match="backend='pyg' needs"):
        radius_graph(torch.rand(3, 3), 1.0, backend="pyg")


# Bad input

EYE = torch.eye(3)
BAD: list[tuple[dict[str, Any], str]] = [
    ({"pos": [[0.0, 0.0, 0.0]]}, "must be a torch.Tensor"),
    ({"pos": torch.tensor([[0.0, math.nan, 0.0]])}, "NaN or infinite.*first is row 0"),
    ({"pos": torch.tensor([[0.0, math.inf, 0.0]])}, "NaN or infinite"),
    ({"pos": torch.zeros(2, 2)}, r"shape \(n, 3\), got \(2, 2\)"),
    ({"pos": torch.zeros(3)}, r"shape \(n, 3\), got \(3,\)"),
    ({"pos": torch.zeros(2, 3).long()}, "floating-point, got torch.int64"),
    ({"cutoff": 0.0}, "cutoff must be a positive, finite length, got 0.0"),
    ({"cutoff": -1.0}, "cutoff must be a positive"),
    ({"cutoff": math.nan}, "cutoff must be a positive"),
    ({"cutoff": math.inf}, "cutoff must be a positive"),
    ({"max_num_neighbors": 0}, "max_num_neighbors must be at least 1, got 0"),
    ({"flow": "up"}, "flow must be one of"),
    ({"backend": "scipy"}, "backend must be None or one of"),
    ({"backend": "pyg", "cell": EYE}, "knows no periodic images"),
    ({"batch": torch.tensor([0])}, r"one graph number per point of pos, shape \(2,\)"),
    ({"batch": torch.tensor([0.0, 1.0])}, "batch must be an integer tensor"),
    ({"batch": torch.tensor([-1, 0])}, "must not be negative, got -1"),
    ({"pbc": True}, "no cell"),
    ({"pbc": [True, False], "cell": EYE}, r"pbc must hold booleans, shape \(3,\)"),
    ({"pbc": [1, 1, 1], "cell": EYE}, "pbc must hold booleans"),
    ({"pbc": torch.ones(2, 3).bool(), "cell": EYE}, "pbc holds 2 graphs, expected 1"),
    ({"cell": torch.zeros(3, 3)}, "cell of graph 0 spans no volume"),
    ({"cell": torch.ones(3, 3)}, "cell of graph 0 spans no volume"),
    ({"cell": torch.diag(torch.tensor([1.0, 1.0, 0.0]))}, "spans no volume"),
    ({"cell": torch.zeros(2, 2)}, r"cell must have shape \(3, 3\)"),
    ({"cell": torch.eye(3).long()}, "cell must be floating-point, got torch.int64"),
    ({"cell": EYE * math.nan}, "cell has NaN"),
    (
        {"cell": torch.stack([EYE, EYE]), "batch": torch.tensor([0, 2])},
        "batch names 3 graphs, cell holds 2",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_clear_line(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"pos": torch.zeros(2, 3), "cutoff": 1.0}
    call: Callable[..., Any] = radius_graph
    with pytest.raises((ValueError, TypeError), match=message) as error:
        call(**(good | change))
    assert "\n" not in str(error.value)


def test_the_flat_cell_of_a_batch_is_named() -> None:
    cell = torch.stack([EYE, torch.zeros(3, 3)])
    batch = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="cell of graph 1 spans no volume"):
        radius_graph(torch.zeros(2, 3), 1.0, batch, cell)
    pbc = torch.tensor([[True] * 3, [False] * 3])
    edge_index, shift = radius_graph(torch.zeros(2, 3), 1.1, batch, cell, pbc)
    assert edge_index.tolist() == [[0] * 6] * 2
    assert shift is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu(generator: torch.Generator) -> None:
    pos = 6 * torch.rand(300, 3, generator=generator)
    batch = torch.randint(3, (300,), generator=generator)
    cell = 6 * torch.eye(3) + torch.rand(3, 3, 3, generator=generator)
    for box in (None, cell):
        here = radius_graph(pos, 2.5, batch, box, backend="torch")
        there = radius_graph(
            pos.cuda(), 2.5, batch.cuda(), None if box is None else box.cuda()
        )
        shift = None if there[1] is None else there[1].cpu()
        assert edges(there[0].cpu(), shift) == edges(*here)


def test_torch_func_sees_through_the_search(generator: torch.Generator) -> None:
    pos = torch.rand(20, 3, generator=generator, dtype=torch.float64)
    cell = torch.eye(3, dtype=torch.float64)

    def energy(pos: Tensor, cell: Tensor) -> Tensor:
        edge_index, shift = radius_graph(pos, 0.6, cell=cell)
        return edge_vectors(pos, edge_index, shift, cell).square().sum(-1).sin().sum()

    leaves = pos.requires_grad_(), cell.requires_grad_()
    expected = torch.autograd.grad(energy(*leaves), leaves)
    given = pos.detach(), cell.detach()
    for n in range(2):
        found = torch.func.grad(energy, argnums=n)(*given)
        torch.testing.assert_close(found, expected[n])
    stacked = [torch.stack([t, t]) for t in given]
    for dims, name, many in (
        ((0, None), "pos", (stacked[0], given[1])),
        ((None, 0), "cell", (given[0], stacked[1])),
    ):
        for function in (energy, torch.func.grad(energy)):
            with pytest.raises(ValueError, match=f"^{name} is one of many"):
                torch.func.vmap(function, in_dims=dims)(*many)
