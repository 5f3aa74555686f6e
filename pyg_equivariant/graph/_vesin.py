"""Candidate pairs from vesin, one graph after the other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import torch

from ._cell_list import SLACK, Pairs
from ._lattice import Lattice
from ._points import Points


def has_vesin() -> bool:
    """Whether vesin is installed."""
    return find_spec("vesin") is not None


def vesin_list(points: Points, lattice: Lattice, cutoff: float) -> Iterator[Pairs]:
    """Yield pairs among which are all that are closer than ``cutoff``.

    It runs on the CPU, in float64.
    """
    try:
        from vesin import NeighborList
    except ImportError as error:
        raise ImportError(
            "backend='vesin' needs vesin: pip install vesin, or choose backend='torch'"
        ) from error
    device = points.pos.device
    pos = points.pos.to("cpu", torch.float64)
    frames = lattice.frame.to("cpu", torch.float64)
    pbc = lattice.pbc.cpu()
    order = points.batch.argsort(stable=True).cpu()
    sizes = points.batch.bincount(minlength=len(pbc)).tolist()
    search = NeighborList(cutoff=cutoff * (1 + SLACK), full_list=True)
    for graph, atoms in enumerate(order.split(sizes)):
        if len(atoms) == 0:
            continue
        found = search.compute(pos[atoms], frames[graph], pbc[graph], "ijS")
        i, j, shift = (x.to(torch.long) for x in found)
        # The search leaves out the atoms themselves.
        i, j = torch.cat([atoms[i], atoms]), torch.cat([atoms[j], atoms])
        shift = torch.cat([shift, shift.new_zeros(len(atoms), 3)])
        yield (
            j.to(device),
            i.to(device),
            shift.to(device) if lattice.periodic else None,
        )
