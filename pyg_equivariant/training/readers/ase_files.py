"""Structures of any file that ASE reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from pyg_equivariant import units

from ..structures import Structures
from .databases import add_rows
from .frames import gather, is_periodic, names_of, stress_of_virial
from .isolated import take_isolated
from .names import find_name
from .reading import Reading

if TYPE_CHECKING:
    from ase import Atoms

_NOTHING: Mapping[str, str] = {}
PathLike = str | Path


class _Units(NamedTuple):
    """What one of each unit of the file is in eV and angstrom."""

    energy: float
    length: float
    stress: float


def read_ase(
    path: PathLike | Sequence[PathLike],
    energy: str | None = None,
    forces: str | None = None,
    stress: str | None = None,
    labels: Mapping[str, str] = _NOTHING,
    inputs: Sequence[str] = (),
    energy_unit: str = "eV",
    length_unit: str = "Ang",
    stress_unit: str | None = None,
    isolated: bool = True,
    dtype: torch.dtype | None = None,
) -> Reading:
    """Read all frames of files in any format of ASE, such as extended xyz.

    Energy, forces and stress are those that a calculator left, or numbers of the file
    under a name that the field uses (``REF_energy``, ``dft_forces``, ...), in data
    bases of ASE also as data or key-value pairs of a row, as SchNetPack writes them;
    where there is no stress, it follows from a virial, :math:`-W / V`. What a frame
    lacks is NaN.
    Molecules and crystals may be mixed; cells of frames that are not periodic are zero.

    A frame of one atom that is not periodic, or whose ``config_type`` is
    ``IsolatedAtom``, is no structure to train on: its energy is the reference of its
    element.

    Args:
        path: a file, or several that are joined; ``"name@:100"`` takes the first 100
            frames.
        energy: name of the energy in the file; by default it is looked for.
        forces: name of the forces.
        stress: name of the stress, or of the virial: a name that has "virial" in it.
        labels: further labels, such as ``{"dipole": "REF_dipole"}``, with their names
            in the file; they stay in its units.
        inputs: further inputs of the network, by the names of arrays, or of numbers of
            a whole frame, which each of its atoms then gets.
        energy_unit: unit of energies in the file, a name of
            :data:`pyg_equivariant.units.ENERGIES`.
        length_unit: unit of lengths, a name of :data:`pyg_equivariant.units.LENGTHS`.
        stress_unit: unit of the stress, a name of
            :data:`pyg_equivariant.units.PRESSURES`. (default: energy per volume)
        isolated: whether isolated atoms are kept apart.
        dtype: of all but energies, which are float64. (default: torch's default dtype)

    Raises:
        ImportError: if ASE is not installed.
        TypeError: for anything but files.
        ValueError: if a file holds nothing, if a label could be any of several, if one
            that was asked for is not there, or if numbers are infinite.
    """
    paths = [path] if isinstance(path, PathLike) else path
    if not isinstance(paths, Sequence) or not paths:
        raise TypeError(f"expected a file, or a list of files, got {path!r}")
    files = [_frames(each) for each in paths]
    references: dict[int, float] = {}
    unit = _units(energy_unit, length_unit, stress_unit)
    if isolated:
        files, references = take_isolated(files, energy, unit.energy)
    frames = [frame for file in files for frame in file]
    asked = {"energy": energy, "forces": forces, "stress": stress, **labels}
    names = _find_names(frames, asked)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    structures = _structures(frames, names, inputs, unit, dtype)
    return Reading(structures, references, None, tuple(map(len, files)), _say(names))


def _frames(path: PathLike) -> list[Atoms]:
    try:
        import ase.io
        from ase.io.formats import UnknownFileTypeError
    except ImportError as error:
        raise ImportError("read_ase needs ASE: pip install ase") from error
    whole = "@" not in Path(path).name or Path(path).is_file()
    try:
        frames = ase.io.read(
            path, index=":" if whole else None, do_not_split_by_at_sign=whole
        )
    except UnknownFileTypeError as error:
        raise ValueError(f"ASE cannot read {path}: {error}") from None
    frames = frames if isinstance(frames, list) else [frames]
    if not frames:
        raise ValueError(f"{path} holds no structure")
    if whole:
        add_rows(path, frames)
    return frames


def _units(energy: str, length: str, stress: str | None) -> _Units:
    of_energy, of_length = units.in_ev(energy), units.in_angstrom(length)
    of_stress = of_energy / of_length**3
    if stress is not None:
        of_stress = units.in_ev_per_cubic_angstrom(stress)
    return _Units(of_energy, of_length, of_stress)


def _find_names(
    frames: Sequence[Atoms], asked: Mapping[str, str | None]
) -> dict[str, str]:
    """Labels that the frames have, and the name of each."""
    there = Counter(name for frame in frames for name in names_of(frame))
    found = {label: find_name(label, there, name) for label, name in asked.items()}
    if found["stress"] is None:
        found["stress"] = find_name("virial", there)
    return {label: name for label, name in found.items() if name is not None}


def _structures(
    frames: Sequence[Atoms],
    names: Mapping[str, str],
    inputs: Sequence[str],
    unit: _Units,
    dtype: torch.dtype,
) -> Structures:
    graphs, values, extra = gather(frames, names, inputs)
    cell = pbc = None
    if any(map(is_periodic, frames)):
        cell = torch.cat([graph.cell for graph in graphs]) * unit.length
        pbc = torch.cat([graph.pbc for graph in graphs])
        cell[~pbc.any(1)] = 0.0
    factors = {
        "energy": unit.energy,
        "forces": unit.energy / unit.length,
        "stress": unit.stress,
    }
    if "virial" in names.get("stress", "").lower():
        values["stress"] = stress_of_virial(values["stress"] * unit.energy, cell)
        factors.pop("stress")
    labels: dict[str, Tensor] = {}
    for name, value in values.items():
        value = value * factors.get(name, 1.0)
        labels[name] = value if name == "energy" else value.to(dtype)
    none = torch.zeros(0)
    return Structures(
        torch.cat([none.long(), *(graph.z for graph in graphs)]),
        torch.cat([none.view(0, 3), *(graph.pos for graph in graphs)]).to(dtype)
        * unit.length,
        torch.tensor(list(map(len, frames)), dtype=torch.long),
        labels,
        None if cell is None else cell.to(dtype),
        pbc,
        {
            name: x.to(dtype) if x.is_floating_point() else x
            for name, x in extra.items()
        },
    )


def _say(names: Mapping[str, str]) -> dict[str, str]:
    """What each label was taken from, in words."""
    return {
        label: f"{name} (divided by minus the volume)"
        if label == "stress" and "virial" in name.lower()
        else name
        for label, name in names.items()
    }
