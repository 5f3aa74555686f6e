"""SchNet's continuous-filter convolution against its formula."""

from __future__ import annotations

import math

import pytest
import torch

from pyg_equivariant.nn import spherical_harmonics
from pyg_equivariant.nn.conv import SchNetConv, TFNConv
from pyg_equivariant.nn.tensor_product import TensorProduct
from pyg_equivariant.o3 import TensorProductPaths as Product

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])


def inputs(conv: SchNetConv) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.randn(5, conv.in_channels, dtype=torch.float64)
    edge_length = torch.rand(6, dtype=torch.float64) * 5
    return x, edge_length, torch.rand(6, conv.edge_dim, dtype=torch.float64)


def test_says_what_it_is() -> None:
    conv = SchNetConv(8, 6, 7, 5, cutoff=3.0)
    assert str(conv) == "SchNetConv(8, 6, num_filters=7, edge_dim=5, cutoff=3.0)"
    assert sum(p.numel() for p in conv.parameters()) == 8 * 7 + 7 * 6 + 6 + 6 * 7 + 56


def test_is_the_formula_of_the_paper(randomize) -> None:
    conv = randomize(SchNetConv(8, 6, 7, 5, cutoff=3.0))
    x, edge_length, edge_attr = inputs(conv)
    out = conv(x, EDGE_INDEX, edge_length, edge_attr)
    expected = torch.zeros(5, 7, dtype=torch.float64)
    first, last = conv.filter.linears
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        hidden = edge_attr[e] @ first.weight.T + first.bias
        hidden = torch.log(0.5 * hidden.exp() + 0.5)
        r = float(edge_length[e])
        f = 0.5 * (1 + math.cos(math.pi * r / 3.0)) if r < 3.0 else 0.0
        w = (hidden @ last.weight.T + last.bias) * f
        expected[i] += (conv.lin1.weight @ x[j]) * w
    expected = expected @ conv.lin2.weight.T + conv.lin2.bias
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


def test_message_is_the_path_0x0_to_0(randomize) -> None:
    """The lowest rung: a tensor product with one path, and the whole layer as a TFN."""
    conv = randomize(SchNetConv(8, 6, 7, 5, cutoff=3.0))
    x, edge_length, edge_attr = inputs(conv)
    sh = spherical_harmonics("0e", torch.randn(6, 3, dtype=torch.float64))
    weight = conv.filter(edge_attr) * conv.envelope(edge_length).unsqueeze(-1)
    x_j = conv.lin1(x)[EDGE_INDEX[0]]
    product = Product.depthwise("7x0e", "0e")
    assert [path.connection for path in product.paths] == ["uvu"]
    tp = TensorProduct(product, internal_weights=False).double()
    torch.testing.assert_close(
        conv.message(x_j, weight, None), tp(x_j, sh, weight), rtol=0, atol=1e-14
    )

    tfn = TFNConv(
        "7x0e", "0e", "6x0e", 7, self_interaction=False, radial=torch.nn.Identity()
    ).double()
    with torch.no_grad():  # Linear divides by the root of its 7 channels
        tfn.mix.weight.copy_((conv.lin2.weight.T * math.sqrt(7)).flatten())
        tfn.mix.bias.copy_(conv.lin2.bias)
    torch.testing.assert_close(
        conv(x, EDGE_INDEX, edge_length, edge_attr),
        tfn(conv.lin1(x), EDGE_INDEX, sh, weight),
        rtol=1e-13,
        atol=1e-13,
    )


def test_nothing_comes_from_beyond_the_cutoff(randomize) -> None:
    conv = randomize(SchNetConv(8, 6, 7, 5, cutoff=3.0))
    x, _, edge_attr = inputs(conv)
    alone = conv(x, EDGE_INDEX[:, :0], edge_attr.new_zeros(0), edge_attr[:0])
    at = torch.full((6,), 3.0, dtype=torch.float64)
    for length in (at, 1.7 * at):
        assert torch.equal(conv(x, EDGE_INDEX, length, edge_attr), alone)
    near = conv(x, EDGE_INDEX, at - 1e-6, edge_attr)
    assert 0 < float((near - alone).detach().abs().max()) < 1e-10
    endless = SchNetConv(8, 6, 7, 5).double()
    endless.load_state_dict(conv.state_dict())
    assert not torch.allclose(endless(x, EDGE_INDEX, 1.7 * at, edge_attr), alone)


def test_sources_alone_are_read_of_a_pair(randomize) -> None:
    conv = randomize(SchNetConv(8, 6, 7, 5))
    x, edge_length, edge_attr = inputs(conv)
    edge_index = EDGE_INDEX.clone()
    edge_index[1] = edge_index[1] % 3
    other = torch.randn(3, 2, dtype=torch.float64)
    out = conv((x, other), edge_index, edge_length, edge_attr)
    assert out.shape == (3, 6)
    sized = conv((x, None), edge_index, edge_length, edge_attr, size=(5, 3))
    assert torch.equal(out, sized)


@pytest.mark.parametrize("aggr", ["mean", "max"])
def test_messages_may_be_joined_otherwise(randomize, aggr: str) -> None:
    conv = randomize(SchNetConv(8, 6, 7, 5, aggr=aggr))
    x, edge_length, edge_attr = inputs(conv)
    out = conv(x, EDGE_INDEX, edge_length, edge_attr)
    messages = conv.lin1(x)[EDGE_INDEX[0]] * conv.filter(edge_attr)
    at_one = messages[EDGE_INDEX[1] == 1]
    joined = at_one.mean(0) if aggr == "mean" else at_one.amax(0)
    torch.testing.assert_close(out[1], conv.lin2(joined), rtol=1e-12, atol=1e-12)


def test_lengths_are_one_number_for_each_edge(randomize) -> None:
    conv = randomize(SchNetConv(8, 6, 7, 5, cutoff=3.0))
    x, edge_length, edge_attr = inputs(conv)
    with pytest.raises(ValueError, match=r"edge_length .*\(6, 1\)"):
        conv(x, EDGE_INDEX, edge_length.unsqueeze(-1), edge_attr)


def test_filters_may_be_computed_once_for_edges_that_share_them() -> None:
    conv = SchNetConv(4, 5, num_filters=6, edge_dim=3, cutoff=2.0).double()
    x, length, attr = (torch.rand(*s).double() for s in ((3, 4), (2,), (2, 3)))
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    pair = torch.tensor([1, 1, 0, 0])
    expected = conv(x, edge_index, length[pair], attr[pair])
    for fuse in (True, False):
        conv.fuse = fuse
        w, f = conv.filters(length, attr)
        found = conv.interact(x, edge_index, w[pair], f[pair])
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
