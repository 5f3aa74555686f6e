"""What frames of ASE hold, put one behind the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.transforms import from_ase

if TYPE_CHECKING:
    from ase import Atoms

# Where `from_ase` puts results of calculators, and the shape of each label
_ATTRIBUTES = {"energy": "energy", "forces": "force", "stress": "stress"}
_SHAPES = {"energy": (), "forces": (3,), "stress": (3, 3)}
# xx, yy, zz, yz, xz, xy at their places in a matrix
_MATRIX = [0, 5, 4, 5, 1, 3, 4, 3, 2]


class Gathered(NamedTuple):
    """Frames, one behind the other, in float64."""

    graphs: list[Data]
    labels: dict[str, Tensor]
    inputs: dict[str, Tensor]


def is_periodic(frame: Atoms) -> bool:
    """Whether a frame repeats in any direction."""
    return bool(frame.pbc.any())


def names_of(frame: Atoms) -> set[str]:
    """Names of all numbers that a frame holds, besides those of every frame."""
    source: Any = frame
    results = getattr(source.calc, "results", {})
    everything = {**source.info, **source.arrays, **results}
    return {
        name
        for name, value in everything.items()
        if name not in ("numbers", "positions")
        and value is not None
        and np.asarray(value).dtype.kind in "biuf"
    }


def gather(
    frames: Sequence[Atoms], names: Mapping[str, str], inputs: Sequence[str] = ()
) -> Gathered:
    """Graphs of the frames, their labels, and inputs of their atoms.

    Args:
        frames: of ASE.
        names: of each label, how the frames name it. What a frame lacks is NaN.
        inputs: names of inputs.

    Raises:
        ValueError: if an input is missing anywhere, or if numbers of one name do not
            fit each other or are infinite.
    """
    periodic = any(map(is_periodic, frames))
    graphs: list[Data] = []
    labels: dict[str, list[Tensor | None]] = {label: [] for label in names}
    for number, frame in enumerate(frames):
        there = names_of(frame)
        _check_inputs(number, inputs, there)
        places = {name: _place(frame, name) for name in there}
        wanted = there & {*names.values(), *inputs}
        keep = [name for name in wanted if places[name] == name]
        graph = from_ase(frame, torch.float64, periodic, keep)
        for label, name in names.items():
            value = _value(graph[places[name]], label) if name in there else None
            labels[label].append(value)
        graphs.append(graph)
    joined = {
        label: _join(f"{label} ({names[label]})", label, values, graphs)
        for label, values in labels.items()
    }
    return Gathered(graphs, joined, {name: _of_atoms(graphs, name) for name in inputs})


def stress_of_virial(virial: Tensor, cell: Tensor | None) -> Tensor:
    r"""The stress :math:`-W / V` of each cell, NaN where there is no volume."""
    if cell is None:
        return torch.full_like(virial, torch.nan)
    volume = torch.linalg.det(cell).abs().view(-1, 1, 1)
    return torch.where(volume > 0, -virial / volume, torch.nan)


def _check_inputs(number: int, inputs: Sequence[str], there: set[str]) -> None:
    lacking = sorted(set(inputs) - there)
    if lacking:
        raise ValueError(
            f"structure {number} lacks {', '.join(lacking)}; every structure needs all "
            f"inputs, this one has {', '.join(sorted(there)) or 'none'}"
        )


def _place(frame: Atoms, name: str) -> str:
    """Under which name `from_ase` has what the frame calls ``name``."""
    results = getattr(frame.calc, "results", {})
    return _ATTRIBUTES.get(name, name) if results.get(name) is not None else name


def _value(value: Tensor, label: str) -> Tensor:
    """A label in its shape; that of a frame as a whole has one row."""
    if label == "stress" and value.numel() == 6:
        value = value.flatten()[_MATRIX]
    shape = _SHAPES.get(label)
    if shape is None:
        return value.double()
    if value.numel() % max(1, math.prod(shape)):
        raise ValueError(
            f"got {label} of shape {tuple(value.shape)}, expected numbers for "
            f"{('one', *shape)}"
        )
    return value.double().reshape(-1, *shape)


def _join(
    title: str, label: str, values: Sequence[Tensor | None], graphs: Sequence[Data]
) -> Tensor:
    """All values of a label, with rows of NaN for those that are missing."""
    sizes = [len(graph.z) for graph in graphs]
    there = [(number, x) for number, x in enumerate(values) if x is not None]
    of_atoms = label == "forces" or (
        label not in _SHAPES
        and all(len(x) == sizes[number] for number, x in there)
        and any(len(x) > 1 for _, x in there)
    )
    shape = there[0][1].shape[1:] if there else _SHAPES.get(label, ())
    joined = []
    for number, (value, size) in enumerate(zip(values, sizes, strict=True)):
        expected = (size if of_atoms else 1, *shape)
        if value is None:
            value = torch.full(expected, torch.nan, dtype=torch.float64)
        if value.shape != expected or value.isinf().any():
            raise ValueError(
                f"structure {number}: expected {title} of shape {expected} without "
                f"infinite numbers, got shape {tuple(value.shape)}"
            )
        joined.append(value)
    return torch.cat(joined) if joined else torch.zeros(0, *shape, dtype=torch.float64)


def _of_atoms(graphs: Sequence[Data], name: str) -> Tensor:
    """An input of all atoms; what belongs to a frame, each of its atoms gets."""
    values = []
    for graph in graphs:
        value, size = graph[name], len(graph.z)
        values.append(
            value if len(value) == size else value.expand(size, *value.shape[1:])
        )
    return torch.cat(values) if values else torch.zeros(0, dtype=torch.float64)
