"""The fused operation stands for messages, and steps aside where they are asked for."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from pyg_equivariant.kernels import Convolution, NodeFirst
from pyg_equivariant.nn import PaiNNConv, SchNetConv, SEGNNConv, TFNConv

NODES, EDGES = 9, 40


def build(name: str, **options: Any) -> tuple[torch.nn.Module, list[Tensor]]:
    """A layer in float64 and its arguments, edges second (PaiNN: third)."""
    torch.manual_seed(0)
    edges = torch.randint(NODES - 1, (2, EDGES))  # the last node is isolated
    x, attr = torch.randn(NODES, 7), torch.rand(EDGES, 5)
    if name == "TFNConv":
        conv = TFNConv("3x0e+2x1o", "0e+1o+2e", "4x0e+2x1o", edge_dim=5, **options)
        x = torch.randn(NODES, 9)
        arguments = [x, edges, torch.randn(EDGES, 9), attr]
    elif name == "SchNetConv":
        conv = SchNetConv(7, 4, num_filters=6, edge_dim=5, **options)
        arguments = [x, edges, torch.rand(EDGES), attr]
    elif name == "SEGNNConv":
        irreps = "4x0e+2x1o"
        conv = SEGNNConv(irreps, "0e+1o+2e", irreps, edge_dim=5, **options)
        x, node_attr = torch.randn(NODES, 10), torch.randn(NODES, 9)
        arguments = [x, edges, torch.randn(EDGES, 9), node_attr, attr]
    else:
        conv = PaiNNConv(7, edge_dim=5, **options)
        arguments = [x, torch.randn(NODES, 3, 7), edges, torch.randn(EDGES, 3), attr]
    wide = [a.double() if a.is_floating_point() else a for a in arguments]
    return conv.double(), wide


def flat(out: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return torch.cat([o.flatten() for o in (out if isinstance(out, tuple) else (out,))])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ran: an entry for every fused call."""
    found: list[str] = []

    def count(kind: type) -> None:
        original = kind.__call__

        def counted(self: Any, *args: Any, **kwargs: Any) -> Tensor:
            found.append("fused")
            return original(self, *args, **kwargs)

        monkeypatch.setattr(kind, "__call__", counted)

    count(Convolution)
    count(NodeFirst)
    return found


NAMES = ["TFNConv", "SchNetConv", "PaiNNConv", "SEGNNConv"]


@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
@pytest.mark.parametrize("name", NAMES)
def test_same_numbers_and_derivatives(name: str, flow: str, calls: list[str]) -> None:
    conv, arguments = build(name, flow=flow)
    results = []
    for fused in (True, False):
        conv.fused = fused
        given = [
            a.clone().requires_grad_() if a.is_floating_point() else a
            for a in arguments
        ]
        wanted = [a for a in given if a.requires_grad] + list(conv.parameters())
        out = flat(conv(*given))
        first = torch.autograd.grad(
            out.sin().sum(), wanted, create_graph=True, materialize_grads=True
        )
        scalar = sum(g.sin().sum() for g in first)
        second = torch.autograd.grad(scalar, wanted, materialize_grads=True)
        results.append([out, *first, *second])
    assert calls == ["fused"]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def hooked(conv: Any) -> None:
    conv.register_message_forward_hook(lambda *_: None)


def patched(conv: Any) -> None:
    message = conv.message
    conv.message = lambda *args, **kwargs: message(*args, **kwargs)


def subclassed(conv: Any) -> None:
    class Other(type(conv)):  # type: ignore[misc]
        def update(self, inputs: Tensor) -> Tensor:
            return inputs

    conv.__class__ = Other


def explained(conv: Any) -> None:
    conv.explain = True
    conv._edge_mask = torch.full((EDGES,), 100.0)
    conv._loop_mask = torch.ones(EDGES, dtype=torch.bool)


@pytest.mark.parametrize("change", [hooked, patched, subclassed, explained])
@pytest.mark.parametrize("name", NAMES)
def test_messages_are_formed_where_asked_for(
    name: str, change: Any, calls: list[str]
) -> None:
    conv, arguments = build(name)
    expected = flat(conv(*arguments))
    assert calls == ["fused"]
    conv = copy.deepcopy(conv)
    change(conv)
    found = flat(conv(*arguments))
    assert calls == ["fused"]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_other_aggregations_take_messages(name: str, calls: list[str]) -> None:
    conv, arguments = build(name, aggr="mean")
    assert flat(conv(*arguments)).isfinite().all()
    assert calls == []


@pytest.mark.parametrize("name", NAMES)
def test_edge_index_of_pyg(name: str, calls: list[str]) -> None:
    conv, arguments = build(name)
    expected = flat(conv(*arguments))
    place = 2 if name == "PaiNNConv" else 1
    edges = arguments[place]
    arguments[place] = EdgeIndex(edges, sparse_size=(NODES, NODES))
    assert torch.equal(flat(conv(*arguments)), expected)
    assert calls == ["fused", "fused"]


@pytest.mark.parametrize("name", NAMES)
def test_vmap_and_forward_mode_take_messages(name: str, calls: list[str]) -> None:
    conv, (x, *rest) = build(name)
    batch = torch.stack([x, 2 * x])
    found = torch.func.vmap(lambda x: flat(conv(x, *rest)))(batch)
    assert calls == []
    expected = torch.stack([flat(conv(x, *rest)) for x in batch])
    torch.testing.assert_close(found, expected)
    _, tangent = torch.func.jvp(lambda x: flat(conv(x, *rest)), (x,), (x,))
    assert tangent.isfinite().all()


@pytest.mark.parametrize("change", ["hook", "subclass"])
@pytest.mark.parametrize("part", ["phi_m", "phi_m.linears.0"])
def test_segnn_calls_its_mlp_where_somebody_listens(
    part: str, change: str, calls: list[str]
) -> None:
    conv, arguments = build("SEGNNConv")
    expected = flat(conv(*arguments))
    module, heard = conv.get_submodule(part), []
    if change == "hook":
        module.register_forward_hook(lambda *_: heard.append(part))
    else:
        module.__class__ = type("Other", (type(module),), {})
    found = flat(conv(*arguments))
    assert calls == ["fused"]
    assert heard == ([part] if change == "hook" else [])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_inner_modules_of_segnn_are_heard() -> None:
    conv, arguments = build("SEGNNConv")
    heard = []
    for name in ("phi_m.linears.1", "phi_m.acts.0", "phi_x.linears.0", "phi_x.acts.0"):
        module = conv.get_submodule(name)
        module.register_forward_hook(lambda *_, name=name: heard.append(name))
    expected = flat(conv(*arguments))
    assert sorted(heard) == sorted(
        ["phi_m.linears.1", "phi_m.acts.0", "phi_x.linears.0", "phi_x.acts.0"]
    )
    conv.fused = False
    torch.testing.assert_close(flat(conv(*arguments)), expected, rtol=0, atol=1e-10)
