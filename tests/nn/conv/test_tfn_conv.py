"""The convolution of tensor field networks: any irreps, both parities."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn.conv import TFNConv
from pyg_equivariant.nn.mlp import RadialMLP
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, random_irreps

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])


def build(*args, **kwargs) -> TFNConv:
    """A layer some of whose outputs may be out of reach."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TFNConv(*args, **kwargs)


def test_says_what_it_is() -> None:
    conv = TFNConv("4x0e+2x1o", "0e+1o", "3x0e+1x1o", 5)
    assert str(conv) == (
        "TFNConv(4x0e+2x1o -> 3x0e+1x1o, irreps_sh=1x0e+1x1o, edge_dim=5)"
    )
    assert conv.tp.product.weight_numel == 4 + 2 + 4 + 2


@pytest.mark.parametrize("seed", range(12))
def test_commutes_with_e3_for_random_irreps(
    randomize, on_edges, graphs: dict[str, Data], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps_in = random_irreps(generator, lmax=4, empty=False)
    irreps_out = random_irreps(generator, lmax=4, empty=False) + irreps_in[:1]
    lmax = int(torch.randint(5, (), generator=generator))
    depth = int(torch.randint(3, (), generator=generator))
    conv = randomize(
        build(
            irreps_in,
            Irreps.spherical_harmonics(lmax),
            irreps_out,
            5,
            radial_channels=(6,) * depth,
            self_interaction=bool(seed % 2),
            avg_num_neighbors=3.7,
            aggr=("add", "mean")[seed % 3 == 0],
        )
    )
    data = graphs[("asymmetric", "coincident", "two_molecules")[seed % 3]]
    x = irreps_in.randn(len(data.pos), -1, dtype=torch.float64, generator=generator)

    def radial(length: torch.Tensor) -> torch.Tensor:
        return torch.stack([(-k * length).exp() for k in range(5)], dim=-1)

    assert_equivariant(
        lambda x, pos: on_edges(conv, radial)(x, pos, data.edge_index),
        [irreps_in, "pos"],
        irreps_out,
        [x, data.pos],
        generator=generator,
    )


def test_is_the_formula_of_the_paper(randomize) -> None:
    """Every path weighted by the distance, summed, mixed with the node itself."""
    conv = randomize(
        TFNConv("4x0e+2x1o", "0e+1o", "3x0e+2x1o", 5, avg_num_neighbors=2.5)
    )
    x = conv.irreps_in.randn(5, -1, dtype=torch.float64)
    sh = conv.irreps_sh.randn(6, -1, dtype=torch.float64)
    edge_attr = torch.rand(6, 5, dtype=torch.float64)
    total = torch.zeros(5, conv.tp.irreps_out.dim, dtype=torch.float64)
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        total[i] += conv.tp(x[j], sh[e], conv.radial(edge_attr[e]))
    expected = conv.mix(torch.cat([total / math.sqrt(2.5), x], dim=-1))
    out = conv(x, EDGE_INDEX, sh, edge_attr)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


def test_messages_vanish_where_radial_features_do(randomize) -> None:
    conv = randomize(TFNConv("4x0e+2x1o", "0e+1o", "3x0e+2x1o", 5, (6, 6)))
    x = conv.irreps_in.randn(5, -1, dtype=torch.float64)
    sh = conv.irreps_sh.randn(6, -1, dtype=torch.float64)
    nothing = conv(x, EDGE_INDEX, sh, torch.zeros(6, 5, dtype=torch.float64))
    alone = conv(x, EDGE_INDEX[:, :0], sh[:0], torch.zeros(0, 5, dtype=torch.float64))
    assert torch.equal(nothing, alone)


def test_path_weights_may_be_given(randomize) -> None:
    conv = randomize(TFNConv("4x0e+2x1o", "0e+1o", "3x0e+2x1o", 5))
    given = TFNConv("4x0e+2x1o", "0e+1o", "3x0e+2x1o", 12, radial=torch.nn.Identity())
    given.double().mix.load_state_dict(conv.mix.state_dict())
    x = conv.irreps_in.randn(5, -1, dtype=torch.float64)
    sh = conv.irreps_sh.randn(6, -1, dtype=torch.float64)
    edge_attr = torch.rand(6, 5, dtype=torch.float64)
    weight = conv.radial(edge_attr)
    assert isinstance(conv.radial, RadialMLP)
    torch.testing.assert_close(
        given(x, EDGE_INDEX, sh, weight),
        conv(x, EDGE_INDEX, sh, edge_attr),
        rtol=1e-13,
        atol=1e-13,
    )
    with pytest.raises(ValueError, match="12"):
        given(x, EDGE_INDEX, sh, weight[:, :-1])


def test_targets_need_features_for_self_interaction_only(randomize) -> None:
    x = torch.randn(5, 4, dtype=torch.float64)
    sh, edge_attr = torch.randn(6, 4).double(), torch.rand(6, 5).double()
    conv = TFNConv("4x0e", "0e+1o", "3x0e+2x1o", 5, self_interaction=False).double()
    out = conv((x, None), EDGE_INDEX % 3, sh, edge_attr, size=(5, 3))
    assert out.shape == (3, 9)
    conv = TFNConv("4x0e", "0e+1o", "3x0e+2x1o", 5).double()
    with pytest.raises(ValueError, match="self-interaction"):
        conv((x, None), EDGE_INDEX % 3, sh, edge_attr, size=(5, 3))


def test_keeps_the_scale_of_features(generator: torch.Generator) -> None:
    """At the start: components of mean square 1 stay so, whatever the depth."""
    irreps = Irreps("32x0e+32x1o+32x2e")
    conv = TFNConv(irreps, "0e+1o+2e", irreps, 16, (32, 32), avg_num_neighbors=8.0)
    edge_index = torch.randint(64, (2, 512), generator=generator)
    x = irreps.randn(64, -1, generator=generator)
    sh = conv.irreps_sh.randn(512, -1, generator=generator)
    edge_attr = torch.randn(512, 16, generator=generator)
    out = conv(x, edge_index, sh, edge_attr).detach()
    for part in irreps.slices():
        assert 0.5 < float(out[:, part].square().mean()) < 2


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_number_of_neighbors_is_positive(value: float) -> None:
    with pytest.raises(ValueError, match="avg_num_neighbors"):
        TFNConv("4x0e", "0e", "4x0e", 5, avg_num_neighbors=value)


def test_harmonics_of_another_size_are_named(randomize) -> None:
    conv = TFNConv("4x0e", "0e+1o", "4x0e", 5).double()
    with pytest.raises(ValueError, match=r"edge_sh .*1x0e\+1x1o"):
        conv(
            torch.randn(5, 4).double(),
            EDGE_INDEX,
            torch.randn(6, 9).double(),
            torch.randn(6, 5).double(),
        )


def test_weights_may_be_computed_once_for_edges_that_share_them() -> None:
    conv = TFNConv("4x0e+2x1o", "0e+1o", "3x0e+2x1o", edge_dim=3).double()
    x, edge_sh = torch.randn(3, 10).double(), torch.randn(4, 4).double()
    attr, pair = torch.rand(2, 3).double(), torch.tensor([1, 1, 0, 0])
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    expected = conv(x, edge_index, edge_sh, attr[pair])
    for fuse in (True, False):
        conv.fuse = fuse
        found = conv.interact(x, edge_index, edge_sh, conv.radial(attr)[pair])
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
