"""What a neighbor search is given, checked and brought to one form."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch._C import _functorch as functorch


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
    if not isinstance(pos, Tensor):
        raise TypeError(
            f"{name} must be a torch.Tensor of shape (n, 3), got "
            f"{type(pos).__name__}; convert it with torch.as_tensor"
        )
    if pos.dim() != 2 or pos.size(1) != 3:
        raise ValueError(f"{name} must have shape (n, 3), got {tuple(pos.shape)}")
    if not pos.is_floating_point():
        raise ValueError(
            f"{name} must be floating-point, got {pos.dtype}; convert it with .float()"
        )
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


def check_batch(batch: Tensor, size: int, name: str = "batch") -> None:
    """Raise unless ``batch`` holds one graph number for each of ``size`` points."""
    if batch.dim() != 1 or len(batch) != size:
        raise ValueError(
            f"{name} must hold one graph number per point, shape ({size},), "
            f"got {tuple(batch.shape)}"
        )
    if batch.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{name} must be an integer tensor, got {batch.dtype}")
    if len(batch) and int(batch.min()) < 0:
        raise ValueError(f"{name} must not be negative, got {int(batch.min())}")


def points(pos: Tensor, batch: Tensor | None, suffix: str = "") -> Points:
    """Check ``pos`` and ``batch``, whose names end in ``suffix``, and join them."""
    check_pos(pos, f"pos{suffix}")
    if batch is None:
        batch = torch.zeros(len(pos), dtype=torch.long, device=pos.device)
    check_batch(batch, len(pos), f"batch{suffix}")
    exact = pos.detach().to(search_dtype(pos.device))
    return Points(exact, batch.to(device=pos.device, dtype=torch.long))


def check_search(cutoff: float, max_num_neighbors: int | None) -> None:
    """Raise unless both say how far, and for how many neighbors, to look."""
    if not (cutoff > 0 and math.isfinite(cutoff)):
        raise ValueError(f"cutoff must be a positive, finite length, got {cutoff}")
    if max_num_neighbors is not None and max_num_neighbors < 1:
        raise ValueError(
            f"max_num_neighbors must be at least 1, got {max_num_neighbors}; None "
            f"keeps all neighbors"
        )


def number_of_graphs(*sets: Points) -> int:
    """One more than the highest number of a graph."""
    return max((int(x.batch.max()) + 1 for x in sets if len(x.batch)), default=1)
