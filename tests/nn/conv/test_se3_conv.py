"""The convolution of the SE(3)-Transformer: what no other layer has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch_geometric.data import Data

from pyg_equivariant.nn import BesselBasis, EdgeEmbedding, PolynomialCutoff, SE3Conv
from pyg_equivariant.testing import assert_equivariant

ROTATIONS = "3x0e+2x1e", "0e+1e+2e", "2x0e+2x1e+1x2e"
REFLECTIONS = "3x0e+2x1o+1x1e", "0e+1o+2e", "2x0e+2x1o+1x2e"
KINDS = ("skip", "tfn", None)


def layer(randomize: Any, irreps: tuple[str, str, str], kind: str | None) -> SE3Conv:
    conv: SE3Conv = randomize(SE3Conv(*irreps, 5, kind, radial_channels=6))
    return conv


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("irreps", [ROTATIONS, REFLECTIONS])
def test_commutes_with_its_group(
    randomize: Any,
    on_edges: Any,
    graphs: dict[str, Data],
    irreps: tuple[str, str, str],
    kind: str | None,
) -> None:
    case = on_edges(layer(randomize, irreps, kind))
    for name in ("asymmetric", "coincident", "collinear", "no_edges", "single_node"):
        data = graphs[name]
        x = case.features(len(data.pos))

        def function(pos: Tensor, x: Tensor, data: Data = data) -> Tensor:
            return case(x, pos, data.edge_index)

        group = "SO(3)" if irreps == ROTATIONS else "O(3)"
        kinds = ["pos", irreps[0]], [irreps[2]]
        assert_equivariant(function, *kinds, [data.pos, x], group=group)


def test_reflections_change_what_takes_all_products(
    randomize: Any, on_edges: Any, graphs: dict[str, Data]
) -> None:
    case, data = on_edges(layer(randomize, ROTATIONS, None)), graphs["asymmetric"]
    x = case.features(len(data.pos))
    x[:, 3:] = 0  # scalars alone: whatever parity vectors are given, they are zero
    once = case.conv.irreps_out.split(case(x, data.pos, data.edge_index))
    other = case.conv.irreps_out.split(case(x, -data.pos, data.edge_index))
    torch.testing.assert_close(once[0], other[0])
    torch.testing.assert_close(once[1], -other[1])
    y = case.features(len(data.pos))
    found = case(y, data.pos, data.edge_index) - case(y, -data.pos, data.edge_index)
    assert found[:, :2].abs().max() > 1e-3


@pytest.mark.parametrize("fuse", [True, False])
def test_a_mean_with_the_self_interaction_inside(
    randomize: Any, on_edges: Any, fuse: bool
) -> None:
    conv = layer(randomize, REFLECTIONS, "skip")
    conv.fuse = fuse
    case = on_edges(conv)
    pos, x = torch.randn(4, 3).double(), case.features(4)
    edge_index = torch.tensor([[0, 1, 2, 0], [1, 0, 0, 3]])
    once = case(x, pos, edge_index)
    twice = case(x, pos, torch.cat([edge_index, edge_index], dim=1))
    torch.testing.assert_close(once, twice)  # a mean
    assert not once[2].any()  # no neighbor, not even itself
    assert conv.mix is not None
    with torch.no_grad():
        conv.mix.weight.zero_()
    bare = case(x, pos, edge_index)
    assert not torch.allclose(once[0], bare[0])


def test_derivatives_are_right(randomize: Any, on_edges: Any) -> None:
    case = on_edges(layer(randomize, ROTATIONS, "skip"))
    edge_index = torch.tensor([[0, 1, 2, 0], [1, 0, 1, 1]])
    pos = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    parameters = [*case.conv.parameters()]

    def function(pos: Tensor, x: Tensor, *_: Tensor) -> Tensor:
        return case(x, pos, edge_index)

    inputs = (pos, case.features(3).requires_grad_(), *parameters)
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_an_envelope_lets_neighbors_leave(randomize: Any) -> None:
    """A last one, too; the self-interaction goes with it."""
    conv = layer(randomize, ROTATIONS, "skip")
    embed = EdgeEmbedding(2.0, BesselBasis(5, 2.0), PolynomialCutoff(2.0), "0e+1e+2e")
    x = conv.irreps_in.randn(2, -1).double()

    def at(distance: float) -> Tensor:
        pos = torch.tensor([[0.0, 0, 0], [0, 0, distance]], dtype=torch.float64)
        return conv.on_edges(x, embed.double()(pos))

    assert at(1.0).abs().max() > 1e-2
    assert at(2.0 - 1e-3).abs().max() < 1e-6
    assert not at(2.0 + 1e-3).any()


def test_kinds_are_named() -> None:
    with pytest.raises(ValueError, match="'skip', 'tfn' or None, got 'TFN'"):
        SE3Conv(*ROTATIONS, 5, "TFN")
