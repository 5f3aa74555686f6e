"""Pairs agree in what they should, and differ in the rest."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.datasets import (
    chain_pair,
    star_pair,
    twin_environments,
    twisted_pair,
)


def statistics(graph: Data, neighbors: int) -> Counter[tuple[float, ...]]:
    """Inner products of so many neighbors at a time, with their handedness."""
    points = graph.pos[1:] - graph.pos[0]
    found = Counter()
    for chosen in combinations(range(len(points)), neighbors):
        forms = []
        for order in permutations(chosen):
            x = points[list(order)]
            form = (x @ x.T).flatten()
            if neighbors >= 3:
                triples = combinations(range(neighbors), 3)
                hands = [torch.linalg.det(x[list(t)]) for t in triples]
                form = torch.cat([form, torch.stack(hands)])
            forms.append(tuple((form.round(decimals=9) + 0.0).tolist()))
        found[min(forms)] += 1
    return found


def bond_angles(graph: Data) -> Tensor:
    """Cosines of the angles between the bonds of every atom, sorted."""
    j, i = graph.edge_index
    vectors = graph.pos[j] - graph.pos[i]
    angles = [
        vectors[a] @ vectors[b]
        for a, b in combinations(range(len(j)), 2)
        if i[a] == i[b]
    ]
    return torch.stack(angles).sort().values


def is_same(first: Data, second: Data) -> bool:
    """Whether all distances are the same."""
    found = [torch.pdist(graph.pos).sort().values for graph in (first, second)]
    return torch.allclose(*found)


@pytest.mark.parametrize("body_order", [2, 3, 4])
def test_twins_agree_in_so_many_atoms_and_no_more(body_order: int) -> None:
    first, second = twin_environments(body_order)
    for neighbors in range(1, body_order):
        assert statistics(first, neighbors) == statistics(second, neighbors)
    assert statistics(first, body_order) != statistics(second, body_order)
    mirrored = second.clone()
    mirrored.pos = -mirrored.pos
    assert statistics(first, body_order) != statistics(mirrored, body_order)


def test_handedness_is_seen() -> None:
    corner = Data(pos=torch.tensor([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3.0]]))
    mirrored = Data(pos=-corner.pos)
    assert statistics(corner, 2) == statistics(mirrored, 2)
    assert statistics(corner, 3) != statistics(mirrored, 3)


@pytest.mark.parametrize("pair", [chain_pair(2), chain_pair(5), twisted_pair(3)])
def test_bonds_and_their_angles_agree(pair: tuple[Data, Data]) -> None:
    first, second = pair
    j, i = first.edge_index
    lengths = [(g.pos[j] - g.pos[i]).norm(dim=-1) for g in pair]
    torch.testing.assert_close(*lengths)
    torch.testing.assert_close(lengths[0], torch.ones_like(lengths[0]))
    torch.testing.assert_close(bond_angles(first), bond_angles(second))
    assert not is_same(first, second)


@pytest.mark.parametrize("fold", [1, 2, 5])
def test_stars_are_rotations_of_each_other(fold: int) -> None:
    first, second = star_pair(fold)
    assert is_same(first, second)
    assert not torch.allclose(first.pos, second.pos)
    assert set(first.edge_index[1].tolist()) == {0}
    mean = first.pos[1:].mean(dim=0)
    assert torch.allclose(mean, torch.zeros(3).double()) == (fold > 1)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="got length=1, expected at least 2"):
        chain_pair(1)
    with pytest.raises(ValueError, match="got fold=0, expected at least 1"):
        star_pair(0)
    with pytest.raises(ValueError, match="got fold=1, expected at least 2"):
        twisted_pair(1)
    with pytest.raises(ValueError, match="got body_order=5, expected 2, 3 or 4"):
        twin_environments(5)
