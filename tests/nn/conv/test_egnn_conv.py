"""The layer of EGNN against its formula, with every option."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from pyg_equivariant.graph import edge_vectors
from pyg_equivariant.nn.conv import EGNNConv
from pyg_equivariant.testing import assert_equivariant

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])


def inputs(channels: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    draw = {"dtype": torch.float64}
    return (
        torch.randn(5, channels, **draw),
        torch.randn(5, 3, **draw),
        torch.rand(6, 2, **draw),
    )


def test_says_what_it_is() -> None:
    assert str(EGNNConv(8, 6, 8, edge_dim=2)) == "EGNNConv(8, 6, 8, edge_dim=2)"
    assert str(EGNNConv((8, 4), 6, 7)) == "EGNNConv((8, 4), 6, 7, edge_dim=0)"


OPTIONS = [
    dict(
        zip(
            ("attention", "tanh", "normalize", "clamp", "pos_aggr"), values, strict=True
        )
    )
    for values in product(
        (False, True), (False, True), (False, True), (None, 0.05), ("mean", "sum")
    )
]


every_option = pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(map(str, o.values()))
)


@every_option
def test_is_the_formula_of_the_paper(randomize, options: dict[str, Any]) -> None:
    conv = randomize(EGNNConv(8, 6, 8, edge_dim=2, velocity=True, **options))
    x, pos, edge_attr = inputs()
    vel = torch.randn_like(pos)
    m = torch.zeros(5, 6, dtype=torch.float64)
    moved, degree = torch.zeros_like(pos), torch.zeros(5, 1, dtype=torch.float64)
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        away = pos[i] - pos[j]
        square = away.square().sum().view(1)
        message = conv.phi_e(torch.cat([x[i], x[j], square, edge_attr[e]]))
        if options["attention"]:
            message = message / (1 + torch.exp(-conv.gate(message)))
        m[i] += message
        scale = conv.lin_x(conv.phi_x(message))
        step = (scale.tanh() if options["tanh"] else scale) * away
        step = step / square.sqrt() if options["normalize"] else step
        if options["clamp"] and step.norm() > options["clamp"]:
            step = options["clamp"] * step / step.norm()
        moved[i] += step
        degree[i] += 1
    if options["pos_aggr"] == "mean":
        moved = moved / degree.clamp(min=1)
    new_pos = pos + moved + conv.phi_v(x) * vel
    h = x + conv.phi_h(torch.cat([x, m], dim=-1))
    out = conv(x, pos, EDGE_INDEX, edge_attr, vel)
    rounding = 1e-7 if options["normalize"] else 1e-12  # normalized by r + 1e-8
    torch.testing.assert_close(out, (h, new_pos), rtol=rounding, atol=rounding)
    assert float((new_pos - pos).detach().abs().max()) > 0.01


@pytest.mark.parametrize("fuse", [True, False])
def test_divides_by_the_length_plus_one(randomize, fuse: bool) -> None:
    conv = randomize(EGNNConv(8, 6, 8, norm_diff=True, tanh=True, pos_aggr="sum"))
    conv.fuse = fuse
    x, pos, _ = inputs()
    moved = pos.clone()
    for j, i in EDGE_INDEX.T.tolist():
        away = pos[i] - pos[j]
        m = conv.phi_e(torch.cat([x[i], x[j], away.square().sum().view(1)]))
        moved[i] += away / (away.norm() + 1) * conv.lin_x(conv.phi_x(m)).tanh()
    found = conv(x, pos, EDGE_INDEX)[1]
    torch.testing.assert_close(found, moved, rtol=1e-12, atol=1e-12)


@every_option
def test_commutes_with_e3_under_every_option(
    randomize, options: dict[str, Any]
) -> None:
    conv = randomize(EGNNConv(8, 6, 8, edge_dim=2, velocity=True, **options))
    x, pos, edge_attr = inputs()
    pos[1] = pos[0]
    vel = torch.randn_like(pos)
    assert_equivariant(
        lambda x, pos, vel: conv(x, pos, EDGE_INDEX, edge_attr, vel),
        [None, "pos", "1o"],
        [None, "pos"],
        [x, pos, vel],
    )


def test_clamps_the_length_not_the_components(randomize) -> None:
    conv = randomize(EGNNConv(8, 6, 8, clamp=1e-3, pos_aggr="sum"))
    x, pos, _ = inputs()
    edge_index = EDGE_INDEX[:, :1]
    _, moved = conv(x, pos, edge_index)
    shift = (moved - pos)[1]
    torch.testing.assert_close(shift.norm(), torch.tensor(1e-3).double())
    direction = (pos[1] - pos[0]) / (pos[1] - pos[0]).norm()
    cosine = float((shift @ direction / shift.norm()).detach())
    assert abs(abs(cosine) - 1) < 1e-12


@pytest.mark.parametrize(
    "options", [{"clamp": 0.05}, {"normalize": True}, {"norm_diff": True}]
)
def test_options_have_finite_derivatives_at_coincident_atoms(
    randomize, options: dict[str, Any]
) -> None:
    conv = randomize(EGNNConv(8, 6, 8, **options))
    x, pos, _ = inputs()
    pos[1] = pos[0]
    pos.requires_grad_()
    total = sum(out.square().sum() for out in conv(x, pos, EDGE_INDEX))
    (first,) = torch.autograd.grad(total, pos, create_graph=True)
    second = torch.autograd.grad(first.square().sum(), [pos, *conv.parameters()])
    assert all(g.isfinite().all() for g in (first, *second))


def test_moves_little_at_first_and_leaves_the_callers_positions(randomize) -> None:
    conv = EGNNConv(8, 6, 8).double()
    x, pos, _ = inputs()
    before = pos.clone()
    _, moved = conv(x, pos, EDGE_INDEX)
    assert torch.equal(pos, before)
    assert 0 < float((moved - pos).detach().abs().max()) < 1e-2
    _, still = EGNNConv(8, 6, 8, update_pos=False).double()(x, pos, EDGE_INDEX)
    assert torch.equal(still, pos)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_space_has_any_dimension(randomize, dimension: int) -> None:
    conv = randomize(EGNNConv(8, 6, 8))
    x = torch.randn(5, 8, dtype=torch.float64)
    pos = torch.randn(5, dimension, dtype=torch.float64)
    q, _ = torch.linalg.qr(torch.randn(dimension, dimension, dtype=torch.float64))
    h, moved = conv(x, pos, EDGE_INDEX)
    found = conv(x, pos @ q.T + 1, EDGE_INDEX)
    torch.testing.assert_close(found, (h, moved @ q.T + 1), rtol=0, atol=1e-12)


def test_edge_vectors_may_stand_for_positions(randomize) -> None:
    conv = randomize(EGNNConv(8, 6, 8))
    x, pos, _ = inputs()
    expected = conv(x, pos, EDGE_INDEX)
    edge_vec = edge_vectors(pos, EDGE_INDEX)
    found = conv(x, pos, EDGE_INDEX, edge_vec=edge_vec)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_an_envelope_takes_edges_away_smoothly(randomize) -> None:
    conv = randomize(EGNNConv(8, 6, 8, attention=True))
    x, pos, _ = inputs()
    keep = torch.tensor([1, 0, 1, 0, 1, 1]).bool()

    def smooth(weight: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        return conv(x, pos, edge_index, edge_weight=weight)

    some = smooth(keep.double(), EDGE_INDEX)
    less = smooth(keep.double()[keep], EDGE_INDEX[:, keep])
    torch.testing.assert_close(some, less, rtol=1e-13, atol=1e-13)
    weight = keep.double().requires_grad_()
    assert gradcheck(lambda w: smooth(w, EDGE_INDEX), (weight,))


def test_the_mean_under_an_envelope_has_no_jump(randomize) -> None:
    """It divides by the root of 1 and the square of the weights' sum."""
    conv, total = (
        randomize(EGNNConv(8, 6, 8, pos_aggr=aggr)) for aggr in ("mean", "sum")
    )
    total.load_state_dict(conv.state_dict())
    x, pos, _ = inputs()
    weight = torch.rand(6, dtype=torch.float64)
    count = torch.zeros(5, dtype=torch.float64).index_add(0, EDGE_INDEX[1], weight)
    mean, sums = (
        layer(x, pos, EDGE_INDEX, edge_weight=weight)[1] - pos
        for layer in (conv, total)
    )
    expected = sums / torch.hypot(torch.ones(5), count).unsqueeze(-1)
    torch.testing.assert_close(mean, expected, rtol=1e-12, atol=1e-14)


def test_mean_divides_by_the_number_of_edges(randomize) -> None:
    conv = randomize(EGNNConv(8, 6, 8))
    x, pos, _ = inputs()
    once = conv(x, pos, EDGE_INDEX[:, :1])[1]
    twice = conv(x, pos, EDGE_INDEX[:, [0, 0]])[1]
    torch.testing.assert_close(once, twice, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pos_aggr": "max"}, "pos_aggr"),
        ({"residual": True, "out_channels": 5}, "residual=False"),
        ({"velocity": True, "update_pos": False}, "update_pos"),
        ({"clamp": 0.0}, "clamp"),
        ({"normalize": True, "norm_diff": True}, "norm_diff"),
    ],
)
def test_options_that_contradict_are_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EGNNConv(
            **{"in_channels": 8, "hidden_channels": 6, "out_channels": 8, **arguments}
        )


def test_velocities_come_if_and_only_if_promised(randomize) -> None:
    x, pos, _ = inputs()
    with pytest.raises(ValueError, match="vel is missing"):
        EGNNConv(8, 6, 8, velocity=True).double()(x, pos, EDGE_INDEX)
    with pytest.raises(ValueError, match="vel is given"):
        EGNNConv(8, 6, 8).double()(x, pos, EDGE_INDEX, vel=pos)
    with pytest.raises(TypeError, match="pos"):
        EGNNConv(8, 6, 8).double()(x, pos.long(), EDGE_INDEX)


def derivatives(out: tuple[Tensor, Tensor], wanted: list[Tensor]) -> list[Tensor]:
    """The value and its first and second derivatives."""
    scalar = sum(o.sin().sum() for o in out)
    first = torch.autograd.grad(
        scalar, wanted, create_graph=True, materialize_grads=True
    )
    scalar = sum(g.sin().sum() for g in first)
    second = torch.autograd.grad(scalar, wanted, materialize_grads=True)
    return [*out, *first, *second]


@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attention": True, "edge_dim": 2},
        {"attention": True, "edge_dim": 2, "normalize": True, "tanh": True},
        {"edge_dim": 2, "update_pos": False},
    ],
)
@pytest.mark.parametrize("periodic", [False, True])
def test_first_map_on_nodes_gives_the_sums_of_messages(
    randomize, options: dict[str, Any], flow: str, periodic: bool
) -> None:
    conv = randomize(EGNNConv(8, 6, 8, flow=flow, **options))
    results = []
    x, pos, attr = inputs()
    given = [x, pos, torch.rand(6, dtype=torch.float64), torch.randn(6, 3).double()]
    for fuse in (True, False):
        conv.fuse = fuse
        x, pos, weight, vec = (t.clone().requires_grad_() for t in given)
        extra = {"edge_vec": vec, "edge_weight": weight} if periodic else {}
        if "edge_dim" in options:
            extra["edge_attr"] = attr
        out = conv(x, pos, EDGE_INDEX, **extra)
        results.append(derivatives(out, [x, pos, weight, vec, *conv.parameters()]))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_first_map_of_two_sets_of_nodes(randomize) -> None:
    conv = randomize(EGNNConv((8, 3), 6, 4))
    x, pos, _ = inputs()
    pairs = (x, x[:, :3]), (pos, pos + 1)
    out = conv(*pairs, EDGE_INDEX)
    conv.fuse = False
    torch.testing.assert_close(out, conv(*pairs, EDGE_INDEX), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("options", [{"normalize": True}, {"clamp": 1e-9}])
def test_atoms_at_one_place_push_each_other_nowhere(
    options: dict[str, Any], dtype: torch.dtype
) -> None:
    """Neither epsilon nor clamp may vanish, and no derivative be one over epsilon."""
    conv = EGNNConv(4, 4, 4, **options).to(dtype)
    x, pos = torch.randn(3, 4, dtype=dtype), torch.zeros(3, 3, dtype=dtype)
    pos = pos.requires_grad_()
    _, moved = conv(x, pos, torch.tensor([[0, 1, 2], [1, 0, 0]]))
    assert not moved.any()
    (gradient,) = torch.autograd.grad(moved.float().square().sum() + moved.sum(), pos)
    assert (gradient - 1).abs().max() < (1e-6 if "normalize" in options else 1)


def test_hundreds_of_neighbors_in_half_precision() -> None:
    """Their number squared has no room in float16, nor their count in bfloat16."""
    source = torch.arange(1, 400)
    edge_index = torch.stack([source, torch.zeros_like(source)])
    exact = EGNNConv(4, 4, 4).double()
    torch.nn.init.ones_(exact.lin_x.weight)
    weight = torch.ones(399)
    x, pos = torch.randn(400, 4).half().double(), torch.randn(400, 3).half().double()
    for edge_weight in (None, weight):
        given = {"edge_weight": edge_weight} if edge_weight is not None else {}
        wide = {name: t.double() for name, t in given.items()}
        expected = exact(x, pos, edge_index, **wide)[1][0] - pos[0]
        for dtype in (torch.float16, torch.bfloat16):
            conv = copy.deepcopy(exact).to(dtype)
            narrow = {name: t.to(dtype) for name, t in given.items()}
            found = conv(x.to(dtype), pos.to(dtype), edge_index, **narrow)[1][0]
            moved = found.double() - pos[0].to(dtype).double()
            assert (moved - expected).abs().max() < 0.02 * (1 + pos[0].abs().max())
            assert expected.abs().max() > 0.1
