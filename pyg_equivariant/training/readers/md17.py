"""Trajectories of single molecules: MD17, revised MD17, and of coupled cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import InMemoryDataset

from pyg_equivariant import units

from ..splits import Split, read_indices
from ..structures import Structures
from .reading import Reading

# Names of arrays in rMD17 and in the older files
_KEYS = {
    "pos": ("coords", "R"),
    "energy": ("energies", "E"),
    "forces": ("forces", "F"),
    "z": ("nuclear_charges", "z"),
}
_WORDS = re.compile(r"(?<![a-z])train(?![a-z])")


def read_rmd17(
    path: str | Path | InMemoryDataset,
    split: int | None = None,
    num_val: int = 50,
    seed: int = 0,
    energy_unit: str = "kcal/mol",
    length_unit: str = "Ang",
    dtype: torch.dtype | None = None,
) -> Reading:
    """Read frames of one molecule from MD17, revised MD17 or the like.

    The published files hold a whole trajectory, such as ``rmd17_aspirin.npz``, and
    rMD17 five divisions of it beside them, ``../splits/index_train_01.csv``. Where a
    file's name has the word "train", such as ``aspirin_ccsd-train.npz``, the file that
    has "test" in its place is read as well: the two are the division.

    Args:
        path: the ``.npz`` file, or PyG's :class:`~torch_geometric.datasets.MD17`,
            whose raw file is read: total energies in float32, which that data set
            holds, are off by up to 1 meV.
        split: which of the divisions of rMD17, 1 to 5. (default: none; the ``split`` of
            the reading is then ``None``, unless there are files for the two)
        num_val: how many of the frames to train on are kept for validation, drawn at
            random; the papers keep 50 of 1,000.
        seed: number of that draw.
        energy_unit: unit of the energies, a name of
            :data:`pyg_equivariant.units.ENERGIES`.
        length_unit: unit of the positions, a name of
            :data:`pyg_equivariant.units.LENGTHS`.
        dtype: of all but energies, which are float64. (default: torch's default dtype)

    Raises:
        FileNotFoundError: if there is no such file or division.
        ValueError: if the file holds anything else, or has fewer frames to train on
            than are kept for validation.
    """
    path = _raw_file(path) if isinstance(path, InMemoryDataset) else Path(path)
    paths = [path]
    tested = path.with_name(_WORDS.sub("test", path.name))
    if tested != path and tested.is_file():
        if split is not None and f"{split:02d}" not in path.stem:
            raise ValueError(f"got split={split}, but {path.name} is one by itself")
        paths.append(tested)
    parts = [_read(each) for each in paths]
    if any(not np.array_equal(part["z"], parts[0]["z"]) for part in parts):
        raise ValueError(f"{paths[0]} and {paths[1]} hold different molecules")
    unit = units.in_ev(energy_unit), units.in_angstrom(length_unit)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    structures = _structures(parts, unit, dtype)
    lengths = tuple(len(part["pos"]) for part in parts)
    division = None
    if len(parts) == 2:
        train, test = torch.arange(sum(lengths)).split(lengths)
        division = _with_validation(train, test, num_val, seed)
    elif split is not None:
        division = _with_validation(*_published(path, split, *lengths), num_val, seed)
    taken = {"energy": f"energies in {energy_unit}", "forces": "forces"}
    return Reading(structures, {}, division, lengths, taken)


def _raw_file(dataset: InMemoryDataset) -> Path:
    path = Path(dataset.raw_paths[0])
    if dataset._indices is not None:
        raise ValueError(
            "got a part of a data set; pass the whole, and choose from what it gives "
            "with structures.select"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}, from which the data set was made, is not there; put it back, or "
            "pass force_reload=True to the data set"
        )
    return path


def _read(path: Path) -> dict[str, Any]:
    """The arrays of a file, under one name each."""
    if path.is_file() and not is_zipfile(path):
        raise ValueError(f"{path} is no .npz file, or not all of one")
    with np.load(path) as arrays:
        found = {
            name: next((key for key in keys if key in arrays.files), None)
            for name, keys in _KEYS.items()
        }
        if None in found.values():
            raise ValueError(
                f"{path} holds {', '.join(arrays.files)}; expected coords, energies, "
                "forces and nuclear_charges of rMD17, or R, E, F and z of MD17"
            )
        part: dict[str, Any] = {name: arrays[key] for name, key in found.items()}
    frames, atoms = len(part["pos"]), part["z"].size
    part["energy"] = part["energy"].reshape(-1)
    shapes = {"pos": (frames, atoms, 3), "forces": (frames, atoms, 3)}
    for name, shape in {**shapes, "energy": (frames,)}.items():
        if part[name].shape != shape:
            raise ValueError(
                f"{path} holds {name} of shape {part[name].shape}, expected {shape}"
            )
    return part


def _structures(
    parts: list[dict[str, Any]], unit: tuple[float, float], dtype: torch.dtype
) -> Structures:
    energy, length = unit

    def joined(name: str, factor: float, dtype: torch.dtype) -> Tensor:
        each = [torch.from_numpy(part[name]).mul(factor).to(dtype) for part in parts]
        return torch.cat(each)

    z = torch.from_numpy(parts[0]["z"].astype(np.int64)).flatten()
    pos = joined("pos", length, dtype)
    labels = {
        "energy": joined("energy", energy, torch.float64),
        "forces": joined("forces", energy / length, dtype).flatten(0, 1),
    }
    sizes = torch.full((len(pos),), len(z))
    return Structures(z.repeat(len(pos)), pos.flatten(0, 1), sizes, labels)


def _published(path: Path, split: int, count: int) -> tuple[Tensor, Tensor]:
    """Places of one of the five divisions that rMD17 comes with."""
    folders = (path.parent.parent / "splits", path.parent / "splits", path.parent)
    names = [f"index_{part}_{split:02d}.csv" for part in ("train", "test")]
    for folder in folders:
        if all((folder / name).is_file() for name in names):
            train, test = (read_indices(folder / name) for name in names)
            if max(train.max(), test.max()) >= count:
                raise ValueError(
                    f"{folder / names[0]} names frames beyond the {count} of {path}"
                )
            return train, test
    raise FileNotFoundError(
        f"{' and '.join(names)} are in none of {', '.join(map(str, folders))}; put "
        "them there from the archive of rMD17, or divide the frames in another way"
    )


def _with_validation(train: Tensor, test: Tensor, num_val: int, seed: int) -> Split:
    """Keep some of the frames to train on for validation."""
    if not 0 <= num_val < len(train):
        raise ValueError(
            f"got num_val={num_val} of {len(train)} frames to train on, expected fewer"
        )
    order = np.random.default_rng(seed).permutation(len(train))
    shuffled = train[torch.from_numpy(order)]
    return Split(shuffled[num_val:], shuffled[:num_val], test)
