"""The non-linear steerable layer, and the ablations it contains."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn.conv import SEGNNConv
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, random_irreps

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])
IRREPS = "4x0e+3x1o"


def inputs(conv: SEGNNConv) -> tuple[torch.Tensor, ...]:
    draw = {"dtype": torch.float64}
    return (
        conv.irreps_in.randn(5, -1, **draw),
        EDGE_INDEX,
        conv.irreps_sh.randn(6, -1, **draw),
        conv.irreps_sh.randn(5, -1, **draw),
        torch.rand(6, conv.edge_dim, **draw),
    )


def build(*args: Any, **kwargs: Any) -> SEGNNConv:
    """A layer some of whose outputs may be out of reach."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SEGNNConv(*args, **kwargs)


def test_says_what_it_is() -> None:
    assert str(SEGNNConv(IRREPS, "0e+1o", IRREPS, edge_dim=2)) == (
        "SEGNNConv(4x0e+3x1o -> 4x0e+3x1o, irreps_sh=1x0e+1x1o, "
        "irreps_hidden=4x0e+3x1o, edge_dim=2)"
    )


@pytest.mark.parametrize("seed", range(12))
def test_commutes_with_e3_for_random_irreps(
    randomize, on_edges, graphs: dict[str, Data], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def below(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    irreps_in = random_irreps(generator, lmax=4, empty=False)
    hidden = random_irreps(generator, lmax=3, empty=False)
    layers = below(4)
    gate = ("message", "aggregate")[below(2)]
    irreps_out = random_irreps(generator, lmax=4, empty=False) if layers else hidden
    conv = randomize(
        build(
            irreps_in,
            Irreps.spherical_harmonics(below(5)),
            irreps_out,
            hidden,
            edge_dim=2,
            num_message_layers=1 + below(3),
            num_update_layers=layers,
            gate=gate,
            aggr=("add", "mean")[below(2)],
        )
    )
    data = graphs[("asymmetric", "coincident", "two_molecules")[seed % 3]]
    x = irreps_in.randn(len(data.pos), -1, dtype=torch.float64, generator=generator)

    def radial(length: torch.Tensor) -> torch.Tensor:
        return torch.stack([length, (-length).exp()], dim=-1)

    assert_equivariant(
        lambda x, pos: on_edges(conv, radial)(x, pos, data.edge_index),
        [irreps_in, "pos"],
        irreps_out,
        [x, data.pos],
        generator=generator,
    )


@pytest.mark.parametrize("gate", ["message", "aggregate"])
@pytest.mark.parametrize("update", [0, 2])
def test_is_the_formula_of_the_paper(randomize, gate: str, update: int) -> None:
    conv = randomize(
        SEGNNConv(
            IRREPS, "0e+1o", IRREPS, edge_dim=2, num_update_layers=update, gate=gate
        )
    )
    x, _, sh, attr, edge_attr = inputs(conv)
    messages = conv.phi_m.irreps_out.dim
    total = torch.zeros(5, messages, dtype=torch.float64)
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        total[i] += conv.phi_m(torch.cat([x[i], x[j], edge_attr[e]]), sh[e])
    if gate == "aggregate":
        total = conv.act(total)
    if update:
        total = conv.phi_x(torch.cat([x, total], dim=-1), attr)
    out = conv(x, EDGE_INDEX, sh, attr, edge_attr)
    torch.testing.assert_close(out, x + total, rtol=1e-12, atol=1e-12)


def test_the_linear_ablation_is_linear_in_the_messages(randomize) -> None:
    """SE (linear): one steerable layer, no gate before the sum."""
    conv = randomize(
        SEGNNConv(
            IRREPS,
            "0e+1o",
            IRREPS,
            edge_dim=2,
            num_message_layers=1,
            num_update_layers=0,
            gate="aggregate",
        )
    )
    assert conv.phi_x is None
    assert [type(m).__name__ for m in conv.phi_m.linears] == ["SteerableLinear"]
    assert len(conv.phi_m.acts) == 0
    x, _, sh, _, edge_attr = inputs(conv)

    def message(x: torch.Tensor, edge_attr: torch.Tensor) -> torch.Tensor:
        return conv.message(x[EDGE_INDEX[1]], x[EDGE_INDEX[0]], sh, edge_attr, None)

    a, b = message(x, edge_attr), message(2 * x, 2 * edge_attr)
    zero = message(0 * x, 0 * edge_attr)
    torch.testing.assert_close(b - zero, 2 * (a - zero), rtol=1e-12, atol=1e-12)


def test_an_envelope_takes_edges_away(randomize) -> None:
    conv = randomize(SEGNNConv(IRREPS, "0e+1o", IRREPS, edge_dim=2))
    x, _, sh, attr, edge_attr = inputs(conv)
    keep = torch.tensor([1, 0, 1, 0, 1, 1]).bool()
    found = conv(x, EDGE_INDEX, sh, attr, edge_attr, edge_weight=keep.double())
    expected = conv(x, EDGE_INDEX[:, keep], sh[keep], attr, edge_attr[keep])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    whole = conv(x, EDGE_INDEX, sh, attr, edge_attr)
    assert not torch.allclose(found, whole)


def test_an_isolated_node_gets_no_message(randomize) -> None:
    conv = randomize(SEGNNConv(IRREPS, "0e+1o", IRREPS, num_update_layers=0))
    x, _, sh, _, _ = inputs(conv)
    out = conv(x, EDGE_INDEX[:, :1], sh[:1])
    assert torch.equal(out[[0, 2, 3, 4]], x[[0, 2, 3, 4]])
    assert not torch.allclose(out[1], x[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gate": "both"}, "'message' or 'aggregate'"),
        ({"irreps_out": "2x0e", "residual": True}, "residual=False"),
        (
            {"irreps_out": "2x0e", "irreps_hidden": IRREPS, "num_update_layers": 0},
            "irreps_hidden",
        ),
        ({"num_message_layers": 0}, "at least one layer"),
        ({"aggr": "max"}, "equivariance"),
    ],
)
def test_options_that_contradict_are_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SEGNNConv(
            **{
                "irreps_in": IRREPS,
                "irreps_sh": "0e+1o",
                "irreps_out": IRREPS,
                **arguments,
            }
        )


def test_missing_attributes_are_named(randomize) -> None:
    conv = randomize(SEGNNConv(IRREPS, "0e+1o", IRREPS, edge_dim=2))
    x, _, sh, attr, edge_attr = inputs(conv)
    with pytest.raises(ValueError, match="steered by attributes"):
        conv(x, EDGE_INDEX, sh, None, edge_attr)
    with pytest.raises(ValueError, match="edge_attr is missing"):
        conv(x, EDGE_INDEX, sh, attr)
    with pytest.raises(ValueError, match="edge_weight"):
        conv(x, EDGE_INDEX, sh, attr, edge_attr, edge_attr)


def test_nodes_may_have_attributes_of_other_irreps_than_edges(randomize) -> None:
    irreps = Irreps("0e+1o+2x1e")
    conv = randomize(SEGNNConv(IRREPS, "0e+1o", IRREPS, irreps_node_attr=irreps))
    draw = {"dtype": torch.float64}
    x, edge_sh = (
        conv.irreps_in.randn(5, -1, **draw),
        conv.irreps_sh.randn(6, -1, **draw),
    )
    attr = irreps.randn(5, -1, **draw)

    def call(x: torch.Tensor, sh: torch.Tensor, attr: torch.Tensor) -> torch.Tensor:
        return conv(x, EDGE_INDEX, sh, attr)

    given = [conv.irreps_in, conv.irreps_sh, irreps]
    assert_equivariant(call, given, conv.irreps_out, [x, edge_sh, attr])
    other = torch.cat([attr[:, :4], -attr[:, 4:]], dim=1)
    assert not torch.allclose(call(x, edge_sh, attr), call(x, edge_sh, other))
    with pytest.raises(ValueError, match=r"node_attr holds features of .*2x1e"):
        call(x, edge_sh, attr[:, :4])
    plain = SEGNNConv(IRREPS, "0e+1o", IRREPS)
    assert plain.irreps_node_attr == plain.irreps_sh
