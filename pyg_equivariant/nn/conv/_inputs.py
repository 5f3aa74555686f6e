"""What enters a convolution: features of one set of nodes or of two, checked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_equivariant.nn.module import check_dtype, check_features
from pyg_equivariant.o3 import Irreps

EQUIVARIANT_AGGR = ("add", "sum", "mean")


def as_pair(x: Any, flow: str) -> Any:
    """The pair (of sources, of targets), for which one tensor may stand.

    Raises:
        ValueError: if a pair meets messages that run from targets to sources.
    """
    if isinstance(x, Tensor):
        return x, x
    if flow != "source_to_target":
        raise ValueError(
            f"a pair of features belongs to (sources, targets) of messages, but "
            f"flow={flow!r} sends them back; keep flow='source_to_target', swap the "
            "pair and pass edge_index.flip(0)"
        )
    return x


def of_targets(x: Any) -> Tensor | None:
    """What targets carry; hetero graphs hand over the pair (of sources, of targets)."""
    return x[1] if isinstance(x, (tuple, list)) else x


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


def check_edges(edge_index: Tensor, inputs: dict[str, Any]) -> None:
    """Refuse tensors that do not have one row for every edge.

    Args:
        edge_index: the edges.
        inputs: by name; pairs belong to nodes and are not looked at.

    Raises:
        ValueError: if one has more rows, or fewer.
    """
    for name, x in inputs.items():
        if isinstance(x, Tensor) and x.shape[0] != edge_index.shape[1]:
            raise ValueError(
                f"expected one row of {name} for each of {edge_index.shape[1]} edges, "
                f"got shape {tuple(x.shape)}; all that a layer takes of edges has one "
                "row for each"
            )


def join_envelopes(f: OptTensor, edge_weight: OptTensor) -> OptTensor:
    """The product of two envelopes ``(|E|,)``, either of which may be missing."""
    check_vector(edge_weight, "edge_weight")
    if f is None or edge_weight is None:
        return edge_weight if f is None else f
    check_edges(f.unsqueeze(0), {"edge_weight": edge_weight})
    return f * edge_weight


def check_vector(x: Tensor | None, name: str) -> None:
    """Refuse ``x`` unless it is missing or has one number for every edge.

    Raises:
        ValueError: if it has another shape.
    """
    if x is not None and x.dim() != 1:
        raise ValueError(
            f"expected {name} of shape (|E|,), one number for every edge, got shape "
            f"{tuple(x.shape)}"
        )


def complete(x: Tensor, irreps: Irreps) -> Tensor:
    """Features of ``irreps``; where only the first block came, the others are zero."""
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
