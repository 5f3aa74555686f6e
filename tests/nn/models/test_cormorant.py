"""Cormorant: its sizes by level, its masks, and what jumps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn import Cormorant, ForceField
from pyg_equivariant.testing import assert_equivariant

SMALL: dict[str, Any] = {"hidden_channels": 2, "lmax": 1, "lmax_sh": 1}
SMALL |= {"num_layers": 2, "gain": 2.0, "species": tuple(range(1, 10))}


def build(**options: Any) -> Cormorant:
    return Cormorant(**{**SMALL, **options}).double().eval()


def irreps_of(model: Cormorant) -> list[str]:
    return [str(conv.irreps_out) for conv in model.convs]


def test_sizes_may_differ_by_level() -> None:
    model = build(hidden_channels=(2, 3, 4), lmax=(3, 1), lmax_sh=(2, 1), num_layers=3)
    assert irreps_of(model) == ["6x0e+6x1e+6x2e", "8x0e+8x1e", "8x0e+8x1e"]
    for option in ({"lmax": (1, 1, 1)}, {"hidden_channels": ()}):
        with pytest.raises(ValueError, match="expected one number, or up to"):
            build(**option)


def test_all_pairs_of_atoms_are_joined(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    model = build(head="node", mask=(), num_input_layers=0)
    energy = model(data.z, data.pos, data.batch)
    far = data.pos.clone()
    far[0] *= 10
    first = data.batch == data.batch[0]
    moved = (model(data.z, far, data.batch) != energy).squeeze(1)
    assert torch.equal(moved, first)


def test_what_is_smooth() -> None:
    assert not build().is_smooth
    assert build(num_input_layers=0).is_smooth
    assert not build(num_input_layers=0, mask=("learn", "hard")).is_smooth
    assert not build(num_input_layers=0, cutoff=3.0).is_smooth
    assert build(smooth=True, cutoff=3.0).is_smooth
    with pytest.raises(ValueError, match="smooth=True needs a cutoff"):
        build(smooth=True)
    with pytest.raises(ValueError, match="hard mask is not smooth"):
        build(smooth=True, cutoff=3.0, mask=("hard",))


@pytest.mark.parametrize(("smooth", "jumps"), [(False, True), (True, False)])
def test_the_input_ends_in_a_jump_unless_smooth(smooth: bool, jumps: bool) -> None:
    model = build(smooth=smooth, cutoff=3.0, hard_cutoff=1.5)
    pos = torch.zeros(2, 3, dtype=torch.float64)
    z, energies = torch.tensor([6, 8]), []
    for r in (1.5 - 1e-9, 1.5 + 1e-9):
        pos[1, 0] = r
        energies.append(model(z, pos))
    assert bool((energies[0] - energies[1]).abs() > 1e-5) == jumps


def test_an_atom_alone_still_meets_itself() -> None:
    """Its own pair is one of the sum: products of it change what it predicts."""
    model, z = build(), torch.tensor([6])
    before = model(z, torch.zeros(1, 3).double())
    with torch.no_grad():
        model.convs[0].edge_mix.weights[0].mul_(2)  # type: ignore[union-attr]
    assert (model(z, torch.zeros(1, 3).double()) - before).abs() > 1e-8


def test_atoms_are_felt_through_the_input_too() -> None:
    assert build().num_hops == 3
    assert build(num_input_layers=0).num_hops == 2


def test_vectors_turn(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    model = build(head="dipole")

    def dipole(pos: Tensor) -> Tensor:
        return model(data.z, pos, data.batch)

    assert_equivariant(dipole, ["pos"], ["1o"], [data.pos], group="SO(3)")
    assert dipole(data.pos).abs().max() > 1e-6


@pytest.mark.filterwarnings("ignore:energies of this")
@pytest.mark.parametrize("lmax", [0, 3])
def test_second_derivatives_where_atoms_coincide(lmax: int) -> None:
    model = build(lmax=lmax, lmax_sh=lmax)
    z = torch.tensor([1, 6, 8])
    pos = torch.tensor([[0.0, 0, 0], [0, 0, 0], [1, 0.2, 0]]).double().requires_grad_()
    forces = ForceField(model)(z, pos).forces
    wanted = [pos, *model.parameters()]
    second = torch.autograd.grad(forces.square().sum(), wanted, materialize_grads=True)
    assert forces.abs().max() > 0
    assert all(g.isfinite().all() for g in second)


def test_counts_of_the_authors_other_forms() -> None:
    """As their code counts them."""
    linear = Cormorant(num_input_layers=0, linear_output=True)
    found = sum(p.numel() for p in linear.parameters())
    scalars = 2 * 10 * (4 + 16)
    rest = sum(
        p.numel()
        for name, p in linear.named_parameters()
        if not name.startswith(("input", "head"))
    )
    assert found == rest + (15 + 1) * 20 + scalars + 1
