"""Candidate pairs from vesin, one graph after the other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import torch

from ._cell_list import Pairs
from ._grid import SLACK, room
from ._lattice import Lattice
from ._points import Points

# vesin has so many bins at most; more are merged, to none at all in the shortest
# direction of a long box, which ends the process.
MOST_BINS = 1e5
# Boxes with more bins than this for each point are mostly empty: when vesin merges
# them, it looks through pairs that grow with the square of the number of points.
EMPTY = 32
# Where some directions repeat and others do not, it looks through all bins along the
# others.
LONG = 64


def has_vesin() -> bool:
    """Whether vesin is installed."""
    return find_spec("vesin") is not None


def suits_vesin(points: Points, lattice: Lattice, cutoff: float) -> bool:
    """Whether the points fill their boxes well enough for vesin's bins."""
    space = room(points, lattice, cutoff)
    bins = space.bins()
    total = bins.prod(-1)
    shortest = bins.amin(-1) * (MOST_BINS / total) ** (1 / 3)
    empty = (shortest < 2) | (total > EMPTY * space.size)
    mixed = space.pbc.any(-1) & ~space.pbc.all(-1)
    longest = torch.where(space.pbc, 1.0, bins).amax(-1)
    bad = ((total > MOST_BINS) & empty) | (mixed & (longest > LONG))
    return not bool(bad.any())


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
