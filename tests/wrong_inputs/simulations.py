"""Potentials and neighbor lists of simulations."""

from __future__ import annotations

from functools import partial

import torch

from pyg_equivariant.nn import PaiNN
from pyg_equivariant.simulation import NeighborList, Potential

from .table import (
    EDGES,
    FREE,
    REFUSED,
    SAME,
    Argument,
    Entry,
    edges,
    entry,
    outcome,
    positions,
    real,
)


def _potential(name: str) -> Entry:
    model = PaiNN(8, num_layers=2, num_radial=6, cutoff=9.0, head="extensive")
    elements = torch.tensor([6, 1, 8, 1, 7])
    graphs = torch.tensor([0, 0, 0, 1, 1])
    wide = {"float64": (SAME, "is rounded"), "float16": (FREE, "is rounded")}
    arguments = {
        "z": Argument(elements, "labels", "nodes", aliases=("atomic numbers",)),
        "edge_index": edges(),
        "edge_vec": real(EDGES, 3, rows="edges", valid=wide),
        "batch": Argument(graphs, "labels", "nodes"),
    }
    return Entry(partial(Potential(model), batch_size=2), arguments)


def _neighbors(name: str) -> Entry:
    nowhere = "neighbors of a place that is none cannot be searched for"
    searched = outcome(REFUSED, nowhere, "NaN", "infinite")
    rounded = outcome(FREE, "is rounded", "float64", "float16")
    pos = positions(valid=searched | rounded, alone=True)
    return Entry(NeighborList(3.0), {"pos": pos})


entry(_potential, "Potential")
entry(_neighbors, "NeighborList")
