from __future__ import annotations

import math

import torch
from torch import Tensor

from pyg_equivariant.graph import radius_graph, triplets
from pyg_equivariant.nn.torsions import bond_cosines, target_cosines, torsion_phases
from pyg_equivariant.o3 import rand_matrix


def cloud(count: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors, edges, and the pairs of them."""
    pos = torch.randn(count, 3, dtype=torch.float64)
    edge_index = radius_graph(pos, 2.0)[0]
    vec = pos[edge_index[0]] - pos[edge_index[1]]
    return vec, edge_index, triplets(edge_index)


def angle(a: Tensor, b: Tensor) -> Tensor:
    return torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1))


def by_pairs(vec: Tensor, pairs: Tensor) -> Tensor:
    """The torsion as SphereNet defines it, over all others that arrive at j."""
    found = []
    for t, (kj, ji) in enumerate(pairs.T.tolist()):
        least = 2 * math.pi
        for u, (nj, other) in enumerate(pairs.T.tolist()):
            if other != ji or u == t:
                continue
            axis = -vec[ji]
            one = torch.linalg.cross(axis, vec[kj])
            two = torch.linalg.cross(axis, vec[nj])
            sine = (torch.linalg.cross(one, two) * axis).sum() / axis.norm()
            turn = float(torch.atan2(sine, (one * two).sum()))
            least = min(least, turn if turn > 0 else turn + 2 * math.pi)
        found.append(least)
    return torch.tensor(found, dtype=torch.float64)


def test_cosines_are_those_of_the_angles() -> None:
    vec, _, pairs = cloud()
    kj, ji = vec[pairs[0]], vec[pairs[1]]
    close = {"atol": 1e-12, "rtol": 0}
    assert torch.allclose(bond_cosines(vec, pairs), angle(-ji, kj).cos(), **close)
    expected = angle(ji, ji + kj).cos()
    assert torch.allclose(target_cosines(vec, pairs), expected, **close)


def test_torsions_are_those_of_all_pairs_of_neighbors() -> None:
    for count in (3, 4, 12):
        vec, _, pairs = cloud(count)
        torsion = by_pairs(vec, pairs)
        sine = angle(-vec[pairs[1]], vec[pairs[0]]).sin()
        expected = sine.unsqueeze(-1) * torch.stack([torsion.cos(), torsion.sin()], -1)
        found = torsion_phases(vec, pairs)
        assert torch.allclose(found, expected, atol=1e-10)


def test_torsions_turn_around_with_reflections_only() -> None:
    vec, edge_index, pairs = cloud(10)
    weight = torch.rand(edge_index.shape[1], dtype=torch.float64)
    R = rand_matrix(dtype=torch.float64)
    for given in (None, weight):
        phase = torsion_phases(vec, pairs, given)
        assert torch.allclose(
            torsion_phases(vec @ R.T, pairs, given), phase, atol=1e-10
        )
        mirrored = torsion_phases(-vec, pairs, given)
        assert not torch.allclose(mirrored, phase, atol=1e-3)
    flipped = torsion_phases(-vec, pairs, weight) * torch.tensor([1, -1])
    assert torch.allclose(flipped, torsion_phases(vec, pairs, weight), atol=1e-12)


def test_atoms_in_one_plane_do_not_depend_on_rounding() -> None:
    pos = torch.randn(7, 3, dtype=torch.float64)
    pos[:, 2] = 0
    edge_index = radius_graph(pos, 3.0)[0]
    pairs = triplets(edge_index)
    phases = []
    for _ in range(3):
        moved = pos @ rand_matrix(dtype=torch.float64).T
        vec = moved[edge_index[0]] - moved[edge_index[1]]
        phases.append(torsion_phases(vec, pairs))
    for phase in phases[1:]:
        assert torch.allclose(phase, phases[0], atol=1e-7)


def test_smooth_torsions_have_two_derivatives_where_atoms_are_in_line() -> None:
    weight = torch.rand(12, dtype=torch.float64)
    edge_index = torch.tensor([(i, j) for i in range(4) for j in range(4) if i != j]).T
    pairs = triplets(edge_index)

    def phases(pos: Tensor) -> Tensor:
        vec = pos[edge_index[0]] - pos[edge_index[1]]
        return torsion_phases(vec, pairs, weight)

    line = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, -1.5, 0], [0, 2.5, 0]]).double()
    pos = line.requires_grad_()
    assert torch.autograd.gradcheck(phases, pos)
    assert torch.autograd.gradgradcheck(phases, pos)
    first_met = torsion_phases(pos[edge_index[0]] - pos[edge_index[1]], pairs)
    (first,) = torch.autograd.grad(first_met.sum(), pos, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), pos)
    assert first.isfinite().all()
    assert second.isfinite().all()
