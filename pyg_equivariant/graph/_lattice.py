"""The periodic cells of a batch of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_tensor

from ._points import check_cell, check_finite, check_single

# A cell whose volume is this part of the product of its edges, or less, is flat.
FLAT = 1e-7


class Lattice(NamedTuple):
    """Lattice vectors, and a basis of space that holds those which are periodic."""

    cell: Tensor  # [num_graphs, 3, 3], rows are lattice vectors
    pbc: Tensor  # [num_graphs, 3]
    frame: Tensor  # [num_graphs, 3, 3], unit normals along directions without period
    periodic: bool

    def shortest(self) -> Tensor:
        """The length of the shortest lattice vector of each graph that repeats."""
        length = self.cell.norm(dim=-1)
        return torch.where(self.pbc, length, torch.inf).amin(-1)


def _frame(cell: Tensor, pbc: Tensor) -> Tensor:
    """Replace lattice vectors without period by unit vectors normal to the others."""
    if bool(pbc.all()):
        return cell
    periodic = torch.where(pbc.unsqueeze(-1), cell, 0.0)
    # The right singular vectors end with those that the periodic rows do not reach.
    normals = torch.linalg.svd(periodic).Vh
    position = pbc.sum(-1, keepdim=True) + (~pbc).cumsum(-1) - 1
    position = position.clamp(max=2).unsqueeze(-1).expand_as(normals)
    return torch.where(pbc.unsqueeze(-1), cell, normals.gather(1, position))


def _check_volume(frame: Tensor, pbc: Tensor) -> None:
    edges = frame.norm(dim=-1)
    volume = torch.linalg.det(frame).abs()
    flat = pbc.any(-1) & (volume <= FLAT * edges.prod(-1))
    if bool(flat.any()):
        graph = int(flat.nonzero()[0])
        raise ValueError(
            f"cell of graph {graph} spans no volume along its periodic directions "
            f"pbc={pbc[graph].tolist()}: its rows have lengths "
            f"{[round(x, 6) for x in edges[graph].tolist()]} and |det| "
            f"{float(volume[graph]):.3g}; give linearly independent lattice vectors, "
            f"or pbc=False along directions that do not repeat"
        )


def _cells(cell: Tensor, num_graphs: int) -> Tensor:
    cell = cell.reshape(-1, 3, 3)
    if len(cell) != 1 and len(cell) < num_graphs:
        raise ValueError(
            f"batch names {num_graphs} graphs, cell holds {len(cell)}; give one cell "
            f"for each graph, or a single one for all"
        )
    check_single(cell, "cell")
    check_finite(cell, "cell", "graph")
    return cell


def _flags(pbc: object) -> Tensor:
    if isinstance(pbc, Tensor):
        check_tensor(pbc, "pbc")
        if pbc.is_meta:
            raise ValueError("pbc is on meta, where there are no numbers")
        return pbc
    try:
        return torch.as_tensor(pbc)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"pbc must hold booleans, shape (3,) or (num_graphs, 3), got {pbc!r}"
        ) from None


def lattice(
    cell: Tensor | None,
    pbc: Tensor | Sequence[bool] | bool | None,
    num_graphs: int,
    like: Tensor,
) -> Lattice:
    """Check cells and periodicity; one for each graph, in dtype and device of ``like``.

    Without ``pbc`` a cell is periodic along all of its three directions.
    """
    if cell is not None:
        check_cell(cell, like)
    flags = _flags(cell is not None if pbc is None else pbc).to(like.device)
    if flags.dtype != torch.bool or (flags.dim() and flags.shape[-1] != 3):
        raise ValueError(
            f"pbc must hold booleans, shape (3,) or (num_graphs, 3), got {flags.dtype} "
            f"of shape {tuple(flags.shape)}"
        )
    if cell is None and bool(flags.any()):
        raise ValueError(
            "pbc asks for periodic images, but there is no cell; give "
            "cell=(3, 3) with lattice vectors as rows, or pbc=False"
        )
    cells = (
        like.new_zeros(1, 3, 3) if cell is None else _cells(cell.detach(), num_graphs)
    )
    num_graphs = max(num_graphs, len(cells))
    flags = flags.expand(3) if flags.dim() == 0 else flags
    if flags.dim() > 2:
        raise ValueError(
            f"pbc must have shape (3,) or (num_graphs, 3), got {tuple(flags.shape)}"
        )
    flags = flags.reshape(-1, 3)
    if len(flags) not in (1, num_graphs):
        raise ValueError(
            f"pbc holds {len(flags)} graphs, expected {num_graphs} as in batch and "
            f"cell, or a single row for all"
        )
    flags = flags.expand(num_graphs, 3)
    cells = cells.to(like).expand(num_graphs, 3, 3)
    if not bool(flags.any()):
        return Lattice(cells, flags, torch.eye(3).to(like).expand_as(cells), False)
    frame = _frame(cells, flags)
    _check_volume(frame, flags)
    return Lattice(cells, flags, frame, True)
