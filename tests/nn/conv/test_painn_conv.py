"""PaiNN's interaction and mixing against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import (
    BesselBasis,
    CosineCutoff,
    EdgeEmbedding,
    spherical_harmonics,
)
from pyg_equivariant.nn.conv import PaiNNConv
from pyg_equivariant.nn.tensor_product import TensorProduct
from pyg_equivariant.o3 import Path, safe_normalize
from pyg_equivariant.o3 import TensorProductPaths as Product
from pyg_equivariant.testing import assert_equivariant

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])


def inputs(channels: int, edge_dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = {"dtype": torch.float64}
    x, vec = torch.randn(5, channels, **draw), torch.randn(5, 3, channels, **draw)
    return x, vec, torch.randn(6, 3, **draw), torch.rand(6, edge_dim, **draw)


def test_says_what_it_is() -> None:
    conv = PaiNNConv(8, 5, cutoff=3.0)
    assert str(conv) == "PaiNNConv(8, edge_dim=5, cutoff=3.0)"
    phi, filters, mix, a = 72 + 9 * 24, 6 * 24, 2 * 64, 17 * 8 + 9 * 24
    assert sum(p.numel() for p in conv.parameters()) == phi + filters + mix + a


def test_is_the_formula_of_the_paper(randomize) -> None:
    conv = randomize(PaiNNConv(8, 5, cutoff=3.0))
    x, vec, edge_vec, edge_attr = inputs(8, 5)
    phi = conv.phi(x)
    s, v = x.clone(), vec.clone()
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        r = float(edge_vec[e].norm())
        f = 0.5 * (1 + math.cos(math.pi * r / 3.0)) if r < 3.0 else 0.0
        w = (conv.filter.weight @ edge_attr[e] + conv.filter.bias) * f
        w_s, w_vs, w_vv = w.split(8)
        phi_s, phi_vs, phi_vv = phi[j].split(8)
        s[i] += phi_s * w_s
        v[i] += phi_vs * w_vs * edge_vec[e].unsqueeze(-1) / r + vec[j] * phi_vv * w_vv
    big_v, big_u = (v @ conv.mix.weight.T).split(8, dim=-1)
    length = (big_v.square().sum(1) + conv.eps).sqrt()
    a_ss, a_vv, a_sv = conv.a(torch.cat([s, length], dim=-1)).split(8, dim=-1)
    s = s + a_ss + a_sv * (big_u * big_v).sum(1)
    v = v + a_vv.unsqueeze(1) * big_u
    out = conv(x, vec, EDGE_INDEX, edge_vec, edge_attr)
    torch.testing.assert_close(out, (s, v), rtol=1e-12, atol=1e-12)


def test_interaction_is_three_paths_of_a_tensor_product(randomize) -> None:
    """0x0->0, 0x1->1 and 1x0->1, with path weights phi(s_j) W(r)."""
    conv = randomize(PaiNNConv(8, 5, cutoff=3.0))
    x, vec, edge_vec, edge_attr = inputs(8, 5)
    w = conv.filter(edge_attr) * conv.envelope(edge_vec.norm(dim=-1)).unsqueeze(-1)
    found = conv.interact(x, vec, EDGE_INDEX, safe_normalize(edge_vec), w)

    paths = [Path(0, 0, 0, "uvu"), Path(0, 1, 1, "uvu"), Path(1, 0, 1, "uvu")]
    product = Product(
        "8x0e+8x1o", "0e+1o", "8x0e+8x1o", paths, path_normalization="none"
    )
    assert product.weight_numel == w.shape[-1]
    tp = TensorProduct(product, internal_weights=False).double()
    # harmonics of unit length: with "component" the path 0x1->1 holds a root of 3
    sh = spherical_harmonics("0e+1o", edge_vec, normalization="norm")
    ones_and_vec = torch.cat([torch.ones_like(x), vec.flatten(1)], dim=-1)
    weight = conv.phi(x)[EDGE_INDEX[0]] * w
    message = tp(ones_and_vec[EDGE_INDEX[0]], sh, weight)
    total = torch.zeros(5, 32, dtype=torch.float64)
    total = total.index_add(0, EDGE_INDEX[1], message)
    expected = x + total[:, :8], vec + total[:, 8:].unflatten(-1, (3, 8))
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("channels", "edge_dim"), [(1, 1), (2, 7), (13, 3)])
def test_commutes_with_o3_at_any_width(randomize, channels: int, edge_dim: int) -> None:
    conv = randomize(PaiNNConv(channels, edge_dim, cutoff=3.0))
    x, vec, edge_vec, edge_attr = inputs(channels, edge_dim)
    assert_equivariant(
        lambda x, v, r: conv(x, v, EDGE_INDEX, r, edge_attr),
        [None, "cartesian", "1o"],
        [None, "cartesian"],
        [x, vec, edge_vec],
    )


def test_starts_without_vectors(randomize) -> None:
    """The paper's first layer: zero vectors, whose length has finite derivatives."""
    conv = randomize(PaiNNConv(8, 5, cutoff=3.0))
    x, vec, edge_vec, edge_attr = inputs(8, 5)
    vec = torch.zeros_like(vec).requires_grad_()
    out = conv(x, vec, EDGE_INDEX[:, :0], edge_vec[:0], edge_attr[:0])
    (first,) = torch.autograd.grad(
        sum(o.square().sum() for o in out), vec, create_graph=True
    )
    second = torch.autograd.grad(
        first.square().sum(), [*conv.parameters()], allow_unused=True
    )
    assert float(out[1].detach().abs().max()) == 0
    assert all(g.isfinite().all() for g in (first, *second) if g is not None)


@pytest.mark.parametrize("cutoff", [None, 3.0])
def test_the_envelope_of_edges_stands_in_for_its_own(
    randomize, cutoff: float | None
) -> None:
    conv = randomize(PaiNNConv(8, 5, cutoff=cutoff))
    embed = EdgeEmbedding(3.0, BesselBasis(5, 3.0), CosineCutoff(3.0)).double()
    edges = embed(torch.randn(4, 3, dtype=torch.float64))
    x, vec, _, _ = inputs(8, 5)
    f = 0.5 * (1 + torch.cos(math.pi * edges.edge_vec.norm(dim=-1) / 3.0))
    given = edges.edge_index, edges.edge_vec, edges.edge_attr
    expected = conv(x[:4], vec[:4], *given, None if cutoff else f)
    found = conv.on_edges(torch.cat([x, vec.flatten(1)], dim=1)[:4], edges)
    joined = torch.cat([expected[0], expected[1].flatten(1)], dim=1)
    torch.testing.assert_close(found, joined, rtol=1e-12, atol=1e-12)


def test_joins_messages_by_their_mean_but_not_by_their_maximum(randomize) -> None:
    conv = randomize(PaiNNConv(8, 5, aggr="mean"))
    x, vec, edge_vec, edge_attr = inputs(8, 5)
    w = conv.filter(edge_attr)
    edge_dir = safe_normalize(edge_vec)
    mean, _ = conv.interact(x, vec, EDGE_INDEX, edge_dir, w)
    messages = (conv.phi(x)[EDGE_INDEX[0]] * w)[:, :8]
    expected = x[1] + messages[EDGE_INDEX[1] == 1].mean(0)
    torch.testing.assert_close(mean[1], expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"'max'.*equivariance"):
        PaiNNConv(8, 5, aggr="max")
