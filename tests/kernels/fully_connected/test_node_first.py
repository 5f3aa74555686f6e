"""Channels mixed at the nodes give what channels mixed at the edges give."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels import NodeFirst, dispatch
from pyg_equivariant.kernels.tensor_product import reference
from pyg_equivariant.o3 import Irreps, TensorProductPaths

GRAPHS = {"some": (6, 5, 40), "many": (30, 40, 700), "none": (3, 2, 0)}


def edges_of(graph: str) -> tuple[torch.Tensor, int, int]:
    sources, targets, edges = GRAPHS[graph]
    ends = torch.randint(sources, (edges,)), torch.randint(targets, (edges,))
    return torch.stack(ends), sources, targets


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("others", ["0x0e", "2x0e", "1x0e+1x1o"])
def test_is_the_map_of_gathered_features(graph: str, others: str) -> None:
    irreps, sh = Irreps("5x0e+3x1o+2x2e"), Irreps.spherical_harmonics(3)
    both = irreps + irreps + Irreps(others).remove_zero_multiplicities()
    product = TensorProductPaths.fully_connected(both, sh, "7x0e+3x1o+2x2e")
    multiply = NodeFirst(product, len(irreps))
    edge_index, sources, targets = edges_of(graph)
    count = edge_index.shape[1]
    shapes = (targets, irreps.dim), (sources, irreps.dim), (count, Irreps(others).dim)
    tensors = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in (*shapes, (count, sh.dim), (product.weight_numel,))
    ]

    def at_nodes(x_i, x_j, e, y, w):
        return multiply(x_i, x_j, e if e.shape[1] else None, y, w, edge_index)

    def at_edges(x_i, x_j, e, y, w):
        j, i = edge_index
        x = torch.cat([x_i[i], x_j[j], e], dim=-1)
        return reference.tensor_product(product, x, y, w)

    results = []
    for function in (at_nodes, at_edges):
        torch.manual_seed(1)
        out = function(*tensors)
        scalar = (out * torch.randn_like(out)).sum() + 0 * tensors[2].sum()
        first = torch.autograd.grad(scalar, tensors, create_graph=True)
        scalar = sum((f * torch.randn_like(f)).sum() for f in first)
        scalar = scalar + sum(0 * t.sum() for t in tensors)
        results.append([out, *first, *torch.autograd.grad(scalar, tensors)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-10)


def test_ends_of_other_irreps_are_refused() -> None:
    product = TensorProductPaths.fully_connected("2x0e+2x1o", "0e+1o", "2x0e")
    with pytest.raises(ValueError, match="twice the first"):
        NodeFirst(product, 1)


def small() -> tuple[NodeFirst, list[torch.Tensor], torch.Tensor]:
    """A product, its arguments, and edges from 5 nodes to 4."""
    product = TensorProductPaths.fully_connected(
        "2x0e+1o+2x0e+1o+3x0e", "0e+1o", "2x0e+1o"
    )
    edge_index = torch.stack([torch.randint(5, (7,)), torch.randint(4, (7,))])
    shapes = (4, 5), (5, 5), (7, 3), (7, 4), (product.weight_numel,)
    return NodeFirst(product, 2), [torch.randn(shape) for shape in shapes], edge_index


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    ("n", "name"), [(2, "edge_attr"), (3, "edge_sh"), (4, "weight")]
)
def test_other_rows_are_refused(
    n: int, name: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(dispatch, "has_c", lambda: False)
    multiply, arguments, edge_index = small()
    right = arguments[n]
    for t in (
        right[:1],
        right[:-1],
        torch.cat([right, right[:1]]),
        right[:0],
        right[None],
    ):
        wrong = [*arguments[:n], t, *arguments[n + 1 :]]
        with pytest.raises(ValueError, match=rf"expected {name} \("):
            multiply(*wrong, edge_index)
    with pytest.raises(ValueError, match=r"expected edge_attr .* got none"):
        multiply(*arguments[:2], None, *arguments[3:], edge_index)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("end", "bad"), [(0, -1), (0, 5), (1, -1), (1, 4)])
def test_edges_to_nowhere_are_refused(
    end: int, bad: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(dispatch, "has_c", lambda: False)
    multiply, arguments, edge_index = small()
    edge_index[end, 3] = bad
    with pytest.raises(IndexError):
        multiply(*arguments, edge_index)


def test_int32_plain_and_compiled_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    multiply, arguments, edge_index = small()
    expected = multiply(*arguments, edge_index)
    assert torch.equal(multiply(*arguments, edge_index.int()), expected)
    monkeypatch.setattr(dispatch, "has_c", lambda: False)
    plain = multiply(*arguments, edge_index.int())
    torch.testing.assert_close(plain, expected)


def test_products_without_kernels_run_too() -> None:
    product = TensorProductPaths.fully_connected(
        "2x0e+1o+2x0e+1o", "0e+2x1o", "2x0e+1o"
    )
    multiply = NodeFirst(product, 2)
    edge_index = torch.tensor([[1, 2, 0], [0, 0, 1]])
    x, y = torch.randn(3, 5), torch.randn(3, 7)
    w = torch.randn(product.weight_numel)
    gathered = torch.cat([x[edge_index[1]], x[edge_index[0]]], dim=-1)
    expected = reference.tensor_product(product, gathered, y, w)
    torch.testing.assert_close(multiply(x, x, None, y, w, edge_index), expected)


def test_compiled_graphs_refuse_edges_to_nowhere() -> None:
    multiply, arguments, edge_index = small()
    function = torch.compile(multiply.__call__, fullgraph=True, backend="aot_eager")
    expected = multiply(*arguments, edge_index)
    torch.testing.assert_close(function(*arguments, edge_index), expected)
    edge_index[0, 3] = 5
    with pytest.raises(IndexError):
        function(*arguments, edge_index)
