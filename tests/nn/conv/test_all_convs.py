"""What every convolution owes to its user, whichever of the five it is."""

from __future__ import annotations

import copy
import io
import pickle
import shutil
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks
from torch_geometric.loader import DataLoader
from torch_geometric.nn import HeteroConv, Sequential

from pyg_equivariant.kernels.c.build import compiler
from pyg_equivariant.nn import SEGNNConv
from pyg_equivariant.testing import (
    assert_equivariant,
    assert_permutation_equivariant,
)

GRAPHS = (
    "asymmetric",
    "two_molecules",
    "coincident",
    "collinear",
    "planar",
    "no_edges",
    "single_node",
    "empty",
)


def deviation(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """The largest difference, relative to the largest number."""
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        if b.numel():
            scale = b.detach().abs().max().clamp(min=1)
            worst = max(worst, float((a - b).detach().abs().max() / scale))
    return worst


@pytest.mark.parametrize("name", GRAPHS)
def test_commutes_with_rotations_reflections_and_translations(
    case: Any, graphs: dict[str, Data], name: str
) -> None:
    data = graphs[name]
    features = case.features(len(data.pos))

    def function(pos: Tensor, *features: Tensor) -> tuple[Tensor, ...]:
        return case(features, pos, data.edge_index)

    assert_equivariant(
        function, ["pos", *case.kinds], case.kinds_out, [data.pos, *features]
    )


@pytest.mark.parametrize("name", GRAPHS[:5])
def test_commutes_with_renumbering_nodes_and_edges(
    case: Any, graphs: dict[str, Data], name: str
) -> None:
    data = graphs[name]
    features = case.features(len(data.pos))

    def function(pos: Tensor, edge_index: Tensor, *features: Tensor) -> Any:
        return case(features, pos, edge_index)

    assert_permutation_equivariant(
        function,
        [data.pos, data.edge_index, *features],
        ["node", "edge_index", *("node" for _ in features)],
        ["node" for _ in case.kinds_out],
    )


def test_batches_equal_singles(case: Any, graphs: dict[str, Data]) -> None:
    names = ["asymmetric", "coincident", "no_edges", "single_node", "planar"]
    singles = [Data(pos=graphs[n].pos, edge_index=graphs[n].edge_index) for n in names]
    for single in singles:
        for k, feature in enumerate(case.features(len(single.pos))):
            single[f"x{k}"] = feature
    (batch,) = DataLoader(singles, batch_size=len(singles))

    def run(data: Data | Batch) -> tuple[Tensor, ...]:
        features = tuple(data[f"x{k}"] for k in range(len(case.kinds)))
        return case(features, data.pos, data.edge_index)

    found = run(batch)
    each = [run(single) for single in singles]
    expected = tuple(torch.cat(parts) for parts in zip(*each, strict=True))
    assert deviation(found, expected) <= 1e-12


def test_bipartite_graphs_equal_their_disjoint_union(case: Any) -> None:
    sources, targets = 5, 3
    pos = torch.randn(sources + targets, 3, dtype=torch.float64)
    features = case.features(sources + targets)
    edge_index = torch.tensor([[0, 1, 4, 2, 2], [0, 0, 1, 1, 0]])
    union = edge_index + torch.tensor([[0], [sources]])
    expected = tuple(out[sources:] for out in case(features, pos, union))
    pairs = tuple((f[:sources], f[sources:]) for f in features)
    found = case(pairs, (pos[:sources], pos[sources:]), edge_index)
    assert deviation(found, expected) <= 1e-12


def test_flow_turns_edges_around(case: Any, graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    features = case.features(len(data.pos))
    captured: list[Any] = []
    handle = case.conv.register_forward_pre_hook(lambda _, args: captured.append(args))
    expected = case(features, data.pos, data.edge_index)
    handle.remove()
    case.conv.flow = "target_to_source"
    (args,) = captured
    turned = [a.flip(0) if a is data.edge_index else a for a in args]
    found = case.conv(*turned)
    found = found if isinstance(found, tuple) else (found,)
    assert deviation(found, expected) == 0
    pairs = [
        (a, a) if isinstance(a, Tensor) and k == 0 else a for k, a in enumerate(turned)
    ]
    with pytest.raises(ValueError, match="edge_index"):
        case.conv(*pairs)


def test_edge_index_of_pyg_is_a_tensor_of_edges(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    features = case.features(len(data.pos))
    for order in ("row", "col"):
        sorted_index, _ = EdgeIndex(data.edge_index, sparse_size=(11, 11)).sort_by(
            order
        )
        plain = sorted_index.as_tensor()
        found = case(features, data.pos, sorted_index)
        expected = case(features, data.pos, plain)
        assert deviation(found, expected) == 0


def _names(conv: Any) -> list[str]:
    """The inputs of a layer, by name, in order."""
    return {
        "SchNetConv": ["x", "edge_index", "edge_length", "edge_attr"],
        "PaiNNConv": ["x", "vec", "edge_index", "edge_vec", "edge_attr"],
        "EGNNConv": ["x", "pos", "edge_index", "edge_attr"],
        "TFNConv": ["x", "edge_index", "edge_sh", "edge_attr"],
        "SEGNNConv": ["x", "edge_index", "edge_sh", "node_attr", "edge_attr"],
    }[type(conv).__name__]


def _capture(case: Any, features: Any, pos: Any, edge_index: Tensor) -> Any:
    """The arguments that a layer gets, and what it returns."""
    seen: list[Any] = []
    handle = case.conv.register_forward_pre_hook(lambda _, args: seen.append(args))
    out = case(features, pos, edge_index)
    handle.remove()
    return dict(zip(_names(case.conv), seen[0], strict=True)), out


def test_stands_in_a_sequential(case: Any, graphs: dict[str, Data]) -> None:
    data = graphs["asymmetric"]
    inputs, expected = _capture(
        case, case.features(len(data.pos)), data.pos, data.edge_index
    )
    names = ", ".join(inputs)
    outputs = ", ".join(("y", "w")[: len(expected)])
    model = Sequential(names, [(case.conv, f"{names} -> {outputs}")])
    found = model(*inputs.values())
    found = found if isinstance(found, tuple) else (found,)
    assert deviation(found, expected) == 0


def test_stands_in_a_hetero_conv(case: Any) -> None:
    pos = {"a": torch.randn(4, 3).double(), "b": torch.randn(3, 3).double()}
    features = {name: case.features(len(pos[name])) for name in pos}
    edges = {
        ("a", "to", "b"): torch.tensor([[0, 3, 1], [2, 1, 1]]),
        ("a", "to", "a"): torch.tensor([[0, 1, 2], [1, 0, 3]]),
    }
    other = copy.deepcopy(case.conv)
    hetero = HeteroConv(dict(zip(edges, (case.conv, other), strict=True)))
    kwargs: dict[str, dict[Any, Any]] = {}
    expected = {}
    for (source, _, target), edge_index in edges.items():
        pairs = tuple(zip(features[source], features[target], strict=True))
        if source == target:
            pairs, positions = features[source], pos[source]
        else:
            positions = (pos[source], pos[target])
        inputs, expected[target] = _capture(case, pairs, positions, edge_index)
        for name, value in inputs.items():
            key = (source, "to", target)
            if name.startswith("edge") or name == "node_attr":
                kwargs.setdefault(f"{name}_dict", {})[key] = value
    if "node_attr_dict" in kwargs:  # as PyG would hand it over: a pair where bipartite
        kwargs["node_attr_dict"][("a", "to", "b")] = (
            None,
            kwargs["node_attr_dict"][("a", "to", "b")],
        )
    positional = [{name: f[0] for name, f in features.items()}]
    if "vec" in inputs:
        positional.append({name: f[1] for name, f in features.items()})
    if "pos" in inputs:
        positional.append(pos)
    out = hetero(*positional, **kwargs)
    for name, found in out.items():
        found = found if isinstance(found, tuple) else (found,)
        assert deviation(found, expected[name]) == 0


def _leaves(case: Any, num_nodes: int) -> tuple[Tensor, ...]:
    return tuple(f.requires_grad_() for f in case.features(num_nodes))


def test_derivatives_are_right(case: Any) -> None:
    """First and second, with respect to features, positions and parameters."""
    edge_index = torch.tensor([[0, 1, 2, 0], [1, 0, 1, 2]])
    pos = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    features = _leaves(case, 3)
    parameters = [*case.conv.parameters()]  # perturbed in place by the check

    def function(pos: Tensor, *features: Tensor) -> tuple[Tensor, ...]:
        return case(features[: len(case.kinds)], pos, edge_index)

    inputs = (pos, *features, *parameters)
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_derivatives_are_right_where_coincident_atoms_move_together(case: Any) -> None:
    edge_index = torch.tensor([[0, 1, 2, 0, 1], [1, 0, 1, 2, 2]])
    points = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    features = _leaves(case, 3)

    def function(points: Tensor, *features: Tensor) -> tuple[Tensor, ...]:
        return case(features, points[[0, 0, 1]], edge_index)

    assert gradcheck(function, (points, *features), fast_mode=True)
    assert gradgradcheck(function, (points, *features), fast_mode=True)


def test_derivatives_are_finite_at_coincident_atoms(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["coincident"]
    pos = data.pos.clone().requires_grad_()
    out = case(case.features(len(pos)), pos, data.edge_index)
    (first,) = torch.autograd.grad(
        sum(o.square().sum() for o in out), pos, create_graph=True
    )
    wanted = [pos, *case.conv.parameters()]
    second = torch.autograd.grad(first.square().sum(), wanted, allow_unused=True)
    assert first.isfinite().all()
    assert first.abs().max() > 0
    assert all(g.isfinite().all() for g in second if g is not None)


def test_works_in_float32_and_under_autocast(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    features = case.features(len(data.pos))
    expected = case(features, data.pos, data.edge_index)
    case.conv.float()
    narrow = [f.float() for f in features]
    pos = data.pos.float().requires_grad_()
    found = case(narrow, pos, data.edge_index)
    assert all(o.dtype == torch.float32 for o in found)
    assert deviation(tuple(o.double() for o in found), expected) < 1e-4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = case(narrow, pos, data.edge_index)
    # what SEGNN compiles keeps float32
    exact = isinstance(case.conv, SEGNNConv) and compiler() is not None
    low, high = (0.0, 1e-4) if exact else (1e-6, 0.1)
    assert low < deviation(tuple(o.double() for o in found), expected) < high
    sum(o.float().square().sum() for o in found).backward()
    assert pos.grad is not None
    assert pos.grad.isfinite().all()


def test_copies_and_checkpoints_compute_the_same(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["asymmetric"]
    features = case.features(len(data.pos))
    expected = case(features, data.pos, data.edge_index)
    fresh = copy.deepcopy(case.conv)
    fresh.reset_parameters()
    assert (
        deviation(
            case._replace(conv=fresh)(features, data.pos, data.edge_index), expected
        )
        > 1e-3
    )
    file = io.BytesIO()
    torch.save(case.conv.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    copies = [fresh, copy.deepcopy(case.conv), pickle.loads(pickle.dumps(case.conv))]
    for conv in copies:
        found = case._replace(conv=conv)(features, data.pos, data.edge_index)
        assert deviation(found, expected) == 0
        assert repr(conv) == repr(case.conv)


def test_hooks_of_message_passing_run(case: Any, graphs: dict[str, Data]) -> None:
    data = graphs["asymmetric"]
    features = case.features(len(data.pos))
    expected = case(features, data.pos, data.edge_index)
    seen = []
    conv = case.conv
    handles = [
        conv.register_propagate_forward_pre_hook(lambda *_: seen.append("propagate")),
        conv.register_message_forward_pre_hook(lambda *_: seen.append("message")),
        conv.register_message_forward_hook(lambda _, inputs, out: 0 * out),
        conv.register_aggregate_forward_pre_hook(lambda *_: seen.append("aggregate")),
    ]
    silenced = case(features, data.pos, data.edge_index)
    assert seen == ["propagate", "message", "aggregate"]
    assert deviation(silenced, expected) > 1e-3
    for handle in handles:
        handle.remove()
    assert deviation(case(features, data.pos, data.edge_index), expected) == 0


def test_an_explainer_can_mask_edges(case: Any, graphs: dict[str, Data]) -> None:
    data = graphs["two_molecules"]
    features = case.features(len(data.pos))
    keep = torch.arange(data.edge_index.shape[1]) % 3 > 0
    inputs, whole = _capture(case, features, data.pos, data.edge_index)
    cut = [
        value[:, keep]
        if name == "edge_index"
        else value[keep]
        if name.startswith("edge")
        else value
        for name, value in inputs.items()
    ]
    expected = case.conv(*cut)
    expected = expected if isinstance(expected, tuple) else (expected,)
    mask = keep.to(data.pos.dtype)
    set_masks(case.conv, mask, data.edge_index, apply_sigmoid=False)
    found = case.conv(*inputs.values())
    found = found if isinstance(found, tuple) else (found,)
    clear_masks(case.conv)
    assert deviation(found, expected) <= 1e-12
    assert deviation(whole, expected) > 1e-3


def test_compiles_whole_and_once_for_all_batches(
    small_case: Any, graphs: dict[str, Data]
) -> None:
    case = small_case
    from torch._dynamo.testing import CompileCounterWithBackend

    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(case.conv, fullgraph=True, dynamic=True, backend=counter)
    parameters = [*case.conv.parameters()]
    frames = []
    for name in ("two_molecules", "asymmetric", "coincident", "planar"):
        data = graphs[name]
        features = _leaves(case, len(data.pos))
        pos = data.pos.clone().requires_grad_()
        leaves = [pos, *features, *parameters]
        results = []
        for conv in (case.conv, compiled):
            out = case._replace(conv=conv)(features, pos, data.edge_index)
            total = sum(o.square().sum() for o in out)
            grads = torch.autograd.grad(total, leaves, allow_unused=True)
            results.append((*out, *(g for g in grads if g is not None)))
        assert deviation(results[1], results[0]) <= 1e-12
        frames.append(counter.frame_count)
    assert frames[0] == frames[-1] > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a compiler")
def test_compiles_to_machine_code(small_case: Any, graphs: dict[str, Data]) -> None:
    torch.compiler.reset()
    compiled = torch.compile(small_case.conv, fullgraph=True, dynamic=True)
    for name in ("two_molecules", "planar"):
        data = graphs[name]
        features = _leaves(small_case, len(data.pos))
        pos = data.pos.clone().requires_grad_()
        results = []
        for conv in (small_case.conv, compiled):
            out = small_case._replace(conv=conv)(features, pos, data.edge_index)
            total = sum(o.square().sum() for o in out)
            grads = torch.autograd.grad(total, [pos, *features], allow_unused=True)
            results.append((*out, *(g for g in grads if g is not None)))
        assert deviation(results[1], results[0]) <= 1e-12


@pytest.mark.parametrize("what", ["width", "dtype", "integer", "edge"])
def test_bad_input_is_named(case: Any, graphs: dict[str, Data], what: str) -> None:
    data = graphs["asymmetric"]
    inputs, _ = _capture(case, case.features(len(data.pos)), data.pos, data.edge_index)
    name = "edge_attr" if what == "edge" else "x"
    change = {
        "width": lambda x: x[..., :-1],
        "edge": lambda x: torch.cat([x, x], dim=-1),
        "dtype": lambda x: x.float(),
        "integer": lambda x: x.long(),
    }[what]
    inputs[name] = change(inputs[name])
    error = ValueError if what in ("width", "edge") else TypeError
    with pytest.raises(error, match=r"float32" if what == "dtype" else name):
        case.conv(*inputs.values())


def test_sums_through_torch_scatter(case: Any, graphs: dict[str, Data]) -> None:
    torch_scatter = pytest.importorskip("torch_scatter")
    from torch_geometric.nn.aggr import SumAggregation

    class ScatterSum(SumAggregation):
        def forward(self, x: Tensor, index: Tensor, **kwargs: Any) -> Tensor:
            size = kwargs["dim_size"]
            return torch_scatter.scatter_add(x, index, dim=0, dim_size=size)

    data = graphs["two_molecules"]
    features = case.features(len(data.pos))
    expected = case(features, data.pos, data.edge_index)
    case.conv.aggr_module = ScatterSum()
    assert deviation(case(features, data.pos, data.edge_index), expected) <= 1e-12
