"""Equivariant attention: what no other layer has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.utils import softmax

from pyg_equivariant.nn import EdgeEmbedding, PolynomialCutoff, SE3TransformerConv

IRREPS, SH = "4x0e+2x1e", "0e+1e+2e"


def build(randomize: Any, **options: Any) -> SE3TransformerConv:
    options = {"radial_channels": 6, **options}
    conv: SE3TransformerConv = randomize(
        SE3TransformerConv(IRREPS, SH, "4x0e+4x1e+2x2e", 1, **options)
    )
    return conv


def edges_at(
    pos: Tensor, edge_index: Tensor | None = None, smooth: bool = False
) -> Any:
    envelope = PolynomialCutoff(2.0) if smooth else None
    embed = EdgeEmbedding(2.0 if smooth else None, None, envelope, SH).double()
    edges = embed(pos, edge_index=edge_index)
    return edges._replace(radial=edges.edge_length.unsqueeze(-1))


def test_is_written_as_in_the_paper(randomize: Any) -> None:
    """Values, keys and queries in a loop over nodes and heads."""
    conv, heads = build(randomize, num_heads=2, div=1, skip=None), 2
    pos, x = torch.randn(5, 3).double(), conv.irreps_in.randn(5, -1).double()
    edge_index = torch.tensor([[0, 1, 2, 3, 4, 1], [1, 0, 0, 0, 1, 3]])
    edges, (source, target) = edges_at(pos, edge_index), edge_index
    out = conv.irreps_value.split(conv.on_edges(x, edges))
    kernels = conv.product(x[source], edges.edge_sh, edges.edge_attr)
    sizes = [conv.irreps_value.dim, conv.irreps_key.dim]
    value, key = kernels.split(sizes, dim=-1)
    values = conv.irreps_value.split(value)
    keys, queries = conv.irreps_key.split(key), conv.irreps_key.split(conv.query(x))
    assert str(conv.irreps_key) == "4x0e+4x1e"
    for i in range(5):
        arriving = [e for e in range(6) if target[e] == i]
        for h in range(heads):
            logits = [
                sum(
                    (k[e].chunk(heads, -1)[h] * q[i].chunk(heads, -1)[h]).sum()
                    for k, q in zip(keys, queries, strict=True)
                )
                / conv.irreps_key.dim**0.5
                for e in arriving
            ]
            alpha = torch.stack(logits).softmax(0) if logits else []
            for v, found in zip(values, out, strict=True):
                expected = torch.zeros_like(found[i].chunk(heads, -1)[h])
                for a, e in zip(alpha, arriving, strict=True):
                    expected = expected + a * v[e].chunk(heads, -1)[h]
                torch.testing.assert_close(found[i].chunk(heads, -1)[h], expected)


def test_attention_is_pygs_softmax_and_sums_to_one(randomize: Any) -> None:
    conv = build(randomize, num_heads=2, div=2 / 2)
    pos, x = torch.randn(5, 3).double(), conv.irreps_in.randn(5, -1).double()
    edges = edges_at(pos)
    source, target = edges.edge_index
    q = conv.query(x)[target]
    given = edges.edge_sh, edges.edge_attr, None, None
    found = conv.attend(x[source], q, *given, target, 5)
    expected = softmax(found.logits, target, num_nodes=5)
    torch.testing.assert_close(found.alpha, expected)
    total = torch.zeros(5, 2).double().index_add(0, target, found.alpha)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_an_envelope_weighs_the_softmax(randomize: Any) -> None:
    conv = build(randomize)
    x = conv.irreps_in.randn(3, -1).double()

    def at(distance: float, smooth: bool = True) -> Tensor:
        points = [[0.0, 0, 0], [0, 0, distance], [0.9, 0.4, 0.0]]
        pos = torch.tensor(points, dtype=torch.float64)
        return conv.on_edges(x, edges_at(pos, smooth=smooth))

    inside, outside = at(2 - 1e-4), at(2 + 1e-4)
    torch.testing.assert_close(inside, outside, rtol=0, atol=1e-6)
    assert not torch.allclose(at(1.0), outside)
    # far inside the envelope is nearly one
    close = 0.2 * torch.randn(3, 3).double()
    with_, without = (conv.on_edges(x, edges_at(close, None, s)) for s in (True, False))
    torch.testing.assert_close(with_, without, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("x_ij", ["cat", "add"])
def test_relative_positions_enter_values_and_keys(randomize: Any, x_ij: str) -> None:
    conv = build(randomize, x_ij=x_ij)
    channels = {"cat": "4x0e+3x1e", "add": "4x0e+2x1e"}[x_ij]
    assert str(conv.product.irreps_in) == channels
    vec, features = torch.tensor([[1.0, 2.0, 3.0]]), torch.zeros(1, 10)
    (_, vectors) = conv.product.irreps_in.split(conv.relative(features, vec))
    column = {"cat": 2, "add": 0}[x_ij]
    assert torch.equal(vectors[0, :, column], -vec[0])
    assert vectors.count_nonzero() == 3
    with pytest.raises(ValueError, match="edge_vec is missing"):
        conv(
            features.double(),
            torch.tensor([[0], [0]]),
            *(torch.ones(1, n).double() for n in (9, 1)),
        )


def test_one_vector_stays_where_there_is_nothing_to_tell_it_from() -> None:
    conv = SE3TransformerConv("4x0e+1x1e", SH, "2x0e+2x1e", 1, x_ij="add")
    x = torch.randn(1, 7)
    assert torch.equal(conv.relative(x, torch.ones(1, 3)), x)
    conv = SE3TransformerConv("4x0e", "0e+1o", "2x0e+2x1o", 1, x_ij="cat")
    assert str(conv.product.irreps_in) == "4x0e+1x1o"


def test_sums_fill_up_with_zeros(randomize: Any) -> None:
    conv = build(randomize, skip="sum")
    x = conv.irreps_in.randn(2, -1).double()
    out = conv(
        x, torch.zeros(2, 0).long(), *(torch.zeros(0, n).double() for n in (9, 1))
    )
    assert torch.equal(out[:, :4], x[:, :4])
    _, vectors, rest = conv.irreps_out.split(out)
    assert torch.equal(vectors[..., :2], conv.irreps_in.split(x)[1])
    assert not vectors[..., 2:].any()
    assert not rest.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": "add"}, "'cat', 'sum' or None, got 'add'"),
        ({"self_interaction": "1x1"}, "'linear' or 'attentive', got '1x1'"),
        ({"self_interaction": "attentive", "skip": None}, "goes with skip='cat'"),
        ({"x_ij": "mul"}, "'cat', 'add' or None, got 'mul'"),
        ({"num_heads": 3}, "num_heads=3 takes as many copies of every irrep"),
        ({"div": 3}, "got 1x0e.0x1e from 4x0e.2x1e with div=3"),
        ({"irreps_in": "2x2e"}, "but there are none in 2x2e and 4x0e.2x1e"),
        ({"irreps_in": "5x0e", "skip": "sum"}, "which has too few 0e"),
        ({"irreps_sh": "0e", "x_ij": "cat"}, "needs harmonics of degree 1"),
    ],
)
def test_options_are_refused(options: dict[str, Any], message: str) -> None:
    given = {"irreps_in": "3x0e", "irreps_sh": "0e+1e", "irreps_out": IRREPS, **options}
    with pytest.raises(ValueError, match=message):
        SE3TransformerConv(edge_dim=1, **given)
