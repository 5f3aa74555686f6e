"""What a neighbor search is given, checked and brought to one form."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch._C import _functorch as functorch

from pyg_equivariant.kernels import is_plain_call
from pyg_equivariant.o3 import check_device, check_real, check_size, check_tensor

FLOWS = ("source_to_target", "target_to_source")
_MOST_GRAPHS = 2**31  # a number beyond names no graph, but lack of memory


class Points(NamedTuple):
    """Positions in the precision of the search, and the graph of each."""

    pos: Tensor  # [n, 3]
    batch: Tensor  # [n]
    home: Tensor | None = None  # [n, 3], the image of the cell that each came from


def search_dtype(device: torch.device) -> torch.dtype:
    """Distances are compared in float64, wherever the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def check_finite(x: Tensor, name: str, row: str) -> None:
    """Raise ValueError naming the first row of ``x`` that holds NaN or infinity."""
    finite = x.isfinite().flatten(1).all(1)
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten()
        raise ValueError(
            f"{name} has NaN or infinite numbers in {len(bad)} of {len(x)} {row}s, "
            f"the first is {row} {int(bad[0])}; expected finite numbers: remove or "
            f"repair them before the neighbor search"
        )


def check_pos(pos: Tensor, name: str = "pos") -> None:
    """Raise unless ``pos`` is a finite floating-point tensor of shape (n, 3)."""
    check_tensor(pos, name)
    if pos.dim() != 2 or pos.size(1) != 3:
        raise ValueError(f"{name} must have shape (n, 3), got {tuple(pos.shape)}")
    if not pos.is_floating_point():
        raise ValueError(
            f"{name} must be floating-point, got {pos.dtype}; convert it with .float()"
        )
    if pos.is_meta:
        raise ValueError(f"{name} is on meta, where there are no numbers to search")
    check_single(pos, name)
    check_finite(pos, name, "row")


def check_single(x: Tensor, name: str) -> None:
    """Raise if ``torch.vmap`` has many of them in one."""
    inner = x
    while functorch.is_functorch_wrapped_tensor(inner):
        if functorch.is_batchedtensor(inner):
            raise ValueError(
                f"{name} is one of many under torch.vmap, which takes equally many "
                "edges from all: find the edges before and pass edge_index, or pass "
                "one large graph with batch"
            )
        inner = functorch.get_unwrapped(inner)


def check_batch(
    batch: Tensor,
    like: Tensor,
    name: str = "batch",
    batch_size: int | None = None,
    owner: str = "pos",
) -> None:
    """Raise unless ``batch`` holds the number of a graph for each row of ``like``.

    The caller named that ``owner``.
    Numbers are looked at where nobody compiles or transforms; where there are
    ``batch_size`` graphs, on the CPU only.
    """
    check_tensor(batch, name)
    size = like.shape[0]
    if batch.dim() != 1 or batch.shape[0] != size:
        raise ValueError(
            f"{name} must hold one graph number per point of {owner}, shape ({size},), "
            f"got {tuple(batch.shape)}"
        )
    if batch.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{name} must be an integer tensor, got {batch.dtype}")
    check_device(batch, like, name, owner)
    if batch_size is not None:
        check_size(batch_size, f"{name}_size")
    waits = batch_size is not None and batch.device.type != "cpu"
    if waits or not is_plain_call(batch) or batch.shape[0] == 0:
        return
    low, high = (int(x) for x in batch.aminmax())
    if low < 0:
        raise ValueError(f"{name} must not be negative, got {low}")
    if high >= (_MOST_GRAPHS if batch_size is None else batch_size):
        raise ValueError(
            f"{name} names graph {high}, expected less than "
            f"{_MOST_GRAPHS if batch_size is None else f'{name}_size={batch_size}'}"
        )


def check_cell(cell: Tensor, like: Tensor) -> None:
    """Raise unless ``cell`` holds lattice vectors as rows, where ``like`` lives."""
    check_tensor(cell, "cell")
    if cell.dim() not in (2, 3) or cell.shape[-2:] != (3, 3):
        raise ValueError(
            f"cell must have shape (3, 3) or (num_graphs, 3, 3), rows being lattice "
            f"vectors, got {tuple(cell.shape)}"
        )
    if not cell.is_floating_point():
        raise ValueError(
            f"cell must be floating-point, got {cell.dtype}; convert it with .float()"
        )
    check_device(cell, like, "cell", "pos")


def check_shift(edge_shift: Tensor, edge_index: Tensor) -> None:
    """Raise unless ``edge_shift`` counts three lattice vectors for every edge."""
    check_tensor(edge_shift, "edge_shift")
    if edge_shift.shape != (edge_index.shape[1], 3):
        raise ValueError(
            f"expected one row of edge_shift (|E|, 3) for each of "
            f"{edge_index.shape[1]} edges of edge_index, got shape "
            f"{tuple(edge_shift.shape)}"
        )
    if edge_shift.is_complex() or edge_shift.dtype == torch.bool:
        raise ValueError(
            f"edge_shift counts lattice vectors, got {edge_shift.dtype}; expected "
            "integers, as radius_graph returns them"
        )
    check_device(edge_shift, edge_index, "edge_shift", "edge_index")


def check_ends(source: Tensor, target: Tensor) -> None:
    """Raise unless these are positions (n, D) of one dtype, on one device."""
    for x in (source, target):
        check_real(x, "pos")
    for x in (source, target):
        if x.dim() != 2 or x.shape[1:] != target.shape[1:]:
            raise ValueError(
                f"expected pos (|V|, 3), positions of sources and targets alike, got "
                f"shapes {tuple(source.shape)} and {tuple(target.shape)}"
            )
    if source.dtype != target.dtype:
        raise TypeError(
            f"pos of sources is {source.dtype}, of targets {target.dtype}; convert one"
        )
    check_device(source, target, "pos of sources", "that of targets")


def points(pos: Tensor, batch: Tensor | None, suffix: str = "") -> Points:
    """Check ``pos`` and ``batch``, whose names end in ``suffix``, and join them."""
    check_pos(pos, f"pos{suffix}")
    if batch is None:
        batch = torch.zeros(len(pos), dtype=torch.long, device=pos.device)
    check_batch(batch, pos, f"batch{suffix}", owner=f"pos{suffix}")
    exact = pos.detach().to(search_dtype(pos.device))
    return Points(exact, batch.to(device=pos.device, dtype=torch.long))


def check_search(cutoff: float, max_num_neighbors: int | None) -> None:
    """Raise unless both say how far, and for how many neighbors, to look."""
    if isinstance(cutoff, Tensor) or not hasattr(cutoff, "__float__"):
        raise TypeError(f"cutoff is a number, got {type(cutoff).__name__}")
    if not (cutoff > 0 and math.isfinite(cutoff)):
        raise ValueError(f"cutoff must be a positive, finite length, got {cutoff}")
    if max_num_neighbors is not None:
        check_size(max_num_neighbors, "max_num_neighbors")
    if max_num_neighbors is not None and max_num_neighbors < 1:
        raise ValueError(
            f"max_num_neighbors must be at least 1, got {max_num_neighbors}; None "
            f"keeps all neighbors"
        )


def check_neighbors(k: int) -> None:
    """Raise unless ``k`` is a number of neighbors."""
    check_size(k, "k")
    if k < 1:
        raise ValueError(f"k must be at least 1 neighbor, got {k}")


def check_both(batch_source: Tensor | None, batch_target: Tensor | None) -> None:
    """Raise if one end has a batch and the other has not."""
    if (batch_source is None) != (batch_target is None):
        missing = "batch_source" if batch_source is None else "batch_target"
        raise ValueError(f"{missing} is missing; give both batches or none")


def check_flow(flow: str) -> None:
    """Raise unless ``flow`` is one of PyG's two."""
    if flow not in FLOWS:
        raise ValueError(f"flow must be one of {FLOWS}, got {flow!r}")


def number_of_graphs(*sets: Points) -> int:
    """One more than the highest number of a graph."""
    return max((int(x.batch.max()) + 1 for x in sets if len(x.batch)), default=1)
