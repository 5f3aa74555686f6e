"""What every layer of the registry owes to its user."""

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


def deviation(found: Any, expected: Any) -> float:
    """The largest difference, relative to the largest number."""
    worst = 0.0
    if isinstance(found, Tensor):
        found, expected = (found,), (expected,)
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
    x = case.features(len(data.pos))

    def function(pos: Tensor, x: Tensor) -> Tensor:
        return case(x, pos, data.edge_index)

    irreps = case.conv.irreps_in, case.conv.irreps_out
    kinds = ["pos", irreps[0]], [irreps[1]]
    assert_equivariant(function, *kinds, [data.pos, x], group=case.group)


@pytest.mark.parametrize("name", GRAPHS[:5])
def test_commutes_with_renumbering_nodes_and_edges(
    case: Any, graphs: dict[str, Data], name: str
) -> None:
    data = graphs[name]
    x = case.features(len(data.pos))

    def function(pos: Tensor, edge_index: Tensor, x: Tensor) -> Tensor:
        return case(x, pos, edge_index)

    assert_permutation_equivariant(
        function,
        [data.pos, data.edge_index, x],
        ["node", "edge_index", "node"],
        ["node"],
    )


def test_batches_equal_singles(case: Any, graphs: dict[str, Data]) -> None:
    names = ["asymmetric", "coincident", "no_edges", "single_node", "planar"]
    singles = [Data(pos=graphs[n].pos, edge_index=graphs[n].edge_index) for n in names]
    for single in singles:
        single.x = case.features(len(single.pos))
    (batch,) = DataLoader(singles, batch_size=len(singles))

    def run(data: Data | Batch) -> Tensor:
        return case(data.x, data.pos, data.edge_index)

    assert (
        deviation(run(batch), torch.cat([run(single) for single in singles])) <= 1e-12
    )


def test_bipartite_graphs_equal_their_disjoint_union(
    case: Any, bipartite: Any, as_tuple: Any
) -> None:
    sources, targets = 5, 3
    pos = torch.randn(sources + targets, 3, dtype=torch.float64)
    union = torch.tensor([[0, 1, 4, 2, 2], [0, 0, 1, 1, 0]])
    union[1] += sources
    given = case.arguments(case.features(sources + targets), pos, union)
    expected = tuple(out[sources:] for out in as_tuple(case.conv(**given)))
    for fuse in (case.conv.fuse, False):
        case.conv.fuse = fuse
        found = as_tuple(case.conv(**bipartite(given, sources)))
        assert deviation(found, expected) <= 1e-12


def test_flow_turns_edges_around(
    case: Any, graphs: dict[str, Data], as_tuple: Any
) -> None:
    data = graphs["two_molecules"]
    given = case.arguments(case.features(len(data.pos)), data.pos, data.edge_index)
    expected = as_tuple(case.conv(**given))
    case.conv.flow = "target_to_source"
    given["edge_index"] = data.edge_index.flip(0)
    assert deviation(as_tuple(case.conv(**given)), expected) == 0
    first = next(iter(given))
    given[first] = (given[first], given[first])
    with pytest.raises(ValueError, match="edge_index"):
        case.conv(**given)


def test_explainers_get_messages_of_either_flow(
    case: Any, graphs: dict[str, Data], as_tuple: Any
) -> None:
    data = graphs["two_molecules"]
    given = case.arguments(case.features(len(data.pos)), data.pos, data.edge_index)
    expected = as_tuple(case.conv(**given))
    layer = getattr(case.conv, "conv", case.conv)
    layer.explain = True
    number = data.edge_index.shape[1]
    layer._edge_mask = torch.full((number,), 100.0)
    layer._loop_mask = torch.ones(number, dtype=torch.bool)
    assert deviation(as_tuple(case.conv(**given)), expected) <= 1e-12
    case.conv.flow = "target_to_source"
    given["edge_index"] = data.edge_index.flip(0)
    assert deviation(as_tuple(case.conv(**given)), expected) <= 1e-12


def test_edge_index_of_pyg_is_a_tensor_of_edges(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    x = case.features(len(data.pos))
    for order in ("row", "col"):
        sorted_index, _ = EdgeIndex(data.edge_index, sparse_size=(11, 11)).sort_by(
            order
        )
        plain = sorted_index.as_tensor()
        assert torch.equal(case(x, data.pos, sorted_index), case(x, data.pos, plain))


def test_stands_in_a_sequential(
    case: Any, graphs: dict[str, Data], as_tuple: Any
) -> None:
    data = graphs["asymmetric"]
    inputs = case.arguments(case.features(len(data.pos)), data.pos, data.edge_index)
    expected = as_tuple(case.conv(**inputs))
    names, outputs = ", ".join(inputs), ", ".join(("y", "w")[: len(expected)])
    model = Sequential(names, [(case.conv, f"{names} -> {outputs}")])
    assert deviation(as_tuple(model(*inputs.values())), expected) == 0


def test_stands_in_a_hetero_conv(case: Any, bipartite: Any, as_tuple: Any) -> None:
    pos = {"a": torch.randn(4, 3).double(), "b": torch.randn(3, 3).double()}
    x = {name: case.features(len(p)) for name, p in pos.items()}
    across = torch.tensor([[0, 3, 1], [6, 5, 5]])
    within = torch.tensor([[0, 1, 2], [1, 0, 3]])
    whole = torch.cat([x["a"], x["b"]]), torch.cat([pos["a"], pos["b"]])
    inputs = {
        ("a", "to", "b"): bipartite(case.arguments(*whole, across), 4),
        ("a", "to", "a"): case.arguments(x["a"], pos["a"], within),
    }
    other = copy.deepcopy(case.conv)
    hetero = HeteroConv(dict(zip(inputs, (case.conv, other), strict=True)))
    nodes: dict[str, dict[str, Tensor]] = {}
    edges: dict[str, dict[Any, Any]] = {}
    for (source, to, target), given in inputs.items():
        for name, value in given.items():
            if value is None:
                continue
            if name in ("x", "vec", "pos"):
                pair = value if isinstance(value, tuple) else (value, value)
                ends = {source: pair[0], target: pair[1]}
                nodes[name] = ends | nodes.get(name, {})
            else:
                edges.setdefault(f"{name}_dict", {})[source, to, target] = value
    by_name = {f"{name}_dict": value for name, value in nodes.items()}
    first = f"{next(iter(given))}_dict"
    out = hetero(by_name.pop(first), **by_name, **edges)
    for (_, _, target), given in inputs.items():
        expected = as_tuple(case.conv(**given))
        assert deviation(as_tuple(out[target]), expected) == 0


def _leaf(case: Any, num_nodes: int) -> Tensor:
    return case.features(num_nodes).requires_grad_()


def test_derivatives_are_right(case: Any) -> None:
    """First and second, with respect to features, positions and parameters."""
    edge_index = torch.tensor([[0, 1, 2, 0], [1, 0, 1, 2]])
    pos = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    parameters = [*case.conv.parameters()]  # perturbed in place by the check

    def function(pos: Tensor, x: Tensor, *parameters: Tensor) -> Tensor:
        return case(x, pos, edge_index)

    inputs = (pos, _leaf(case, 3), *parameters)
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_derivatives_are_right_where_coincident_atoms_move_together(case: Any) -> None:
    edge_index = torch.tensor([[0, 1, 2, 0, 1], [1, 0, 1, 2, 2]])
    points = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def function(points: Tensor, x: Tensor) -> Tensor:
        return case(x, points[[0, 0, 1]], edge_index)

    x = case.features(3)
    if type(case.conv).__name__ in ("EGNNConv", "RadialFieldConv"):
        x[:, -3:] = 0  # none of the atoms has moved yet
    inputs = (points, x.requires_grad_())
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_derivatives_are_finite_at_coincident_atoms(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["coincident"]
    pos = data.pos.clone().requires_grad_()
    out = case(case.features(len(pos)), pos, data.edge_index)
    (first,) = torch.autograd.grad(out.square().sum(), pos, create_graph=True)
    leaves = [pos, *case.conv.parameters()]
    second = torch.autograd.grad(first.square().sum(), leaves, allow_unused=True)
    assert first.isfinite().all()
    assert first.abs().max() > 0
    assert all(g.isfinite().all() for g in second if g is not None)


@pytest.mark.parametrize("kind", ["is_grads_batched", "vmap"])
@pytest.mark.parametrize("fuse", [True, False])
def test_gradients_in_batches(case: Any, fuse: bool, kind: str) -> None:
    """First, second and third, with respect to features, positions and parameters."""
    case.conv.fuse = fuse
    edge_index = torch.tensor([[0, 1, 2, 0, 3], [1, 0, 1, 2, 1]])
    pos = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    inputs = [_leaf(case, 4), pos, *case.conv.parameters()]
    outputs: Any = [case(*inputs[:2], edge_index)]

    def gradients(*grads: Tensor, **options: bool) -> tuple[Tensor, ...]:
        return torch.autograd.grad(outputs, inputs, grads, create_graph=True, **options)

    for _ in range(3):
        batches = [torch.randn(3, *out.shape, dtype=out.dtype) for out in outputs]
        if kind == "vmap":
            found = torch.func.vmap(gradients)(*batches)
        else:
            found = gradients(*batches, is_grads_batched=True)
        rows = [gradients(*grads) for grads in zip(*batches, strict=True)]
        expected = [torch.stack(row) for row in zip(*rows, strict=True)]
        assert deviation(found, expected) <= 1e-11
        outputs = gradients(*outputs)


def test_works_in_float32_and_under_autocast(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["two_molecules"]
    x = case.features(len(data.pos))
    expected = case(x, data.pos, data.edge_index)
    case.conv.float()
    pos = data.pos.float().requires_grad_()
    found = case(x.float(), pos, data.edge_index)
    assert found.dtype == torch.float32
    assert deviation(found.double(), expected) < 1e-4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = case(x.float(), pos, data.edge_index)
    # what SEGNN compiles keeps float32, the others round
    assert deviation(found.double(), expected) < 0.1
    if not case.conv.__class__.__name__.startswith("SEGNN"):
        assert deviation(found.double(), expected) > 1e-6
    found.float().square().sum().backward()
    assert pos.grad is not None
    assert pos.grad.isfinite().all()


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("fuse", [True, False])
def test_degenerate_graphs_in_half_precision(
    case: Any, graphs: dict[str, Data], fuse: bool, dtype: torch.dtype, autocast: bool
) -> None:
    """Finite, and twice differentiable, also where features are zero."""
    case.conv.fuse = fuse
    exact = copy.deepcopy(case.conv)
    kept = torch.float32 if autocast else dtype
    case.conv.to(kept)
    for name in ("asymmetric", "coincident", "collinear", "no_edges", "single_node"):
        pos, edge_index = graphs[name].pos, graphs[name].edge_index
        given = case.features(len(pos)).to(dtype)
        for features in (given, torch.zeros_like(given)):
            leaves = [t.to(kept).requires_grad_() for t in (features, pos)]
            wanted = [*leaves, *case.conv.parameters()]
            with torch.autocast("cpu", dtype=dtype, enabled=autocast):
                out = case(*leaves, edge_index)
                first = torch.autograd.grad(
                    out.float().sum(),
                    wanted,
                    create_graph=True,
                    materialize_grads=True,
                )
                total = sum(t.float().sum() for t in first[:2])
                second = torch.autograd.grad(total, wanted, materialize_grads=True)
            for t in (out, *first, *second):
                assert t.isfinite().all(), name
            wide = [t.detach().double() for t in leaves]
            expected = case._replace(conv=exact)(*wide, edge_index)
            assert deviation(out.double(), expected) < 0.1


def test_messages_of_half_precision_are_summed_in_float32(
    case: Any, graphs: dict[str, Data], as_tuple: Any
) -> None:
    """Added one by one, eight binary digits count to 256 and no farther."""
    data, case.conv.fuse = graphs["asymmetric"], False
    case.conv.bfloat16()
    seen: list[torch.dtype] = []
    case.conv.aggr_module.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].dtype)
    )
    x, pos = case.features(6, torch.bfloat16), data.pos.bfloat16()
    assert case(x, pos, data.edge_index).dtype == torch.bfloat16
    assert set(seen) == {torch.float32}


def test_copies_and_checkpoints_compute_the_same(
    case: Any, graphs: dict[str, Data]
) -> None:
    data = graphs["asymmetric"]
    given = case.features(len(data.pos)), data.pos, data.edge_index
    expected = case(*given)
    fresh = copy.deepcopy(case.conv)
    fresh.reset_parameters()
    assert deviation(case._replace(conv=fresh)(*given), expected) > 1e-3
    file = io.BytesIO()
    torch.save(case.conv.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    copies = [fresh, copy.deepcopy(case.conv), pickle.loads(pickle.dumps(case.conv))]
    for conv in copies:
        assert torch.equal(case._replace(conv=conv)(*given), expected)
        assert repr(conv) == repr(case.conv)


def test_an_explainer_can_mask_edges(
    case: Any, graphs: dict[str, Data], as_tuple: Any
) -> None:
    if type(case.conv).__name__ == "SE3TransformerConv":
        pytest.skip("a masked edge keeps its share of the softmax, as in PyG's GATConv")
    data = graphs["two_molecules"]
    keep = torch.arange(data.edge_index.shape[1]) % 3 > 0
    inputs = case.arguments(case.features(len(data.pos)), data.pos, data.edge_index)
    whole = as_tuple(case.conv(**inputs))
    cut = {
        name: value[..., keep] if name == "edge_index" else value[keep]
        for name, value in inputs.items()
        if name.startswith("edge") and value is not None
    }
    expected = as_tuple(case.conv(**inputs | cut))
    mask = keep.to(data.pos.dtype)
    set_masks(case.conv, mask, data.edge_index, apply_sigmoid=False)
    found = as_tuple(case.conv(**inputs))
    clear_masks(case.conv)
    assert deviation(found, expected) <= 1e-12
    assert deviation(whole, expected) > 1e-3


def _assert_compiled(case: Any, compiled: Any, data: Data) -> None:
    """Outputs and derivatives with respect to all that a layer reads."""
    given = case.arguments(case.features(len(data.pos)), data.pos, data.edge_index)
    leaves = {
        name: value.detach()
        .clone(memory_format=torch.contiguous_format)
        .requires_grad_()
        for name, value in given.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    inputs = [*leaves.values(), *case.conv.parameters()]
    results = []
    for conv in (case.conv, compiled):
        out = conv(**given | leaves)
        out = out if isinstance(out, tuple) else (out,)
        total = sum(o.square().sum() for o in out)
        grads = torch.autograd.grad(total, inputs, allow_unused=True)
        results.append((*out, *(g for g in grads if g is not None)))
    assert deviation(results[1], results[0]) <= 1e-12


def test_compiles_whole_and_once_for_all_batches(
    small_case: Any, graphs: dict[str, Data]
) -> None:
    from torch._dynamo.testing import CompileCounterWithBackend

    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    options = {"fullgraph": True, "dynamic": True}
    compiled = torch.compile(small_case.conv, backend=counter, **options)
    frames = []
    for name in ("two_molecules", "asymmetric", "coincident", "planar"):
        _assert_compiled(small_case, compiled, graphs[name])
        frames.append(counter.frame_count)
    assert frames[0] == frames[-1] > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a compiler")
def test_compiles_to_machine_code(small_case: Any, graphs: dict[str, Data]) -> None:
    torch.compiler.reset()
    compiled = torch.compile(small_case.conv, fullgraph=True, dynamic=True)
    for name in ("two_molecules", "planar"):
        _assert_compiled(small_case, compiled, graphs[name])


@pytest.mark.parametrize("what", ["width", "dtype", "integer", "edge"])
def test_bad_input_is_named(case: Any, graphs: dict[str, Data], what: str) -> None:
    data = graphs["asymmetric"]
    inputs = case.arguments(case.features(len(data.pos)), data.pos, data.edge_index)
    name = "edge_attr" if what == "edge" else next(iter(inputs))
    change = {
        "width": lambda x: x[..., :-1],
        "edge": lambda x: torch.cat([x, x], dim=-1),
        "dtype": lambda x: x.float(),
        "integer": lambda x: x.long(),
    }[what]
    inputs[name] = change(inputs[name])
    error = ValueError if what in ("width", "edge") else TypeError
    with pytest.raises(error, match=r"float32" if what == "dtype" else name):
        case.conv(**inputs)


def test_sums_through_torch_scatter(case: Any, graphs: dict[str, Data]) -> None:
    torch_scatter = pytest.importorskip("torch_scatter")
    from torch_geometric.nn.aggr import SumAggregation

    class ScatterSum(SumAggregation):
        def forward(self, x: Tensor, index: Tensor, **kwargs: Any) -> Tensor:
            size = kwargs["dim_size"]
            return torch_scatter.scatter_add(x, index, dim=0, dim_size=size)

    data = graphs["two_molecules"]
    given = case.features(len(data.pos)), data.pos, data.edge_index
    expected = case(*given)
    case.conv.aggr_module, case.conv.fuse = ScatterSum(), False
    assert deviation(case(*given), expected) <= 1e-12
