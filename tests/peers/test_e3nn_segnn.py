"""SEGNN with the authors' weights gives the numbers of their formulas on e3nn."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module, ModuleList, Parameter

from pyg_equivariant.interop import (
    features_from_e3nn,
    segnn_from_reference,
    steerable_linear_from_reference,
    steerable_mlp_from_reference,
)

o3 = pytest.importorskip("e3nn.o3")
e3nn_nn = pytest.importorskip("e3nn.nn")
# blocks that no path reaches: NaN in the authors' code, not compared here
pytestmark = pytest.mark.filterwarnings("error:.*no path leads to")


class Product(Module):
    """A product on e3nn without its division by the root of the fan-in, and biases."""

    path_normalization = "element"

    def __init__(self, irreps_in: Any, irreps_out: Any, irreps_attr: Any) -> None:
        super().__init__()
        self.tp = o3.FullyConnectedTensorProduct(
            irreps_in,
            irreps_attr,
            irreps_out,
            path_normalization=self.path_normalization,
        )
        fan_in = [0] * len(irreps_out)
        for path in self.tp.instructions:
            fan_in[path.i_out] += path.path_shape[0] * path.path_shape[1]
        pairs = list(zip(fan_in, irreps_out, strict=True))
        scale = [torch.full((block.dim,), math.sqrt(n)) for n, block in pairs]
        self.scale = torch.cat(scale)
        scalar = [torch.full((block.dim,), block.ir.l == 0) for block in irreps_out]
        self.where = torch.cat(scalar).nonzero().flatten()
        if len(self.where):
            self.biases = Parameter(torch.randn(len(self.where)))

    def forward(self, x: Tensor, attr: Tensor | None = None) -> Tensor:
        y = self.tp(x, torch.ones_like(x[:, :1]) if attr is None else attr) * self.scale
        if len(self.where):
            y = y.index_add(1, self.where, self.biases.expand(len(y), -1))
        return y


class Gated(Product):
    """The same, and a gate: one scalar for each copy after the first block."""

    def __init__(self, irreps_in: Any, irreps_out: Any, irreps_attr: Any) -> None:
        first, rest = irreps_out[:1], irreps_out[1:]
        gates = o3.Irreps(f"{rest.num_irreps}x0e")
        inner = (first + gates + rest).simplify()
        super().__init__(irreps_in, inner, irreps_attr)
        silu = torch.nn.SiLU()
        if rest.num_irreps:
            acts = [silu], gates, [torch.sigmoid]
            self.gate = e3nn_nn.Gate(first, *acts, rest)
        else:
            self.gate = silu

    def forward(self, x: Tensor, attr: Tensor | None = None) -> Tensor:
        return self.gate(super().forward(x, attr))


class Norm(Module):
    """Instance normalization of each graph."""

    def __init__(self, irreps: Any) -> None:
        super().__init__()
        self.irreps = irreps
        self.weight = Parameter(torch.randn(irreps.num_irreps))
        self.bias = Parameter(torch.randn(irreps.count("0e")))

    def forward(self, x: Tensor, batch: Tensor) -> Tensor:
        out, weight, bias = [], self.weight, self.bias
        for (mul, ir), part in zip(self.irreps, self.irreps.slices(), strict=True):
            block = x[:, part].view(-1, mul, ir.dim).clone()
            for b in batch.unique():
                one = block[batch == b]
                if ir.l == 0:
                    one = one - one.mean(0)
                square = one.square().mean((0, 2), keepdim=True)
                block[batch == b] = one / (square + 1e-5).sqrt()
            block = block * weight[:mul, None]
            weight = weight[mul:]
            if ir.l == 0:
                block, bias = block + bias[:mul, None], bias[mul:]
            out.append(block.flatten(1))
        return torch.cat(out, 1)


class Layer(Module):
    """Messages, their sum, an update, in the three kinds of the authors' code."""

    def __init__(
        self, hidden: Any, attr: Any, extra: int, kind: str, norm: bool
    ) -> None:
        super().__init__()
        message_in = (2 * hidden + o3.Irreps(f"{extra}x0e")).simplify()
        gated = Gated(hidden, hidden, attr)
        inner = gated.tp.irreps_out
        if kind == "linear":
            self.message_layer = Product(message_in, inner, attr)
        else:
            self.message_layer_1 = Gated(message_in, hidden, attr)
        if kind == "nonlinear":
            self.message_layer_2 = Product(hidden, inner, attr)
        if kind == "segnn":
            self.message_layer_2 = gated
            self.update_layer_1 = Gated((2 * hidden).simplify(), hidden, attr)
            self.update_layer_2 = Product(hidden, hidden, attr)
        else:
            self.gate = gated.gate
        self.kind = kind
        self.feature_norm = Norm(hidden) if norm else None

    def forward(
        self, x: Tensor, edge_index: Tensor, sh: Tensor, attr: Tensor, extra: Tensor
    ) -> Tensor:
        m = torch.cat([x[edge_index[1]], x[edge_index[0]], extra], -1)
        if self.kind == "linear":
            m = self.message_layer(m, sh)
        else:
            m = self.message_layer_2(self.message_layer_1(m, sh), sh)
        m = m.new_zeros(len(x), m.shape[1]).index_add(0, edge_index[1], m)
        if self.kind != "segnn":
            return x + self.gate(m)
        update = self.update_layer_1(torch.cat([x, m], -1), attr)
        return x + self.update_layer_2(update, attr)


class Network(Module):
    """The authors' model, which makes its attributes from positions."""

    def __init__(
        self, config: dict[str, Any], kind: str, normalization: str, distance: str
    ) -> None:
        super().__init__()
        self.config, self.normalization, self.distance = config, normalization, distance
        hidden, attr = config["hidden_irreps"], config["edge_attr_irreps"]
        out, of_graphs = config["output_irreps"], config["task"] == "graph"
        self.embedding_layer = Product(config["input_irreps"], hidden, attr)
        extra, norm = config["additional_message_irreps"].dim, bool(config["norm"])
        self.layers = ModuleList(
            Layer(hidden, attr, extra, kind, norm) for _ in range(config["num_layers"])
        )
        self.pre_pool1 = Gated(hidden, hidden, attr)
        wide = (out * hidden.num_irreps).simplify().sort().irreps
        self.pre_pool2 = Product(hidden, wide if of_graphs else out, attr)
        if of_graphs:
            one = o3.Irreps("1x0e")
            self.post_pool1 = Gated(wide, wide, one)
            self.post_pool2 = Product(wide, out, one)

    def forward(
        self, x: Tensor, pos: Tensor, batch: Tensor, edges: Tensor, more: Tensor
    ) -> Tensor:
        vec = pos[edges[0]] - pos[edges[1]]
        irreps = self.config["edge_attr_irreps"]
        sh = o3.spherical_harmonics(irreps, vec, True, self.normalization)
        count = torch.bincount(edges[1], minlength=len(x)).clamp(min=1)
        attr = sh.new_zeros(len(x), sh.shape[1]).index_add(0, edges[1], sh)
        attr = attr / count[:, None]
        attr = torch.cat([torch.ones_like(attr[:, :1]), attr[:, 1:]], 1)
        square = vec.square().sum(1, keepdim=True)
        length = square if self.distance == "squared" else square.sqrt()
        extra = torch.cat([length, more], 1)
        x = self.embedding_layer(x, attr)
        for layer in self.layers:
            x = layer(x, edges, sh, attr, extra)
            if layer.feature_norm is not None:
                x = layer.feature_norm(x, batch)
        x = self.pre_pool2(self.pre_pool1(x, attr), attr)
        if self.config["task"] == "graph":
            reduce = torch.mean if self.config["pool"] == "avg" else torch.sum
            x = torch.stack([reduce(x[batch == b], dim=0) for b in batch.unique()])
            x = self.post_pool2(self.post_pool1(x))
        return x


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """The constants of e3nn's modules keep the precision they were made in."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def _draw(seed: int) -> tuple[dict[str, Any], str, str, str]:
    """Random irreps and options."""
    rng = random.Random(seed)
    lmax, lmax_attr = rng.choice([(0, 0), (0, 2), (1, 1), (1, 2), (2, 2)])
    blocks = [(rng.randint(1, 5), (l, (-1) ** l)) for l in range(lmax + 1)]
    if lmax == 1 and rng.random() < 0.5:
        blocks.append((2, (1, -1)))  # two blocks of 1o, which simplify() merges
    task = rng.choice(["graph", "node"])
    outputs = ["1x0e", "3x0e"] + ["1x1o"] * (task == "node" and lmax > 0)
    inputs = ["5x0e"] + ["2x1o+1x0e"] * (lmax_attr > 0)
    config = {
        "input_irreps": o3.Irreps(rng.choice(inputs)),
        "hidden_irreps": o3.Irreps(blocks),
        "output_irreps": o3.Irreps(rng.choice(outputs)),
        "edge_attr_irreps": o3.Irreps.spherical_harmonics(lmax_attr),
        "additional_message_irreps": o3.Irreps(f"{rng.randint(1, 3)}x0e"),
        "num_layers": 1 if lmax else 2,
        "norm": rng.choice([None, "instance"]),
        "pool": rng.choice(["avg", "sum"]),
        "task": task,
    }
    kind = rng.choice(["segnn", "segnn", "linear", "nonlinear"])
    return (
        config,
        kind,
        rng.choice(["component", "integral"]),
        rng.choice(["squared", "length"]),
    )


def _assert_equal(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-10 * theirs.abs().max()


# All kinds of layers and heads, merged blocks, scalars only, degrees up to 2.
@pytest.mark.parametrize("seed", [0, 1, 4, 5, 14, 16, 17, 23, 47])
def test_networks(seed: int, generator: torch.Generator) -> None:
    config, kind, normalization, distance = _draw(seed)
    reference = Network(config, kind, normalization, distance)
    options = {"normalization": normalization, "distance": distance}
    model = segnn_from_reference(reference.state_dict(), **config, **options)
    pos = torch.randn(9, 3, generator=generator).requires_grad_()
    batch = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1])
    edges = [(0, 1), (1, 0), (2, 1), (3, 2), (0, 3), (4, 0), (1, 4), (5, 6), (7, 5)]
    edge_index = torch.tensor(edges).T
    irreps = config["input_irreps"]
    x = irreps.randn(9, -1)
    more = torch.randn(len(edges), config["additional_message_irreps"].dim - 1)
    theirs = reference(x, pos, batch, edge_index, more)
    ours = model(
        features_from_e3nn(irreps, x),
        pos,
        batch,
        edge_index,
        edge_attr=more if more.shape[1] else None,
    )
    _assert_equal(ours, theirs)
    cotangent = torch.randn_like(theirs)
    _assert_equal(
        torch.autograd.grad(ours, pos, cotangent)[0],
        torch.autograd.grad(theirs, pos, cotangent)[0],
    )


BLOCKS = [
    ("6x0e+4x1o+3x2e", "1x0e+1x1o+1x2e", "5x0e+2x1o+2x2e"),
    ("3x0e+2x0e+4x1o+1x1o", "1x0e+1x1o", "2x0e+3x1o+2x1o"),
    ("2x0o+3x1e+2x1o+3x0e", "1x0e+2x1o+1x1e", "4x0e+2x1o+3x1e"),
    ("7x0e", "1x0e", "4x0e"),
    ("4x1o+2x3o", "1x0e+1x1o+1x2e+1x3o", "3x0e+2x3o"),
]


@pytest.mark.parametrize("irreps", [BLOCKS[0], BLOCKS[1], BLOCKS[4]])
def test_weights_of_e3nn_before_0_4(
    irreps: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Product, "path_normalization", "path")
    irreps_in, attr, out = map(o3.Irreps, irreps)
    reference = Product(irreps_in, out, attr)
    module = steerable_linear_from_reference(
        reference.state_dict(), irreps_in, out, attr, path_normalization="path"
    )
    x, a = irreps_in.randn(6, -1), attr.randn(6, -1)
    ours = module(features_from_e3nn(irreps_in, x), features_from_e3nn(attr, a))
    _assert_equal(ours, features_from_e3nn(out, reference(x, a)))


@pytest.mark.parametrize("irreps", BLOCKS)
@pytest.mark.parametrize("gated", [False, True])
def test_blocks(irreps: tuple[str, str, str], gated: bool) -> None:
    irreps_in, attr, out = map(o3.Irreps, irreps)
    reference = (Gated if gated else Product)(irreps_in, out, attr)
    convert = steerable_mlp_from_reference if gated else steerable_linear_from_reference
    module = convert(reference.state_dict(), irreps_in, out, attr)
    x, a = irreps_in.randn(6, -1), attr.randn(6, -1)
    ours = module(features_from_e3nn(irreps_in, x), features_from_e3nn(attr, a))
    _assert_equal(ours, features_from_e3nn(out, reference(x, a)))
