"""L1Net: irreps of either group, residuals, and its radial functions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn import L1Net
from pyg_equivariant.testing import assert_equivariant, equivariance_error

SMALL: dict[str, Any] = {"num_layers": 2, "num_radial": 4, "radial_channels": (6,)}
SMALL |= {"cutoff": 3.0, "avg_num_neighbors": 2.0}


def build(**options: Any) -> L1Net:
    return L1Net(**{**SMALL, "hidden_channels": 4, "lmax": 1, **options}).double()


def test_irreps_have_a_parity_or_none() -> None:
    assert str(build().irreps_hidden) == "4x0e+4x1e"
    assert str(build(parity=True).irreps_hidden) == "4x0e+4x1o"
    given = build(irreps_hidden="3x0e+2x1o", irreps_x="1x1o+2x0o")
    assert str(given.irreps_hidden) == "3x0e+2x1e"
    with pytest.raises(ValueError, match="atoms enter as scalars"):
        build(irreps_hidden="2x1e")


def test_with_parity_it_commutes_with_reflections(graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    for options in ({}, {"head": "dipole"}):
        kind = "1o" if options else None
        models = [build(parity=parity, **options) for parity in (True, False)]
        calls = [lambda pos, m=m: m(data.z, pos, data.batch) for m in models]
        assert_equivariant(calls[0], ["pos"], [kind], [data.pos])
        error = equivariance_error(calls[1], ["pos"], [kind], [data.pos])
        assert error.rotation < 1e-10
        assert error.reflection > 1e-5


def test_heads_of_directions_keep_the_irreps_of_the_last_layer() -> None:
    assert str(build(head="dipole").convs[-1].irreps_out) == "4x0e+4x1e"
    assert str(build(head="mean").convs[-1].irreps_out) == "1x0e"


@pytest.mark.parametrize("residual", [False, True])
def test_residuals_begin_with_the_second_layer(residual: bool) -> None:
    """Without them, a layer that gives nothing leaves nothing behind it."""
    z, pos = torch.tensor([6, 1]), torch.eye(2, 3).double()
    for silent in (0, 2):
        model = build(residual=residual, num_layers=3)
        model.acts[silent].register_forward_hook(lambda _, __, out: 0 * out)
        if silent == 0:
            model.acts[1].register_forward_hook(lambda _, __, out: 0 * out)
            model.acts[2].register_forward_hook(lambda _, __, out: 0 * out)
        kept = residual and silent == 2
        assert bool(model(z, pos).abs().max() > 0) == kept


def test_atoms_at_one_place_do_not_meet_unless_smooth() -> None:
    z, apart = torch.tensor([6, 1]), 10 * torch.eye(2, 3).double()
    for smooth in (False, True):
        model = build(smooth=smooth, head="node")
        alone, met = model(z, apart), model(z, 0 * apart)
        assert torch.equal(alone, met) != smooth


def test_what_is_smooth() -> None:
    assert not build().is_smooth
    assert build(smooth=True).is_smooth
    assert build(num_layers=2).num_hops == 3
