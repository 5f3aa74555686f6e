"""Theory's staircases: what is apart is far apart, what is equal is equal."""

from __future__ import annotations

from functools import partial

import expressivity
import pytest
import torch
from expressivity import (
    APART,
    EQUAL,
    at_center,
    distances,
    energy,
    layer,
    network,
    scalars_at_center,
)

from pyg_equivariant.datasets import (
    chain_pair,
    star_pair,
    twin_environments,
    twisted_pair,
)

NEVER = 99


def check(found: list[float], apart: bool, what: object) -> None:
    assert min(found) > APART if apart else max(found) < EQUAL, (what, found)


@pytest.mark.parametrize("name", ["TFNConv", "NequIPConv", "MACEConv"])
def test_stars_need_the_degree_of_their_symmetry(name: str) -> None:
    for l in range(1, 6):
        build = partial(layer, name, l)
        for fold in range(1, 8):
            found = distances(build, at_center, star_pair(fold), turn=False)
            check(found, l >= fold, (l, fold))


def test_degree_ten_is_no_exception() -> None:
    build = partial(layer, "TFNConv", 10)
    for fold in (9, 10, 11):
        found = distances(build, at_center, star_pair(fold), turn=False)
        check(found, fold <= 10, fold)


@pytest.mark.parametrize(("lmax_sh", "lmax", "seen"), [(1, 2, 2), (2, 4, 4)])
def test_two_products_need_attributes_of_half_the_degree(
    lmax_sh: int, lmax: int, seen: int
) -> None:
    build = partial(layer, "SEGNNConv", lmax, lmax_sh)
    for fold in range(1, 6):
        found = distances(build, at_center, star_pair(fold), turn=False)
        check(found, fold <= seen, fold)


@pytest.mark.parametrize(("name", "seen"), [("SchNetConv", 0), ("PaiNNConv", 1)])
def test_few_degrees_see_few_stars(name: str, seen: int) -> None:
    for fold in range(1, 4):
        build = partial(layer, name, 2)
        found = distances(build, at_center, star_pair(fold), turn=False)
        check(found, fold <= seen, fold)


@pytest.mark.parametrize(
    ("name", "arguments", "order"),
    [
        ("SchNetConv", {}, 2),
        ("EGNNConv", {}, 2),
        ("PaiNNConv", {}, 3),
        ("TFNConv", {}, 2),
        ("NequIPConv", {}, 2),
        ("SE3TransformerConv", {}, 2),
        *(("MACEConv", {"correlation": nu}, nu + 1) for nu in (1, 2, 3, 4)),
        *(("SEGNNConv", {"num_update_layers": n}, n + 2) for n in (0, 1, 2)),
    ],
)
def test_one_layer_knows_so_many_atoms(
    name: str, arguments: dict[str, int], order: int
) -> None:
    build = partial(layer, name, 2, **arguments)
    if name == "SEGNNConv":
        build = partial(build, irreps_hidden=expressivity.degrees(2))
    for twins in (2, 3, 4):
        found = distances(build, scalars_at_center, twin_environments(twins))
        check(found, twins < order, twins)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("schnet", NEVER),
        ("dimenetplusplus", NEVER),
        ("spherenet", NEVER),
        ("allegro", NEVER),
        ("egnn", 3),
        ("painn", 3),
        ("mace", 3),
        ("cormorant", 3),
        ("se3transformer", 3),
        ("segnn", 3),
        ("l1net", 4),
        ("tfn", 5),
        ("nequip", 5),
    ],
)
def test_directions_travel_along_chains(name: str, first: int) -> None:
    for num_layers in {2, 3} | ({first - 1, first} if first < NEVER else set()):
        build = partial(network, name, num_layers)
        found = distances(build, energy, chain_pair(4))
        check(found, num_layers >= first, num_layers)


@pytest.mark.parametrize("twins", [2, 3, 4])
def test_depth_raises_the_body_order(twins: int) -> None:
    pair = twin_environments(twins)
    for graph in pair:
        back = graph.edge_index.flip(0)
        graph.edge_index = torch.cat([graph.edge_index, back], dim=1)
    check(distances(partial(network, "tfn", 1), energy, pair), False, 1)
    check(distances(partial(network, "tfn", 2), energy, pair), True, 2)


@pytest.mark.parametrize("name", ["tfn", "nequip", "mace", "l1net", "segnn"])
def test_torsions_need_the_degree_of_their_symmetry(name: str) -> None:
    for fold in (2, 3):
        found = distances(partial(network, name, 3, 2), energy, twisted_pair(fold))
        check(found, fold <= 2, fold)


@pytest.mark.parametrize("name", ["schnet", "painn", "egnn", "spherenet", "allegro"])
def test_who_sees_no_torsion(name: str) -> None:
    build = partial(network, name, 3, 2)
    check(distances(build, energy, twisted_pair(2)), False, name)


def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    expressivity.chains(range(1), length=2, depth=2)
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4 + len(expressivity.SMALL)
    mace = next(row for row in rows if row.startswith("mace ")).split()
    assert mace[1] == "."
    assert float(mace[2]) > APART


@pytest.mark.slow
def test_it_prints_all_tables(capsys: pytest.CaptureFixture[str]) -> None:
    expressivity.main(["--seeds", "1", "--lmax", "2", "--length", "2", "--depth", "2"])
    rows = capsys.readouterr().out.splitlines()
    assert sum(row.startswith("TFNConv, l = ") for row in rows) == 2
    assert sum(row.startswith("MACEConv, correlation ") for row in rows) == 5
    assert sum(row.startswith("segnn, l = ") for row in rows) == 2
