"""Structures of a data set of PyG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset

from pyg_equivariant import units

from ..structures import Structures
from .collated import Collated, collate
from .names import find_name
from .reading import Reading

Column = str | tuple[str, int]


def from_dataset(
    dataset: InMemoryDataset | Sequence[Data] | str | Path,
    labels: Column | Mapping[str, Column] | None = None,
    inputs: Sequence[str] = (),
    energy_unit: str | None = None,
    length_unit: str = "Ang",
    stress_unit: str | None = None,
    dtype: torch.dtype | None = None,
) -> Reading:
    """Take structures from a data set of PyG, or from a list of graphs.

    Edges are left out: they follow from the positions. Where there are no atomic
    numbers ``z``, as for point clouds, all are 0 and ``x`` is an input. A label or an
    input with as many rows as each graph has nodes belongs to nodes, else to graphs.

    Args:
        dataset: any ``InMemoryDataset``, or a part of one, a sequence of graphs with
            ``pos``, or a file to which ``torch.save`` or a data set has written these.
        labels: names of labels and of the attributes that hold them, with the column
            where an attribute holds several: ``{"gap": ("y", 4)}``; a single attribute
            or column is called as the attribute. (default: energy, forces and stress
            under the names that the field uses, or else ``"y"``)
        inputs: attributes that are further inputs of a network; those of a graph as a
            whole are given to each of its nodes.
        energy_unit: unit of ``"energy"``, ``"forces"`` and ``"stress"``, a name of
            :data:`pyg_equivariant.units.ENERGIES`; other labels stay as they are.
            (default: eV)
        length_unit: unit of lengths, a name of :data:`pyg_equivariant.units.LENGTHS`.
        stress_unit: unit of the stress, a name of
            :data:`pyg_equivariant.units.PRESSURES`. (default: energy per volume)
        dtype: of all but ``"energy"``, which is float64. (default: torch's default
            dtype)

    Raises:
        TypeError: for anything else than a data set, graphs or a file of these.
        ValueError: if an attribute is missing or does not fit the graphs.

    Example:
        >>> graphs = [Data(pos=torch.zeros(n, 3), y=torch.ones(1, 2)) for n in (3, 4)]
        >>> reading = from_dataset(graphs, {"charge": ("y", 1)})
        >>> reading.structures.sizes, reading.structures.labels["charge"]
        (tensor([3, 4]), tensor([1., 1.]))
    """
    if energy_unit is None and type(dataset).__name__ == "MD17":
        raise ValueError(
            "MD17 is in kcal/mol, with total energies in float32; read_rmd17 takes it "
            'too, and reads its raw file, or pass energy_unit="kcal/mol"'
        )
    graphs = collate(dataset)
    if "z" not in graphs.names() and "x" in graphs.names() and "x" not in inputs:
        inputs = ("x", *inputs)
    columns = _columns(labels, graphs.names())
    energy, length = units.in_ev(energy_unit or "eV"), units.in_angstrom(length_unit)
    stress = energy / length**3
    if stress_unit is not None:
        stress = units.in_ev_per_cubic_angstrom(stress_unit)
    factors = {"energy": energy, "forces": energy / length, "stress": stress}
    dtype = torch.get_default_dtype() if dtype is None else dtype
    structures = Structures(
        _species(graphs),
        graphs.read("pos").to(dtype) * length,
        graphs.sizes,
        {
            name: _label(graphs, name, column, factors.get(name, 1.0), dtype)
            for name, column in columns.items()
        },
        _cells(graphs, "cell", dtype, length),
        _cells(graphs, "pbc", torch.bool),
        {name: _input(graphs, name, dtype) for name in inputs},
    ).check()
    if graphs.indices is not None:
        structures = structures.select(graphs.indices)
    taken = {name: _say(graphs, column) for name, column in columns.items()}
    return Reading(structures, lengths=(len(structures.sizes),), taken=taken)


def _columns(
    labels: Column | Mapping[str, Column] | None, names: Sequence[str]
) -> dict[str, tuple[str, int | None]]:
    """The attribute, and the column in it, of every label."""
    if labels is None:
        there = dict.fromkeys(names, 1)
        found = {n: find_name(n, there) for n in ("energy", "forces", "stress")}
        labels = {label: name for label, name in found.items() if name is not None}
        if not labels and "y" in names:
            labels = {"y": "y"}
    elif not isinstance(labels, Mapping):
        labels = {_column(labels)[0]: labels}
    return {label: _column(column) for label, column in labels.items()}


def _column(column: Column) -> tuple[str, int | None]:
    if isinstance(column, str):
        return column, None
    if not isinstance(column, tuple) or list(map(type, column)) != [str, int]:
        raise TypeError(
            "a label is an attribute, or an attribute and the number of a column, such "
            f"as ('y', 4), got {column!r}"
        )
    return column


def _species(graphs: Collated) -> Tensor:
    """Atomic numbers, or zeros where there are none."""
    if "z" not in graphs.names():
        return torch.zeros(int(graphs.sizes.sum()), dtype=torch.long)
    z = graphs.read("z")
    if z.is_floating_point():
        raise TypeError(f"expected atomic numbers z, whole numbers, got {z.dtype}")
    return z.long().flatten()


def _cells(
    graphs: Collated, name: str, dtype: torch.dtype, factor: float | None = None
) -> Tensor | None:
    """Cells ``(G, 3, 3)``, or along which lattice vectors they repeat, ``(G, 3)``."""
    if name not in graphs.names():
        return None
    shape = (3, 3) if name == "cell" else (3,)
    value = graphs.raw(name).reshape(len(graphs.sizes), *shape).to(dtype)
    return value if factor is None else value * factor


def _label(
    graphs: Collated,
    name: str,
    column: tuple[str, int | None],
    factor: float,
    dtype: torch.dtype,
) -> Tensor:
    attribute, number = column
    value = graphs.read(attribute)
    if number is not None:
        if value.dim() != 2 or not 0 <= number < value.shape[1]:
            raise ValueError(
                f"got column {number} of {attribute!r}, which has shape "
                f"{tuple(value.shape)}"
            )
        value = value[:, number]
    if value.dim() == 2 and value.shape[1] == 1:
        value = value.squeeze(1)
    if name == "stress":
        value = value.reshape(-1, 3, 3)
    if not value.is_floating_point():
        return value if factor == 1.0 else value.double() * factor
    value = value.double() * factor
    return value if name == "energy" else value.to(dtype)


def _input(graphs: Collated, name: str, dtype: torch.dtype) -> Tensor:
    """An input of every node; that of a graph is given to each of its nodes."""
    value = graphs.read(name)
    value = value.to(dtype) if value.is_floating_point() else value
    if len(value) == int(graphs.sizes.sum()):
        return value
    return value.repeat_interleave(graphs.sizes, dim=0)


def _say(graphs: Collated, column: tuple[str, int | None]) -> str:
    """What a label was taken from, in words."""
    attribute, number = column
    return attribute if number is None else f"column {number} of {attribute}"
