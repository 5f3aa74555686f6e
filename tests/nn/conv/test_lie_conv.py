"""What only a convolution over a group has: balls, subsets, and its group."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from pyg_equivariant.graph import LiftedGraph, complete_graph, lift, neighbor_graph
from pyg_equivariant.nn import EdgeEmbedding, LieConv
from pyg_equivariant.o3 import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    rand_matrix,
    rand_quaternion,
)

SMALL: dict[str, Any] = {"kernel_channels": (6, 5)}


def pairs(pos: Tensor) -> tuple[Tensor, Tensor]:
    """All pairs of points, and their logarithms in T(3)."""
    edge_index = complete_graph(len(pos))
    return edge_index, pos[edge_index[1]] - pos[edge_index[0]]


def points(count: int = 6) -> tuple[Tensor, Tensor]:
    """Random features and positions."""
    x, pos = torch.randn(count, 4), torch.randn(count, 3)
    return x.double(), pos.double()


def lifted(pos: Tensor, q: Tensor) -> LiftedGraph:
    """Points in SE(3), in two graphs."""
    return lift(neighbor_graph(pos, None, torch.tensor([0, 0, 0, 1, 1])), q)


def test_says_what_it_is() -> None:
    conv = LieConv(4, 8, "SE(3)", edge_dim=2)
    assert str(conv) == "LieConv(4, 8, group=SE(3), edge_dim=2)"


@pytest.mark.parametrize("fuse", [True, False])
def test_rigid_motions_from_the_left_change_nothing(fuse: bool) -> None:
    conv = LieConv(4, 3, "SE(3)", fill=0.5, **SMALL).double().eval()
    conv.fuse = fuse
    x, pos, q = (
        torch.randn(10, 4).double(),
        points(5)[1],
        rand_quaternion(5, 2).double(),
    )
    pairs = lifted(pos, q)
    expected = conv(x, pairs.edge_index, pairs.logarithm)
    inside = conv.ball.distance(pairs.logarithm) < conv.ball.radius
    assert 0 < inside.sum() < len(inside)
    g = rand_matrix(dtype=torch.float64)
    turned = matrix_to_quaternion(g @ quaternion_to_matrix(q))
    moved = lifted(pos @ g.T - 2, turned)
    found = conv(x, moved.edge_index, moved.logarithm)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for others in (lifted(pos @ g.T, q), lifted(-pos, q)):
        found = conv(x, others.edge_index, others.logarithm)
        assert not torch.allclose(found, expected)


def test_derivatives_are_right_for_rigid_motions() -> None:
    conv = LieConv(2, 2, "SE(3)", **SMALL).double().eval()
    x = torch.randn(10, 2).double()
    pos, q = points(5)[1], rand_quaternion(5, 2).double()

    def function(pos: Tensor, q: Tensor) -> Tensor:
        pairs = lifted(pos, q)
        return conv(x, pairs.edge_index, pairs.logarithm)

    inputs = pos.requires_grad_(), q.requires_grad_()
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)
    together = function(torch.zeros(5, 3).double().requires_grad_(), q)
    first = torch.autograd.grad(together.sum(), q, create_graph=True)
    assert torch.autograd.grad(first[0].square().sum(), q)[0].isfinite().all()


def test_a_node_alone_is_its_own_neighbor() -> None:
    conv = LieConv(4, 3, batch_norm=False, **SMALL).double()
    x, none = points(2)[0], torch.zeros(2, 0, dtype=torch.long)
    k = conv.kernel(torch.zeros(0, 3).double(), None, torch.ones(2, 1).double())
    expected = conv.lin((k.unsqueeze(-1) * x.unsqueeze(1)).flatten(1))
    found = conv(x, none, torch.zeros(0, 3).double())
    torch.testing.assert_close(found, expected)


def test_the_envelope_counts_neighbors_in_part() -> None:
    conv = LieConv(4, 3, batch_norm=False, **SMALL).double()
    total = LieConv(4, 3, batch_norm=False, average=False, **SMALL).double()
    total.load_state_dict(conv.state_dict())
    x, pos = points()
    edge_index, a = pairs(pos)
    weight = torch.rand(len(a)).double()
    count = 1 + weight.new_zeros(6).index_add(0, edge_index[1], weight)
    found = conv(x, edge_index, a, weight)
    expected = total(x, edge_index, a, weight) / count.unsqueeze(-1)
    torch.testing.assert_close(found, expected)
    cut = conv(x, edge_index, a, torch.zeros(len(a)).double())
    alone = conv(x, edge_index[:, :0], a[:0])
    torch.testing.assert_close(cut, alone)


def test_balls_leave_out_what_is_beyond() -> None:
    conv = LieConv(4, 3, fill=0.5, **SMALL).double().eval()
    x, pos = points()
    edge_index, a = pairs(pos)
    length = a.norm(dim=-1)
    conv.ball.radius.fill_(0.2 * float(length.median()))
    near = length < length.median()
    assert 0 < near.sum() < len(near)
    found = conv(x, edge_index, a)
    torch.testing.assert_close(found, conv(x, edge_index[:, near], a[near]))


def test_a_matrix_of_adjacency_has_balls_too() -> None:
    conv = LieConv(4, 3, fill=0.5, **SMALL).double().eval()
    x, pos = points()
    edge_index, a = pairs(pos)
    conv.ball.radius.fill_(0.2 * float(a.norm(dim=-1).median()))
    ones = torch.ones(len(a), dtype=torch.float64)
    matrix = torch.sparse_coo_tensor(
        edge_index.flip(0), ones, (6, 6), check_invariants=True, is_coalesced=True
    )
    found = conv(x, matrix, a)
    torch.testing.assert_close(found, conv(x, edge_index, a))


def test_the_radius_follows_the_share_in_training_alone() -> None:
    conv = LieConv(4, 3, fill=0.5, **SMALL).double().eval()
    x, pos = points(40)
    edge_index, a = pairs(pos)
    conv(x, edge_index, a)
    assert float(conv.ball.radius) == 2.0
    conv.train()
    for _ in range(40):
        conv(x, edge_index, a)
    inside = 40 + (conv.ball.distance(a) < conv.ball.radius).sum()
    assert abs(float(inside) / 40**2 - 0.5) < 0.02
    kept = conv.state_dict()["ball.radius"]
    assert 0 < kept < 2
    conv.reset_parameters()
    assert float(conv.ball.radius) == 2.0


def _neighbors(conv: LieConv, x: Tensor, pos: Tensor, seed: int) -> Tensor:
    """Which nodes each reads, as ones in a matrix."""
    x = x.clone().requires_grad_()
    generator = torch.Generator().manual_seed(seed)
    out = conv(x, *pairs(pos), generator=generator)
    rows = [torch.autograd.grad(o.sum(), x, retain_graph=True)[0] for o in out]
    return torch.stack(rows).abs().sum(-1) > 0


def test_subsets_are_random_and_of_the_ball() -> None:
    options: dict[str, Any] = {"fill": 0.9, "nbhd": 3, "batch_norm": False}
    conv = LieConv(4, 3, **options, **SMALL).double()
    x, pos = points(8)
    inside = torch.cdist(pos, pos) < 3.0
    state = torch.get_rng_state()
    counts = torch.zeros(8, 8)
    for seed in range(200):
        conv.ball.radius.fill_(0.6)
        chosen = _neighbors(conv, x, pos, seed)
        assert (chosen.sum(1) == inside.sum(1).clamp(max=3)).all()
        assert inside[chosen].all()
        counts += chosen
    assert torch.equal(torch.get_rng_state(), state)
    share = (3 / inside.sum(1, keepdim=True)).clamp(max=1) * inside
    assert (counts / 200 - share).abs().max() < 0.15
    assert torch.equal(_neighbors(conv, x, pos, 0), _neighbors(conv, x, pos, 0))
    conv.ball.radius.fill_(0.6)
    assert torch.equal(_neighbors(conv.eval(), x, pos, 0), inside)
    always = LieConv(4, 3, **options, sample="always", **SMALL).double().eval()
    always.load_state_dict(conv.state_dict())
    assert (_neighbors(always, x, pos, 0).sum(1) <= 3).all()


def test_a_subset_of_all_is_all() -> None:
    conv = LieConv(4, 3, nbhd=6, **SMALL).double()
    whole = LieConv(4, 3, **SMALL).double()
    whole.load_state_dict(conv.state_dict())
    x, pos = points()
    torch.testing.assert_close(conv(x, *pairs(pos)), whole(x, *pairs(pos)))


def test_statistics_are_of_neighbors() -> None:
    """Pairs outside a ball do not count, nodes with themselves do."""
    conv = LieConv(4, 3, fill=0.5, **SMALL).double()
    x, pos = points()
    edge_index, a = pairs(pos)
    conv.ball.radius.fill_(0.3)
    near = a[a.norm(dim=-1) < 1.5]
    assert 0 < len(near) < len(a)
    rows = conv.linears[0](torch.cat([near, torch.zeros(6, 3).double()]))
    conv(x, edge_index, a)
    mean = conv.norms[0].running_mean
    torch.testing.assert_close(mean, 0.1 * rows.mean(0))


def test_compiles_whole_with_all_options() -> None:
    torch.compiler.reset()
    options: dict[str, Any] = {"fill": 0.37, "nbhd": 4}
    conv = LieConv(4, 3, "SE(3)", **options, **SMALL).double()
    plain = LieConv(4, 3, "SE(3)", fill=0.37, **SMALL).double()
    for network in (conv, plain):
        compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
        pairs = lifted(points(5)[1], rand_quaternion(5, 2).double())
        x = torch.randn(10, 4).double()
        out = compiled(x, pairs.edge_index, pairs.logarithm, None, 2)
        assert out.isfinite().all()
    assert float(conv.ball.radius) != 2.0
    plain.eval()
    expected = plain(x, pairs.edge_index, pairs.logarithm)
    compiled = torch.compile(plain, fullgraph=True, backend="aot_eager")
    found = compiled(x, pairs.edge_index, pairs.logarithm)
    torch.testing.assert_close(found, expected)


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match=r"group is one of T\(3\), SE\(3\), got 'SO"):
        LieConv(4, 3, "SO(3)")
    with pytest.raises(ValueError, match="sample is 'training' or 'always'"):
        LieConv(4, 3, sample="never")
    with pytest.raises(ValueError, match="fill is a positive number"):
        LieConv(4, 3, fill=0.0)
    with pytest.raises(ValueError, match="nbhd is a positive number"):
        LieConv(4, 3, nbhd=0)
    conv = LieConv(4, 3, "SE(3)").double()
    x, pos = points()
    with pytest.raises(ValueError, match="expected 6 numbers on the last dimension"):
        conv(x, *pairs(pos))
    edges = EdgeEmbedding(None)(pos)
    with pytest.raises(ValueError, match="acts on lifted points"):
        conv.on_edges(x, edges)
