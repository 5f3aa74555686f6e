"""Points moved into the cell, so that how far they were away costs no precision."""

from __future__ import annotations

import torch
from torch import Tensor

from ._lattice import Lattice
from ._points import Points

# Numbers whose last digit is this part of the cutoff, or more, are no positions.
COARSE = 2.5e-4


def wrap(points: Points, lattice: Lattice, cutoff: float | Tensor) -> Points:
    """Move each point into the cell of its graph, and note where it came from.

    A distance to be resolved, the ``cutoff``, is that of all graphs or of each.
    Points within the cell, and all of graphs without period, stay as they are.

    Raises:
        ValueError: a periodic graph is so far away, or so large, that the numbers do
            not tell its points apart any more.
    """
    if not lattice.periodic or len(points.pos) == 0:
        return points
    _check_resolution(points, lattice, cutoff)
    inverse = torch.linalg.inv(lattice.frame)
    # Directions without period have no images
    inverse = torch.where(lattice.pbc.unsqueeze(-2), inverse, 0.0)
    inside, home = points.pos, None
    for _ in range(2):  # the second time for what the first one rounded
        image = _times(inside, inverse, points.batch).floor()
        if not bool(image.any()):
            break
        inside = inside - _times(image, lattice.frame, points.batch)
        home = image.long() if home is None else home + image.long()
    return Points(inside, points.batch, home)


def _times(rows: Tensor, matrices: Tensor, batch: Tensor) -> Tensor:
    """Each row times the matrix of its graph."""
    if len(matrices) == 1:
        return rows @ matrices[0]
    return (rows.unsqueeze(1) @ matrices[batch]).squeeze(1)


def _check_resolution(points: Points, lattice: Lattice, cutoff: float | Tensor) -> None:
    dtype = points.pos.dtype
    pbc = lattice.pbc.any(-1)
    cutoffs = points.pos.new_ones(len(pbc)) * cutoff
    for name, x, graph in (
        ("pos", points.pos, points.batch),
        ("cell", lattice.frame.flatten(1), torch.arange(len(pbc), device=pbc.device)),
    ):
        size = x.abs().amax(-1)
        largest = COARSE * cutoffs[graph] / torch.finfo(dtype).eps
        far = pbc[graph] & (size > largest)
        if bool(far.any()):
            row = int(far.nonzero()[0])
            raise ValueError(
                f"{name} reaches {float(size[row]):.3g} in row {row}, where {dtype} "
                f"cannot resolve a cutoff of {float(cutoffs[graph[row]]):g} between "
                f"periodic images; expected at most {float(largest[row]):.3g}: move "
                f"the atoms into the cell, check the units, or set pbc=False along "
                f"directions that do not repeat"
            )
