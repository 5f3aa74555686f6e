"""Tensor field networks, and the networks that are among their configurations."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn import Gate, NormActivation
from pyg_equivariant.nn.models import TFN
from pyg_equivariant.testing import assert_equivariant


def test_says_what_it_is() -> None:
    assert str(TFN(4, 1, 2)) == (
        "TFN(4x0e+4x1o, num_layers=2, num_radial=8, cutoff=5.0)"
    )


@pytest.mark.parametrize("act", ["gate", "norm"])
@pytest.mark.parametrize("irreps", ["4x0e+2x0o+3x1o+2x1e+1x2e", "5x0e", "3x0e+2x3o"])
def test_commutes_with_o3_for_any_irreps(
    graphs: dict[str, Data], act: str, irreps: str
) -> None:
    data = graphs["two_molecules"]
    with warnings.catch_warnings():  # scalars alone do not reach 0o, 1e
        warnings.simplefilter("ignore")
        model = TFN(
            lmax=3, num_layers=3, irreps_hidden=irreps, act=act, cutoff=2.5
        ).double()
    assert_equivariant(
        lambda pos: model(data.z, pos, data.batch), "pos", [None], [data.pos]
    )


def test_has_either_non_linearity() -> None:
    assert all(isinstance(act, Gate) for act in TFN(4, 1, 2).acts)
    assert all(isinstance(act, NormActivation) for act in TFN(4, 1, 2, act="norm").acts)
    with pytest.raises(ValueError, match="'relu'"):
        TFN(4, act="relu")


def test_l1net_is_a_configuration(graphs: dict[str, Data]) -> None:
    """Degrees 0 and 1, gates, no self-interaction, a division by a root."""
    data = graphs["planar"]
    model = TFN(
        hidden_channels=8,
        lmax=1,
        num_layers=4,
        num_radial=50,
        cutoff=10.0,
        radial_channels=(16, 16),
        self_interaction=False,
        avg_num_neighbors=18.0,
        head="extensive",
    ).double()
    for conv in model.convs:
        assert conv.irreps_sh.lmax == 1
        assert conv.mix.irreps_in == conv.tp.irreps_out
        assert conv.avg_num_neighbors == 18.0
    assert model(data.z, data.pos).isfinite().all()
    own = TFN(8, 1, 1).double().convs[0]
    assert own.mix.irreps_in == own.tp.irreps_out + own.irreps_in


def test_atoms_enter_as_scalars() -> None:
    with pytest.raises(ValueError, match=r"scalars 0e, got irreps_hidden=4x1o"):
        TFN(irreps_hidden="4x1o")


def test_higher_degrees_tell_more_structures_apart() -> None:
    """A square and a regular tetrahedron of neighbors at the same distance.

    The mean direction is zero in both; of the second moments, l=2, only in one.
    """
    square = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    tetrahedron = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    shapes = [square.double(), tetrahedron.double() / 3**0.5]
    z = torch.tensor([6, 1, 1, 1, 1])
    spokes = torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0]])
    star = torch.cat([spokes, spokes.flip(0)], dim=1)
    for lmax, apart in ((1, False), (2, True)):
        model = TFN(8, lmax, 3, cutoff=3.0, head="node").double()
        out = [
            model(z, torch.cat([torch.zeros(1, 3), s]), edge_index=star)[0]
            for s in shapes
        ]
        assert torch.allclose(out[0], out[1], rtol=0, atol=1e-9) != apart
