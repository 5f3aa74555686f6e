"""Messages, or one kernel in their place: PyG's ``fuse`` decides."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.transforms import ToSparseTensor

from pyg_equivariant.nn import (
    BesselBasis,
    EdgeEmbedding,
    EGNNConv,
    EquivariantConv,
    PaiNNConv,
    PolynomialCutoff,
    SchNetConv,
    SEGNNConv,
    TFNConv,
)

NODES, EDGES = 9, 40
NAMES = ["TFNConv", "SchNetConv", "PaiNNConv", "SEGNNConv", "EGNNConv"]


def build(name: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    """A layer in float64 and its arguments."""
    torch.manual_seed(0)
    edges = torch.randint(NODES - 1, (2, EDGES))  # the last node is isolated
    edges = edges.unique(dim=1)
    number = edges.shape[1]
    attr, weight = torch.rand(number, 5), torch.rand(number)
    x, sh = torch.randn(NODES, 7), torch.randn(number, 9)
    given = {"x": x, "edge_index": edges, "edge_attr": attr}
    if name == "TFNConv":
        conv = TFNConv("3x0e+2x1o", "0e+1o+2e", "4x0e+2x1o", edge_dim=5, **options)
        given |= {"x": torch.randn(NODES, 9), "edge_sh": sh}
    elif name == "SchNetConv":
        conv = SchNetConv(7, 4, num_filters=6, edge_dim=5, cutoff=3.0, **options)
        given |= {"edge_length": torch.rand(number), "edge_weight": weight}
    elif name == "SEGNNConv":
        irreps = "4x0e+2x1o"
        conv = SEGNNConv(irreps, "0e+1o+2e", irreps, edge_dim=5, **options)
        given |= {"x": torch.randn(NODES, 10), "node_attr": torch.randn(NODES, 9)}
        given |= {"edge_sh": sh, "edge_weight": weight}
    elif name == "PaiNNConv":
        conv = PaiNNConv(7, edge_dim=5, cutoff=3.0, **options)
        given |= {"vec": torch.randn(NODES, 3, 7), "edge_vec": torch.randn(number, 3)}
        given["edge_weight"] = weight
    else:
        conv = EGNNConv(7, 6, 7, edge_dim=5, attention=True, **options)
        given |= {"pos": torch.randn(NODES, 3), "edge_weight": weight}
    wide = {k: a.double() if a.is_floating_point() else a for k, a in given.items()}
    return conv.double(), wide


def flat(out: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return torch.cat([o.flatten() for o in (out if isinstance(out, tuple) else (out,))])


def spy(conv: Any) -> list[str]:
    """Notes every call of the kernel."""
    calls: list[str] = []
    kernel = conv.message_and_aggregate

    def noted(*args: Any, **kwargs: Any) -> Tensor:
        calls.append("kernel")
        return kernel(*args, **kwargs)

    conv.message_and_aggregate = noted
    return calls


@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_sums_the_messages(name: str, flow: str) -> None:
    conv, arguments = build(name, flow=flow)
    calls, results = spy(conv), []
    assert conv.fuse
    for fuse in (True, False):
        conv.fuse = fuse
        given = {
            k: a.clone().requires_grad_() if a.is_floating_point() else a
            for k, a in arguments.items()
        }
        leaves = [a for a in given.values() if a.requires_grad]
        leaves += list(conv.parameters())
        out = flat(conv(**given))
        first = torch.autograd.grad(
            out.sin().sum(), leaves, create_graph=True, materialize_grads=True
        )
        scalar = sum(g.sin().sum() for g in first)
        second = torch.autograd.grad(scalar, leaves, materialize_grads=True)
        results.append([out, *first, *second])
    assert calls == ["kernel"]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


HOOKS = [
    f"register_{what}_forward{kind}hook"
    for what in ("propagate", "message", "aggregate")
    for kind in ("_pre_", "_")
]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", NAMES)
def test_hooks_of_messages_are_called(name: str, hook: str) -> None:
    conv, arguments = build(name)
    expected, heard = flat(conv(**arguments)), []
    getattr(conv, hook)(lambda *_: heard.append(hook))
    assert not conv.fuse
    torch.testing.assert_close(
        flat(conv(**arguments)), expected, rtol=1e-10, atol=1e-10
    )
    assert heard == [hook]


@pytest.mark.parametrize("name", NAMES)
def test_explainers_get_messages(name: str) -> None:
    conv, arguments = build(name)
    expected, calls = flat(conv(**arguments)), spy(conv)
    conv.explain = True
    number = arguments["edge_index"].shape[1]
    conv._edge_mask = torch.full((number,), 100.0)
    conv._loop_mask = torch.ones(number, dtype=torch.bool)
    torch.testing.assert_close(
        flat(conv(**arguments)), expected, rtol=1e-10, atol=1e-10
    )
    assert calls == []


@pytest.mark.parametrize("method", ["message", "aggregate", "update"])
def test_a_subclass_with_other_messages_has_no_kernel(method: str) -> None:
    class Other(TFNConv):
        pass

    assert Other("2x0e", "0e", "2x0e", 3).fuse
    setattr(Other, method, getattr(TFNConv, method))
    assert not Other("2x0e", "0e", "2x0e", 3).fuse
    Other.message_and_aggregate = TFNConv.message_and_aggregate  # type: ignore[method-assign]
    assert Other("2x0e", "0e", "2x0e", 3).fuse


def test_a_layer_without_a_kernel_forms_messages() -> None:
    class Copy(EquivariantConv):
        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return self.sum_messages(edge_index, (x, x))

        def message(self, x_j: Tensor) -> Tensor:
            return x_j

    conv = Copy()
    assert not conv.fuse
    out = conv(torch.eye(3), torch.tensor([[1, 2], [0, 0]]))
    assert out.tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(TypeError, match="on_edges"):
        conv.on_edges(torch.eye(3), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n in NAMES if n != "EGNNConv"])
def test_other_aggregations_take_messages(name: str) -> None:
    conv, arguments = build(name, aggr="mean")
    assert not conv.fuse
    assert flat(conv(**arguments)).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_copies_keep_the_choice(name: str) -> None:
    conv, _ = build(name)
    conv.fuse = False
    assert not copy.deepcopy(conv).fuse
    assert not pickle.loads(pickle.dumps(conv)).fuse


@pytest.mark.parametrize("name", NAMES)
def test_edge_index_of_pyg_and_sparse_matrices(name: str) -> None:
    conv, arguments = build(name)
    data = Data(num_nodes=NODES)
    order = arguments["edge_index"][0] + NODES * arguments["edge_index"][1]
    order = order.argsort()  # as a matrix of targets by sources has them
    for key, value in arguments.items():
        if key.startswith("edge"):
            dim = int(key == "edge_index")
            arguments[key] = value.index_select(dim, order)
    data.edge_index = arguments["edge_index"]
    expected, calls = flat(conv(**arguments)), spy(conv)
    index = EdgeIndex(data.edge_index, sparse_size=(NODES, NODES))
    found = flat(conv(**{**arguments, "edge_index": index}))
    assert torch.equal(found, expected)
    adj_t = ToSparseTensor(layout=torch.sparse_csr)(data).adj_t
    for fuse in (True, False):
        conv.fuse = fuse
        found = flat(conv(**{**arguments, "edge_index": adj_t}))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert calls == ["kernel", "kernel"]


def test_values_of_a_sparse_matrix_weigh_messages() -> None:
    conv, arguments = build("SEGNNConv")
    weight = arguments.pop("edge_weight")
    source, target = arguments["edge_index"]
    indices = torch.stack([target, source])
    adj_t = torch.sparse_coo_tensor(indices, weight, (NODES, NODES)).coalesce()
    order = (source + NODES * target).argsort()
    for key in ("edge_attr", "edge_sh"):
        if key in arguments:
            arguments[key] = arguments[key][order]
    edges = arguments.pop("edge_index")[:, order]
    expected = flat(conv(**arguments, edge_index=edges, edge_weight=weight[order]))
    unweighted = flat(conv(**arguments, edge_index=edges))
    assert (unweighted - expected).abs().max() > 1e-3
    for fuse in (True, False):
        conv.fuse = fuse
        found = flat(conv(**arguments, edge_index=adj_t))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_and_forward_mode(name: str) -> None:
    conv, arguments = build(name)
    x = arguments.pop("x")

    def function(x: Tensor) -> Tensor:
        return flat(conv(x=x, **arguments))

    batch = torch.stack([x, 2 * x])
    found = torch.func.vmap(function)(batch)
    expected = torch.stack([function(x) for x in batch])
    torch.testing.assert_close(found, expected)
    _, tangent = torch.func.jvp(function, (x,), (x,))
    (other,) = torch.autograd.functional.jvp(function, (x,), (x,))[1:]
    torch.testing.assert_close(tangent, other)


@pytest.mark.parametrize("rows", ["none", "one", "one less", "one more"])
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_every_edge_has_one_row(name: str, fuse: bool, rows: str) -> None:
    conv, arguments = build(name)
    conv.fuse = fuse
    for key, value in arguments.items():
        if not key.startswith("edge_") or key == "edge_index":
            continue
        wrong = {
            "none": value[:0],
            "one": value[:1],
            "one less": value[:-1],
            "one more": torch.cat([value, value[:1]]),
        }[rows]
        with pytest.raises(ValueError, match=r"one row of \w+ for each of \d+ edges"):
            conv(**{**arguments, key: wrong})


def layers() -> dict[str, EquivariantConv]:
    irreps = "4x0e+2x1o+1x2e"
    return {
        "SchNet": SchNetConv(4, 4, 5, 8),
        "PaiNN": PaiNNConv(4, 8),
        "EGNN": EGNNConv(4, 5, 4, 8),
        "EGNN, still": EGNNConv(4, 5, 4, update_pos=False),
        "TFN": TFNConv("4x0e", "0e+1o+2e", irreps, 8),
        "SEGNN": SEGNNConv("4x0e", "0e+1o+2e", irreps, edge_dim=8),
    }


@pytest.mark.parametrize("name", list(layers()))
def test_any_layer_takes_the_place_of_another(name: str) -> None:
    """One network, one line that differs; it has forces, smooth at the cutoff."""
    torch.manual_seed(0)
    embed = EdgeEmbedding(
        2.0, BesselBasis(8, 2.0), PolynomialCutoff(2.0), "0e+1o+2e"
    ).double()
    embedding, conv = torch.nn.Embedding(9, 4).double(), layers()[name].double()
    z = torch.randint(9, (6,))

    def features(pos: Tensor) -> Tensor:
        return conv.on_edges(embedding(z), embed(pos))

    pos = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    out = features(pos)
    assert out.shape == (6, conv.irreps_out.dim)
    (force,) = torch.autograd.grad(out.square().sum(), pos)
    assert force.abs().max() > 0
    # an atom just inside of the cutoff of another, and just outside
    inside, outside = pos.detach().clone(), pos.detach().clone()
    inside[0] = inside[1] + torch.tensor([2.0 - 1e-5, 0.0, 0.0])
    outside[0] = outside[1] + torch.tensor([2.0 + 1e-5, 0.0, 0.0])
    assert (features(inside) - features(outside)).abs().max() < 1e-3
