"""The interaction of NequIP: any irreps, both parities, species of nodes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch_geometric.data import Data

from pyg_equivariant.nn import EdgeEmbedding, Gate, NequIPConv, TFNConv
from pyg_equivariant.nn.mlp import RadialMLP
from pyg_equivariant.o3 import Irreps
from pyg_equivariant.testing import assert_equivariant, random_irreps

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])
IRREPS = "4x0e+2x1o", "0e+1o", "3x0e+2x1o"
SPECIES = torch.tensor([2, 0, 0, 1, 2])


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return double(5, 10), EDGE_INDEX, double(6, 4), double(6, 5).abs()


def test_says_what_it_is() -> None:
    conv = NequIPConv(*IRREPS, 5)
    assert str(conv) == (
        "NequIPConv(4x0e+2x1o -> 3x0e+2x1o, irreps_sh=1x0e+1x1o, edge_dim=5)"
    )
    assert conv.tp.product.weight_numel == 4 + 2 + 4 + 2


@pytest.mark.parametrize("seed", range(8))
def test_commutes_with_e3_for_random_irreps(
    randomize: Any, on_edges: Any, graphs: dict[str, Data], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    irreps_in = random_irreps(generator, lmax=3, empty=False)
    irreps_out = random_irreps(generator, lmax=3, empty=False) + irreps_in[:1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outputs out of reach
        conv = NequIPConv(
            irreps_in,
            Irreps.spherical_harmonics(seed % 4),
            irreps_out,
            5,
            (6,) * (seed % 3),
            num_attr=3,
            avg_num_neighbors=3.7,
            aggr=("add", "mean")[seed % 3 == 0],
        )
    data = graphs[("asymmetric", "coincident", "two_molecules")[seed % 3]]
    conv, count = randomize(conv), len(data.pos)
    species = torch.randint(4, (count,), generator=generator)
    attr = double(4, 3)

    def radial(length: Tensor) -> Tensor:
        return torch.stack([(-k * length).exp() for k in range(5)], dim=-1)

    def function(x: Tensor, pos: Tensor) -> Tensor:
        embed = EdgeEmbedding(None, radial, None, conv.irreps_sh).double()
        edges = embed(pos, edge_index=data.edge_index)
        return conv.on_edges(x, edges, species, attr)

    x = irreps_in.randn(count, -1, dtype=torch.float64, generator=generator)
    args = [irreps_in, "pos"], irreps_out, [x, data.pos]
    assert_equivariant(function, *args, generator=generator)


def test_is_the_formula_of_the_paper(randomize: Any) -> None:
    conv = randomize(NequIPConv(*IRREPS, 5, num_attr=3, avg_num_neighbors=2.5))
    x, _, sh, edge_attr = inputs()
    total = torch.zeros(5, conv.tp.irreps_out.dim, dtype=torch.float64)
    for e, (j, i) in enumerate(EDGE_INDEX.T.tolist()):
        sent = conv.mix_in(x[j]) / math.sqrt(2.5)
        total[i] += conv.tp(sent, sh[e], conv.radial(edge_attr[e]))
    kept = conv.self_connection(x, SPECIES)
    expected = conv.mix_out(total) + kept
    out = conv(x, EDGE_INDEX, sh, edge_attr, SPECIES)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    attr = torch.eye(3, dtype=torch.float64)
    same = conv(x, EDGE_INDEX, sh, edge_attr, SPECIES, attr)
    torch.testing.assert_close(same, expected, rtol=1e-12, atol=1e-12)


def test_without_linear_maps_it_is_a_tensor_field_convolution(randomize: Any) -> None:
    conv = randomize(NequIPConv(*IRREPS, 5, self_connection=False))
    other = TFNConv(
        *IRREPS, 12, self_interaction=False, radial=torch.nn.Identity()
    ).double()
    x, edge_index, sh, edge_attr = inputs()
    with torch.no_grad():
        other.mix.weight.copy_(conv.mix_out.weight)
        other.mix.bias.zero_()
    expected = other(conv.mix_in(x), edge_index, sh, conv.radial(edge_attr))
    out = conv(x, edge_index, sh, edge_attr)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)


def test_messages_vanish_where_radial_features_do(randomize: Any) -> None:
    conv = randomize(NequIPConv(*IRREPS, 5, (6, 6), num_attr=3))
    x, edge_index, sh, edge_attr = inputs()
    nothing = conv(x, edge_index, sh, torch.zeros_like(edge_attr), SPECIES)
    alone = conv(x, edge_index[:, :0], sh[:0], edge_attr[:0], SPECIES)
    assert torch.equal(nothing, alone)
    assert torch.equal(nothing, conv.self_connection(x, SPECIES))


@pytest.mark.parametrize("fuse", [True, False])
def test_species_are_those_of_the_targets(randomize: Any, fuse: bool) -> None:
    conv = randomize(NequIPConv(*IRREPS, 5, num_attr=3))
    conv.fuse = fuse
    x, edge_index, sh, edge_attr = inputs()
    union = torch.stack([edge_index[0], edge_index[1] % 2 + 3])
    expected = conv(x, union, sh, edge_attr, SPECIES)[3:]
    edge_index = torch.stack([union[0], union[1] - 3])
    given = (x, x[3:]), edge_index, sh, edge_attr
    for species in (SPECIES[3:], (SPECIES, SPECIES[3:])):
        found = conv(*given, species)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_derivatives_by_species(randomize: Any) -> None:
    conv = randomize(NequIPConv(*IRREPS, 5, (6,), num_attr=3))
    x, edge_index, sh, edge_attr = inputs()
    leaves = [x, sh, edge_attr, double(4, 3)]
    leaves = [leaf.requires_grad_() for leaf in leaves] + [*conv.parameters()]

    def function(x: Tensor, sh: Tensor, edge: Tensor, attr: Tensor, *_: Tensor) -> Any:
        return conv(x, edge_index, sh, edge, SPECIES + 1, attr)

    assert gradcheck(function, leaves, fast_mode=True)
    assert gradgradcheck(function, leaves, fast_mode=True)


def test_path_weights_may_be_given(randomize: Any) -> None:
    conv = randomize(NequIPConv(*IRREPS, 5))
    given = NequIPConv(*IRREPS, 12, radial=torch.nn.Identity()).double()
    state = {k: v for k, v in conv.state_dict().items() if "radial" not in k}
    given.load_state_dict(state)
    x, edge_index, sh, edge_attr = inputs()
    weight = conv.radial(edge_attr)
    assert isinstance(conv.radial, RadialMLP)
    found, expected = (
        given(x, edge_index, sh, weight),
        conv(x, edge_index, sh, edge_attr),
    )
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_keeps_the_scale_of_features(generator: torch.Generator) -> None:
    irreps = Irreps("32x0e+32x1o+32x2e")
    conv = NequIPConv(irreps, "0e+1o+2e", irreps, 16, avg_num_neighbors=8.0, num_attr=4)
    edge_index = torch.randint(64, (2, 512), generator=generator)
    x = irreps.randn(64, -1, generator=generator)
    sh = conv.irreps_sh.randn(512, -1, generator=generator)
    edge_attr = torch.randn(512, 16, generator=generator)
    attr = torch.randn(5, 4, generator=generator)
    species = torch.randint(5, (64,), generator=generator)
    out = conv(x, edge_index, sh, edge_attr, species, attr).detach()
    for part in irreps.slices():
        assert 0.7 < float(out[:, part].square().mean()) < 4  # of two such terms


def test_bad_input_is_named(randomize: Any) -> None:
    conv = randomize(NequIPConv(*IRREPS, 5, num_attr=3))
    x, edge_index, sh, edge_attr = inputs()
    with pytest.raises(ValueError, match="species are missing: this map knows 3"):
        conv(x, edge_index, sh, edge_attr)
    with pytest.raises(IndexError, match="species from 0 to 2, got them from 0 to 3"):
        conv(x, edge_index, sh, edge_attr, torch.tensor([0, 1, 3, 0, 0]))
    with pytest.raises(ValueError, match="self-connection needs features"):
        conv((x, None), edge_index, sh, edge_attr, SPECIES, size=(5, 5))
    alone = NequIPConv(*IRREPS, 5, self_connection=False).double()
    assert alone((x, None), edge_index, sh, edge_attr, size=(5, 6)).shape == (6, 9)
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="avg_num_neighbors"):
            NequIPConv(*IRREPS, 5, avg_num_neighbors=value)


@pytest.fixture
def layer(golden: Callable[[str], dict[str, Any]]) -> tuple[Any, ...]:
    """The authors' layer: our convolution with its weights, the gate, and its data."""
    data = golden("nequip_layer")
    meta = data["meta"]
    gate = Gate.from_irreps(meta["irreps_out"], act_gate="silu", e3nn_constants=True)
    assert gate.irreps_in == Irreps(meta["gate_irreps_in"])
    conv = NequIPConv(
        meta["irreps_in"],
        meta["sh"],
        gate.irreps_in,
        meta["rb"],
        (meta["width"],) * meta["depth"],
        meta["attrs"],
        avg_num_neighbors=meta["avg_num_neighbors"],
    ).double()
    leaves = {
        key.removeprefix("weight/conv."): value.clone().requires_grad_()
        for key, value in data.items()
        if key.startswith("weight/")
    }
    state = {
        "mix_in.weight": leaves["linear_1.weight"],
        "mix_out.weight": leaves["linear_2.weight"],
        "self_connection.weight": _rows(conv, leaves["sc.weight"]),
    }
    for n in range(meta["depth"] + 1):
        state[f"radial.weights.{n}"] = leaves[f"edge_mlp.mlp.{2 * n}.weight"]
    return conv, gate, state, leaves, data


def _rows(conv: Any, weight: Tensor) -> Tensor:
    """A row for each attribute, of weights ``(u, attribute, w)`` block by block."""
    count, parts, start = conv.num_attr, [], 0
    for u, w in conv.self_connection.weight_shapes:
        part = weight[start : start + u * count * w].view(u, count, w)
        parts.append(part.transpose(0, 1).flatten(1))
        start += part.numel()
    return torch.cat(parts, dim=1)


def test_golden_layer(layer: tuple[Any, ...]) -> None:
    conv, gate, state, leaves, data = layer
    nodes = {
        name: data[f"input/{name}"].clone().requires_grad_()
        for name in ("node_attrs", "edge_embedding", "x")
    }
    pos, edge_index = (
        data["input/pos"].clone().requires_grad_(),
        data["input/edge_index"],
    )
    embed = EdgeEmbedding(None, irreps_sh=conv.irreps_sh).double()
    edge_sh = embed(pos, edge_index=edge_index).edge_sh
    torch.testing.assert_close(edge_sh, data["input/edge_sh"], rtol=1e-10, atol=1e-10)
    x = conv.irreps_in.from_mul_ir(nodes["x"])
    every = torch.arange(len(pos))  # attributes of nodes: each a species of its own
    given = x, edge_index, edge_sh, nodes["edge_embedding"], every, nodes["node_attrs"]
    before = torch.func.functional_call(conv, state, given)
    out = gate.irreps_out.to_mul_ir(gate(before))

    def check(found: Tensor, expected: Tensor) -> None:
        scale = expected.abs().max()
        assert (found - expected).detach().abs().max() <= 1e-10 * scale

    check(conv.irreps_out.to_mul_ir(before), data["output/conv"])
    check(out, data["output/out"])
    wanted = [*nodes.values(), pos, *leaves.values()]
    total = (out * data["input/cotangent"]).sum()
    grads = torch.autograd.grad(total, wanted, create_graph=True)
    names = [*nodes, "pos", *(f"weight.conv.{name}" for name in leaves)]
    for name, gradient in zip(names, grads, strict=True):
        check(gradient, data[f"grad/{name}"])
    (second,) = torch.autograd.grad(grads[len(nodes)].square().sum(), pos)
    check(second, data["grad/second_pos"])
