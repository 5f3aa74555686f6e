"""Allegro's layer: the formula, its forms, and what the authors' products give."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Identity
from torch_geometric.data import Data

from pyg_equivariant.nn import AllegroConv, EdgeEmbedding
from pyg_equivariant.o3 import Irreps, clebsch_gordan
from pyg_equivariant.testing import assert_equivariant

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 3], [1, 0, 1, 1, 2, 4]])
IRREPS = "3x0e+3x1o", "0e+1o", "3x0e+3x1o"
SIZE = (5, 5)


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_says_what_it_is() -> None:
    conv = AllegroConv(*IRREPS, 5)
    assert str(conv) == (
        "AllegroConv(3x0e+3x1o -> 3x0e+3x1o, irreps_sh=1x0e+1x1o, edge_dim=5)"
    )
    assert conv.weight is not None
    assert conv.weight.shape == (4, 3)
    assert AllegroConv(*IRREPS, 5, channel_weights=False).weight.shape == (4, 1)
    assert AllegroConv(*IRREPS, 5, mix=True).weight is None


@pytest.mark.parametrize("options", [{}, {"mix": True}, {"channel_weights": False}])
def test_is_the_formula_of_the_paper(randomize: Any, options: dict[str, Any]) -> None:
    conv = AllegroConv(*IRREPS, 5, radial=Identity(), avg_num_neighbors=2.5, **options)
    conv = randomize(conv)
    x, edge_sh, weight = double(6, 12), double(6, 4), double(6, 6)
    found = conv(x, EDGE_INDEX, edge_sh, weight, SIZE)
    blocks = Irreps(IRREPS[0]).split(x)
    harmonics = Irreps(IRREPS[1]).split(edge_sh)
    expected: list[list[Tensor]] = [[], []]
    for e in range(6):
        around = EDGE_INDEX[1] == EDGE_INDEX[1, e]
        environment = [
            (y[around] * weight[around, 3 * l : 3 * l + 3].unsqueeze(1)).sum(0)
            / math.sqrt(2.5)
            for l, y in enumerate(harmonics)
        ]
        for out in (0, 1):
            terms = []
            for a in (0, 1):
                for b in (0, 1):
                    if (a + b + out) % 2 == 0:
                        c = clebsch_gordan(a, b, out, dtype=x.dtype)
                        given = c, blocks[a][e], environment[b]
                        term = torch.einsum("ijk,iu,ju->ku", *given)
                        terms.append(math.sqrt(2 * out + 1) * term)
            expected[out].append(torch.stack(terms))
    products = [torch.stack(rows) for rows in expected]  # edge, path, k, u
    if conv.mix is not None:
        total = conv.mix(torch.cat([p.flatten(1) for p in products], dim=-1))
    else:
        w = conv.weight.expand(-1, 3)
        parts = zip(products, (w[:2], w[2:]), strict=True)
        total = torch.cat(
            [torch.einsum("epku,pu->eku", p, v).flatten(1) for p, v in parts], dim=-1
        )
    torch.testing.assert_close(found, total, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_commutes_with_e3_for_random_irreps(
    randomize: Any, graphs: dict[str, Data], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    every = [f"{l}{p}" for l in range(3) for p in "eo"]

    def drawn() -> Irreps:
        keep = torch.rand(6, generator=generator) < 0.6
        names = ["0e", *(name for name, kept in zip(every, keep, strict=True) if kept)]
        return Irreps([(1 + seed, name) for name in names])

    irreps_in, irreps_out = drawn(), drawn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outputs out of reach
        sh = Irreps.spherical_harmonics(seed % 3)
        options: dict[str, Any] = {"mix": seed % 2 == 0}
        options |= {"aggr": ("add", "mean")[seed % 3 == 0]}
        conv = randomize(AllegroConv(irreps_in, sh, irreps_out, 5, (4,), **options))
    data = graphs[("asymmetric", "coincident", "two_molecules")[seed % 3]]

    def radial(length: Tensor) -> Tensor:
        return torch.stack([(-k * length).exp() for k in range(5)], dim=-1)

    def function(x: Tensor, pos: Tensor) -> Tensor:
        embed = EdgeEmbedding(None, radial, None, sh).double()
        return conv.on_edges(x, embed(pos, edge_index=data.edge_index))

    count = data.edge_index.shape[1]
    x = irreps_in.randn(count, -1, dtype=torch.float64, generator=generator)
    given = [irreps_in, "pos"], irreps_out, [x, data.pos]
    assert_equivariant(function, *given, generator=generator)


def test_edges_of_other_centers_are_not_felt(randomize: Any) -> None:
    conv = randomize(AllegroConv(*IRREPS, 5))
    x, edge_sh, edge_attr = double(6, 12), double(6, 4), double(6, 5)
    before = conv(x, EDGE_INDEX, edge_sh, edge_attr, SIZE)
    at_one = EDGE_INDEX[1] == 1
    changed = torch.where(at_one.unsqueeze(1), edge_attr + 1, edge_attr)
    after = conv(x, EDGE_INDEX, edge_sh, changed, SIZE)
    assert torch.equal(before[~at_one], after[~at_one])
    assert (before - after)[at_one].abs().min(dim=1).values.max() > 0


def test_what_cannot_be_joined_is_refused() -> None:
    for irreps in (
        ("3x0e+2x1o", "0e+1o", "3x0e"),
        ("3x0e", "0e+1o", "2x0e"),
        ("3x0e", "0e+2x1o", "3x0e"),
    ):
        with pytest.raises(ValueError, match=r"one multiplicity, .* have 1, got"):
            AllegroConv(*irreps, 5)
    conv = AllegroConv(*IRREPS, 5).double()
    given = double(6, 12), EDGE_INDEX, double(6, 4), double(6, 5)
    with pytest.raises(
        ValueError, match=r"size=\(num_sources, num_targets\), got None"
    ):
        conv(*given, None)
    with pytest.raises(IndexError, match="target nodes"):
        conv(*given, (5, 4))
    with pytest.raises(ValueError, match="is not negative"):
        conv(*given, (-1, 4))
    with pytest.raises(ValueError, match="one row of x for each of 6 edges"):
        conv(given[0][:5], *given[1:], SIZE)


def test_golden_contraction(golden: Any) -> None:
    """Weights of channels and paths, and of paths alone, in the authors' layout."""
    data = golden("allegro_contraction")
    meta, mul = data["meta"], data["meta"]["mul"]
    irreps = [
        Irreps([(mul, ir) for _, ir in Irreps(meta[f"irreps_{name}"])])
        for name in ("in1", "in2", "out")
    ]
    sh = Irreps(meta["irreps_in2"])
    count = len(data["input/x1"])
    alone = torch.arange(count).expand(2, count)  # every edge has a center of its own
    x1, x2 = (
        irreps[n].from_mul_ir(_flat(data[f"input/x{n + 1}"], irreps[n])) for n in (0, 1)
    )
    weights = (
        data["input/edge_weight"].unflatten(1, (mul, -1)).transpose(1, 2).flatten(1)
    )
    for kind, by_channel in (("coupled", True), ("shared", False)):
        conv = AllegroConv(
            irreps[0], sh, irreps[2], 0, (), by_channel, radial=Identity()
        ).double()
        found = [tuple(path[:3]) for path in conv.product.product.paths]
        assert found == [tuple(path) for path in meta["instructions"]]
        weight = data[f"weight/{kind}"].reshape(mul if by_channel else 1, -1).T
        with torch.no_grad():
            conv.weight.copy_(weight)
        environment = conv.environment(
            alone, data["input/edge_sh"], weights, (count,) * 2
        )
        _close(environment, data["output/weighted_channels"], irreps[1])
        given = [x1.clone().requires_grad_(), x2.clone().requires_grad_()]
        out = conv.join(*given, alone)
        _close(out, data[f"output/{kind}"], irreps[2])
        cotangent = irreps[2].from_mul_ir(_flat(data["input/cotangent"], irreps[2]))
        grads = torch.autograd.grad((out * cotangent).sum(), [*given, conv.weight])
        _close(grads[0], data[f"grad/x1_{kind}"], irreps[0])
        _close(grads[1], data[f"grad/x2_{kind}"], irreps[1])
        expected = data[f"grad/weight_{kind}"].reshape(weight.T.shape).T
        torch.testing.assert_close(grads[2], expected, rtol=1e-10, atol=1e-10)


def _flat(x: Tensor, irreps: Irreps) -> Tensor:
    """From ``(edges, channels, all components)`` to e3nn's order."""
    parts = x.split([ir.dim for _, ir in irreps], dim=-1)
    return torch.cat([part.flatten(1) for part in parts], dim=-1)


def _close(found: Tensor, strided: Tensor, irreps: Irreps) -> None:
    expected = _flat(strided, irreps)
    error = (irreps.to_mul_ir(found) - expected).abs().max() / expected.abs().max()
    assert error <= 1e-10
