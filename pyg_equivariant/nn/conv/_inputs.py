"""What enters a convolution: features of one set of nodes or of two, checked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import is_sparse

from pyg_equivariant.graph import Graph
from pyg_equivariant.kernels import check_edge_index, check_nodes
from pyg_equivariant.nn.module import check_dtype, check_features
from pyg_equivariant.o3 import Irreps, check_real, check_tensor

_VECTORS = ("edge_weight", "edge_length")
EQUIVARIANT_AGGR = ("add", "sum", "mean")


def as_pair(x: Any, flow: str, name: str = "x", dims: int = 2) -> Any:
    """The pair (of sources, of targets), for which one tensor may stand.

    Raises:
        TypeError: if it is neither.
        ValueError: if a tensor has another number of dimensions than ``dims``, or a
            pair meets messages that run from targets to sources.
    """
    if isinstance(x, Tensor):
        _check_dims(x, dims, name)
        return x, x
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise TypeError(
            f"{name} is a torch.Tensor, or a pair (of sources, of targets), got "
            f"{type(x).__name__}"
        )
    for features in x:
        if features is not None:
            _check_dims(features, dims, name)
    if flow != "source_to_target":
        raise ValueError(
            f"a pair of features belongs to (sources, targets) of messages, but "
            f"flow={flow!r} sends them back; keep flow='source_to_target', swap the "
            "pair and pass edge_index.flip(0)"
        )
    return x


def _check_dims(x: Any, dims: int, name: str) -> None:
    check_tensor(x, name)
    if x.dim() != dims:
        raise ValueError(
            f"expected {name} of {dims} dimensions, one row for each node, got shape "
            f"{tuple(x.shape)}"
        )


def of_targets(x: Any) -> Tensor | None:
    """What targets carry; hetero graphs hand over the pair (of sources, of targets)."""
    return x[1] if isinstance(x, (tuple, list)) else x


def known_targets(x: Tensor | None, what: str) -> Tensor:
    """Features of the targets, refused where there are none of them.

    Args:
        x: features of the targets.
        what: needs them, with its verb.

    Raises:
        ValueError: if they are missing.
    """
    if x is None:
        raise ValueError(
            f"{what} features of the targets too, got x with None in their place"
        )
    return x


def check_scalars(x: Tensor | None, channels: int, name: str, like: Tensor) -> None:
    """Refuse ``x`` unless it holds ``channels`` numbers, of the dtype of ``like``.

    Raises:
        TypeError: if ``x`` is not floating-point, or of another dtype.
        ValueError: if it has another last dimension, or is missing.
    """
    if x is None:
        if channels:
            raise ValueError(
                f"{name} is missing: expected {channels} numbers on its last dimension"
            )
        return
    check_tensor(x, name)
    if not x.is_floating_point():
        raise TypeError(
            f"{name} holds real numbers: expected a floating-point tensor, got "
            f"{x.dtype}; convert it with .to({like.dtype})"
        )
    if x.dim() == 0 or x.shape[-1] != channels:
        raise ValueError(
            f"expected {channels} numbers on the last dimension of {name}, got a "
            f"tensor of shape {tuple(x.shape)}"
        )
    check_dtype(x, like, name)


def check_edges(count: int, inputs: dict[str, Any]) -> None:
    """Refuse tensors that do not have one row for every edge.

    Args:
        count: the number of edges.
        inputs: by name; pairs belong to nodes and are not looked at.

    Raises:
        ValueError: if one has more rows, or fewer.
    """
    for name, x in inputs.items():
        if isinstance(x, Tensor) and (x.dim() == 0 or x.shape[0] != count):
            raise ValueError(
                f"expected one row of {name} for each of {count} edges, got shape "
                f"{tuple(x.shape)}; all that a layer takes of edges has one row for "
                "each column of edge_index"
            )


def check_edge_inputs(edge_index: Any, **inputs: Tensor | None) -> None:
    """Refuse inputs of edges that are not matrices with one row for every edge.

    Args:
        edge_index: the edges, or a sparse matrix of adjacency.
        inputs: by name; of ``edge_weight`` and ``edge_length`` vectors.

    Raises:
        TypeError: if the edges are no tensor.
        ValueError: if they are not two rows of integers, or a shape does not fit.
    """
    if is_sparse(edge_index):
        _check_adjacency(edge_index)
        count = (
            edge_index._nnz() if isinstance(edge_index, Tensor) else edge_index.nnz()
        )
    else:
        check_edge_index(edge_index)
        count = edge_index.shape[1]
    check_edges(count, inputs)
    for name, x in inputs.items():
        dims = 1 if name in _VECTORS else 2
        if x is not None and x.dim() != dims:
            raise ValueError(
                f"expected {name} of {dims} dimensions, one row for each edge, got "
                f"shape {tuple(x.shape)}"
            )


def _check_adjacency(matrix: Any) -> None:
    if isinstance(matrix, Tensor) and matrix.dim() != 2:
        raise ValueError(
            f"edge_index as a sparse matrix of adjacency has two dimensions, got "
            f"{matrix.layout} of shape {tuple(matrix.shape)}"
        )


def check_places(
    x: Tensor, pos: Tensor, edge_index: Tensor, num_sources: int | None = None
) -> None:
    """Refuse positions that do not belong to the nodes of ``x``, or edges of others.

    There are ``num_sources`` where edges come from, if these are not the same nodes.

    Raises:
        TypeError: if these are no tensors, or of other dtypes.
        ValueError: if shapes or devices do not fit.
        IndexError: if an edge points outside.
    """
    check_tensor(x, "x")
    check_real(pos, "pos")
    check_dtype(pos, x, "pos")
    if pos.shape != (x.shape[0], 3):
        raise ValueError(
            f"expected pos ({x.shape[0]}, 3), one row for each node of x, got shape "
            f"{tuple(pos.shape)}"
        )
    check_edge_index(edge_index, x)
    num_sources = x.shape[0] if num_sources is None else num_sources
    check_nodes(edge_index, num_sources, x.shape[0])


def check_ends(x: Any, graph: Graph, bipartite: bool = True) -> None:
    """Refuse features of one set of nodes where edges join two.

    Raises:
        ValueError: if ``x`` is not the pair (of sources, of targets) of a graph that
            has sources of its own, or the layer is not ``bipartite``.
    """
    if graph.sources is None:
        return
    sizes = [graph.sources.shape[0], graph.pos.shape[0]]
    edges = f"these edges lead from {sizes[0]} nodes to {sizes[1]} others"
    if not bipartite:
        raise ValueError(
            f"{edges}, which this layer does not take; use SchNetConv, TFNConv or "
            "SEGNNConv"
        )
    if not isinstance(x, (tuple, list)):
        raise ValueError(
            f"{edges}: expected x as the pair (of sources, of targets), such as "
            f"(x, x[index]), got {type(x).__name__}"
        )
    found = [size if y is None else len(y) for y, size in zip(x, sizes, strict=False)]
    if found != sizes:
        raise ValueError(f"{edges}: expected so many rows of x, got {found}")


def check_rows(x: Tensor | None, count: int, name: str, of: str = "nodes") -> None:
    """Refuse ``x`` unless it is missing or has one row for each of ``count``.

    Raises:
        ValueError: if it has more, or fewer.
    """
    if x is not None and (x.dim() == 0 or x.shape[0] != count):
        raise ValueError(
            f"expected one row of {name} for each of the {count} {of} of x, got shape "
            f"{tuple(x.shape)}"
        )


def join_envelopes(f: OptTensor, edge_weight: OptTensor) -> OptTensor:
    """The product of two envelopes ``(|E|,)``, either of which may be missing."""
    if f is None or edge_weight is None:
        return edge_weight if f is None else f
    return f * edge_weight


def check_vector(x: Tensor | None, name: str, like: Tensor) -> None:
    """Refuse ``x`` unless it is missing or has one number for every edge.

    Raises:
        TypeError: if it does not hold real numbers, of the dtype of ``like``.
        ValueError: if it has another shape.
    """
    if x is None:
        return
    check_real(x, name)
    check_dtype(x, like, name)
    if x.dim() != 1:
        raise ValueError(
            f"expected {name} of shape (|E|,), one number for every edge, got shape "
            f"{tuple(x.shape)}"
        )


def complete(x: Tensor, irreps: Irreps) -> Tensor:
    """Features of ``irreps``; where only the first block came, the others are zero."""
    check_tensor(x, "x")
    if x.dim() != 2:
        raise ValueError(f"expected x (|V|, {irreps.dim}), got shape {tuple(x.shape)}")
    missing = irreps.dim - x.shape[-1]
    if missing and x.shape[-1] == irreps[:1].dim:
        return torch.cat([x, x.new_zeros(*x.shape[:-1], missing)], dim=-1)
    check_features(x, irreps)
    return x


def check_equivariant_aggr(aggr: Any) -> None:
    """Refuse aggregations by name that act component by component.

    Raises:
        ValueError: if ``aggr`` is neither a sum nor a mean.
    """
    if isinstance(aggr, str) and aggr not in EQUIVARIANT_AGGR:
        raise ValueError(
            f"aggr is one of {EQUIVARIANT_AGGR}, got {aggr!r}, which would act on the "
            "components of vectors one by one and break equivariance"
        )


def check_residual(residual: bool | None, before: Any, after: Any) -> bool:
    """Whether to add the input: as asked for, by default where both agree.

    Raises:
        ValueError: if it is asked for and they do not.
    """
    if residual and before != after:
        raise ValueError(
            f"a residual needs equal sizes, got {before} and {after}; pass "
            "residual=False"
        )
    return before == after if residual is None else residual


def check_positive(value: torch.types.Number | None, name: str) -> None:
    """Refuse what is not a positive number.

    Raises:
        ValueError: if it is not.
    """
    if value is not None and not value > 0:
        raise ValueError(f"{name} is a positive number or None, got {value}")
