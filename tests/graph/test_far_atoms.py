"""Atoms far from each other, or from their cells: the same edges, in little time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import _cell_list, _grid, edge_vectors, radius, radius_graph
from pyg_equivariant.graph._cell_list import cell_list
from pyg_equivariant.graph._lattice import lattice
from pyg_equivariant.graph._points import points
from pyg_equivariant.graph._vesin import has_vesin
from pyg_equivariant.graph._wrap import wrap

BACKENDS = ["torch", "vesin"] if has_vesin() else ["torch"]
Edge = tuple[int, ...]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def force(kind: str, patch: pytest.MonkeyPatch) -> None:
    """Lay a grid of this kind, whatever the points would get by themselves."""
    patch.setattr(
        _cell_list,
        "dense_grid",
        lambda room: _grid.dense_grid(room)._replace(crowded=kind != "dense"),
    )
    if kind == "merged":
        patch.setattr(_grid, "MAX_BINS", 3)
    if kind == "searched":
        patch.setattr(_cell_list, "MAX_EMPTY", -1)


def edges(edge_index: Tensor, edge_shift: Tensor | None) -> list[Edge]:
    """Target, source and shift of every edge, in the order given."""
    if edge_shift is None:
        edge_shift = torch.zeros(edge_index.size(1), 3, dtype=torch.long)
    rows = torch.cat([edge_index.flip(0).t(), edge_shift], 1).tolist()
    return [tuple(row) for row in rows]


def pairs_within(pos: Tensor, cutoff: float) -> list[Edge]:
    d = torch.cdist(pos, pos, compute_mode="donot_use_mm_for_euclid_dist")
    d.fill_diagonal_(torch.inf)
    return [(i, j, 0, 0, 0) for i, j in (d < cutoff).nonzero().tolist()]


def blob(count: int, generator: torch.Generator) -> tuple[Tensor, float]:
    """Atoms as dense as in matter, and the length of the cube they fill."""
    length = (count / 0.1) ** (1 / 3)
    return length * torch.rand(count, 3, generator=generator).double(), length


# The right edges


def test_far_images_equal_ase(backend: str, generator: torch.Generator) -> None:
    ase = pytest.importorskip("ase")
    neighborlist = pytest.importorskip("ase.neighborlist")
    rng = np.random.default_rng(0)
    several = 0
    for number in range(60):
        cell = 2.5 * np.eye(3) + 0.5 * rng.normal(size=(3, 3))
        pbc = [bool(number >> k & 1) for k in range(3)]
        pos = rng.normal(size=(rng.integers(2, 7), 3))
        # Within one cell of each other along directions without period
        images = rng.integers(-(10 ** (number % 8)), 10 ** (number % 8), pos.shape)
        pos = pos + (images * pbc) @ cell
        atoms = ase.Atoms(positions=pos, cell=cell, pbc=pbc)
        i, j, s = neighborlist.neighbor_list("ijS", atoms, 3.0)
        expected = sorted(zip(i.tolist(), j.tolist(), *s.T.tolist(), strict=True))
        tensors = (torch.from_numpy(x) for x in (pos, cell))
        pos_, cell_ = tensors
        found = radius_graph(pos_, 3.0, cell=cell_, pbc=pbc, backend=backend)
        assert edges(*found) == expected
        several += len({edge[:2] for edge in expected}) < len(expected)
    assert several > 30


@pytest.mark.parametrize("power", [20, 30, 38])
def test_images_at_a_distance_of_any_power(
    power: int, backend: str, generator: torch.Generator
) -> None:
    inside = torch.randint(64, (20, 3), generator=generator).double() / 16
    far = torch.randint(-(2**power), 2**power, (20, 3), generator=generator)
    far[::2] = 0
    cell = torch.diag(torch.tensor([4.0, 2.0, 1.0])).double()
    inside = inside % cell.diagonal()
    for pbc in ([True] * 3, [True, False, True]):
        away = far * torch.tensor(pbc)
        args = {"cell": cell, "pbc": pbc, "backend": backend}
        edge_index, shift = radius_graph(inside, 1.55, **args)
        found = radius_graph(inside + (away * cell.diagonal()), 1.55, **args)
        j, i = edge_index
        assert edges(*found) == sorted(edges(edge_index, shift + away[i] - away[j]))
        assert len(edges(*found)) > 20


def test_wrapping_repairs_its_own_rounding(generator: torch.Generator) -> None:
    """In a skewed cell the first guess is off by whole cells."""
    cell = torch.tensor([[1.0, 0.0, 0.0], [3e4, 1.3, 0.0], [0.2, 0.3, 1.7]]).double()
    pos = 1e11 * torch.rand(50, 3, generator=generator).double()
    found = points(pos, None)
    found = wrap(found, lattice(cell, None, 1, found.pos), 1.0)
    along = found.pos @ torch.linalg.inv(cell)
    assert along.min() > -1e-9
    assert along.max() < 1 + 1e-9
    assert found.home is not None
    back = found.pos + found.home.double() @ cell
    torch.testing.assert_close(back, pos, rtol=1e-9, atol=0.0)


def test_sources_and_targets_have_homes_of_their_own(
    generator: torch.Generator,
) -> None:
    cell = 4 * torch.eye(3).double() + torch.rand(3, 3, generator=generator)
    source = torch.rand(30, 3, generator=generator).double() @ cell
    target = torch.rand(7, 3, generator=generator).double() @ cell
    edge_index, shift = radius(source, target, 3.0, cell=cell)
    there = torch.randint(-999, 999, (30, 3), generator=generator)
    here = torch.randint(-999, 999, (7, 3), generator=generator)
    found = radius(
        source + there.double() @ cell, target + here.double() @ cell, 3.0, cell=cell
    )
    j, i = edge_index
    assert edges(*found) == sorted(edges(edge_index, shift + here[i] - there[j]))


@pytest.mark.parametrize("far", [1e9, 1e17, 1e38, 1.7e308])
def test_outliers_at_any_distance(
    far: float, backend: str, generator: torch.Generator
) -> None:
    pos, _ = blob(300, generator)
    inside = edges(*radius_graph(pos[4:], 3.0, backend=backend))
    inside = [(i + 4, j + 4, *s) for i, j, *s in inside]
    pos[0], pos[1], pos[2] = far, -far, far
    pos[3] = torch.tensor([far, 0.0, -far], dtype=torch.float64)
    found = edges(*radius_graph(pos, 3.0, backend=backend))
    assert found == [(0, 2, 0, 0, 0), (2, 0, 0, 0, 0), *inside]


def test_a_molecule_of_a_batch_may_be_far(
    backend: str, generator: torch.Generator
) -> None:
    size = 90
    pos = (8 * torch.rand(3 * size, 3, generator=generator)).float()
    batch = torch.arange(3).repeat_interleave(size)
    near = radius_graph(pos, 2.0, batch, backend=backend)[0]
    pos[batch == 1] = 1e9 + 64 * (pos[batch == 1] * 4).round()
    pos[batch == 1] += torch.tensor([-2e9, 0.0, 1e9])
    found = radius_graph(pos, 129.0, batch, backend=backend)[0]
    middle = pairs_within(pos[batch == 1].double(), 129.0)
    at = batch[found[1]] == 1
    assert edges(found[:, at] - size, None) == middle
    assert len(middle) > 5
    found = radius_graph(pos, 2.0, batch, backend=backend)[0]
    assert torch.equal(found[:, batch[found[1]] != 1], near[:, batch[near[1]] != 1])


@pytest.mark.parametrize("kind", ["sparse", "merged", "searched"])
@pytest.mark.parametrize("pbc", [False, True, [True, False, False]])
@pytest.mark.parametrize("thin", [1.0, 0.02])
def test_every_grid_finds_the_same(
    kind: str,
    pbc: bool | list[bool],
    thin: float,
    monkeypatch: pytest.MonkeyPatch,
    generator: torch.Generator,
) -> None:
    """In long cells and in such as have several images within the cutoff."""
    pos, length = blob(200, generator)
    pos[::7] *= 40
    batch = torch.arange(200) % 3 // 2
    cell = length * torch.diag(torch.tensor([50.0, 3.0, 1.0])).double()
    cell[0, 1], cell[2, 0] = 5.0, 1.0
    cells = torch.stack([cell, cell * thin])
    args = (pos, 2.0, batch, cells, pbc)
    force("dense", monkeypatch)
    expected = radius_graph(*args, backend="torch")
    if pbc is False:
        pos = pos + 1e4 * batch.unsqueeze(1)
        assert edges(*expected) == pairs_within(pos, 2.0)
    force(kind, monkeypatch)
    assert edges(*radius_graph(*args, backend="torch")) == edges(*expected)
    assert expected[0].size(1) > 200


def test_tiny_cells_far_away(backend: str, generator: torch.Generator) -> None:
    cell = 0.5 * torch.eye(3).double()
    pos = torch.tensor([[0.0, 0.0, 0.0], [0.25, 0.25, 0.0]]).double()
    edge_index, shift = radius_graph(pos, 2.0, cell=cell, backend=backend)
    far = torch.tensor([[10**6, 0, -(10**6)], [0, 3, 0]])
    found = radius_graph(pos + far.double() @ cell, 2.0, cell=cell, backend=backend)
    j, i = edge_index
    assert edges(*found) == sorted(edges(edge_index, shift + far[i] - far[j]))
    assert edge_index.size(1) > 1000


def test_a_slab_with_an_atom_far_above(
    backend: str, generator: torch.Generator
) -> None:
    """Where vesin by itself ends the process."""
    pos, length = blob(300, generator)
    cell, pbc = length * torch.eye(3), [True, True, False]
    slab = radius_graph(pos[1:], 3.0, cell=cell, pbc=pbc, backend=backend)
    pos[0, 2] = 1e9
    found = edges(*radius_graph(pos, 3.0, cell=cell, pbc=pbc, backend=backend))
    assert found == [(i + 1, j + 1, *s) for i, j, *s in edges(*slab)]


def test_a_long_thin_cell(backend: str) -> None:
    cell = torch.diag(torch.tensor([3.0, 3.0, 1e8]))
    pos = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    found = radius_graph(pos, 2.5, cell=cell, backend=backend)[0]
    assert found.size(1) == 4


# In little time


@pytest.mark.parametrize("case", ["one", "many", "line", "cell", "slab"])
def test_candidates_grow_with_the_number_of_atoms(
    case: str, generator: torch.Generator
) -> None:
    pos, length = blob(4000, generator)
    cell, pbc = None, False
    if case == "one":
        pos[0] = 1e9
    if case == "many":
        pos[::20] = 1e9 * torch.rand(200, 3, generator=generator).double()
    if case == "line":
        pos[::2] = torch.arange(2000).double().unsqueeze(1) * 100
    if case == "cell":
        cell, pbc = 1e6 * torch.eye(3), True
    if case == "slab":
        cell, pbc = length * torch.eye(3), [True, True, False]
        pos[0, 2] = 1e9
    atoms = points(pos, None)
    box = lattice(cell, pbc, 1, atoms.pos)
    pairs = sum(len(found[0]) for found in cell_list(atoms, atoms, box, 3.0))
    assert pairs < 200 * len(pos)


# What cannot be told apart

FAR = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 4e15]]).double()


@pytest.mark.parametrize("pbc", [True, [True, False, False]])
def test_what_float64_does_not_resolve_is_refused(
    backend: str, pbc: bool | list[bool]
) -> None:
    cell = torch.eye(3).double()
    with pytest.raises(ValueError, match=r"pos reaches 4e\+15 in row 1") as error:
        radius_graph(FAR, 1.5, cell=cell, pbc=pbc, backend=backend)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="cell reaches 1e\\+16 in row 0"):
        radius_graph(FAR[:1], 1.5, cell=1e16 * cell, backend=backend)
    # Nothing is wrapped where nothing repeats
    assert radius_graph(FAR, 1.5, cell=cell, pbc=False, backend=backend)[1] is None
    batch = torch.tensor([0, 1])
    flags = torch.tensor([[True] * 3, [False] * 3])
    found = radius_graph(FAR, 1.1, batch, cell, flags, backend=backend)
    assert found[0].tolist() == [[0] * 6] * 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(bad: float, backend: str) -> None:
    pos, cell = torch.zeros(2, 3), torch.eye(3)
    broken = pos.clone()
    broken[1, 2] = bad
    broken_cell = cell.clone()
    broken_cell[0, 1] = bad
    for args in ({"pos": broken}, {"pos": broken, "cell": cell}):
        with pytest.raises(ValueError, match=r"pos has NaN or infinite .* is row 1"):
            radius_graph(cutoff=1.0, backend=backend, **args)
    with pytest.raises(ValueError, match=r"cell has NaN or infinite .* is graph 0"):
        radius_graph(pos, 1.0, cell=broken_cell, backend=backend)
    with pytest.raises(ValueError, match="pos_target has NaN"):
        radius(pos, broken, 1.0)
    with pytest.raises(ValueError, match="cell has NaN"):
        radius(pos, pos, 1.0, cell=broken_cell)


def test_vectors_of_what_was_found_are_shorter_than_the_cutoff(
    backend: str, generator: torch.Generator
) -> None:
    cell = 4 * torch.eye(3).double() + torch.rand(3, 3, generator=generator)
    pos = 1e4 * torch.randn(40, 3, generator=generator).double()
    found = radius_graph(pos, 3.0, cell=cell, backend=backend)
    assert found[0].size(1) > 100
    assert edge_vectors(pos, *found, cell).norm(dim=-1).max() < 3.0 + 1e-10
