"""Structures of one's own, from wherever they come, divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import torch
from torch_geometric.data import Data, InMemoryDataset

from .choices import target_of
from .data import StructureData
from .readers import Reading, from_dataset, read_ase, read_rmd17
from .settings import Settings
from .splits import Split, split_random
from .structures import Structures, join

File: TypeAlias = str | Path
Source: TypeAlias = (
    Structures | Reading | InMemoryDataset | Sequence[Data] | File | Sequence[File]
)


class Divided(NamedTuple):
    """Structures, which of them are for what, both in words; and isolated atoms."""

    structures: Structures
    split: Split
    name: str
    division: str
    isolated: Mapping[int, float] | None = None


def read(source: Source, **options: Any) -> tuple[Reading, str]:
    """Structures from a file, a data set, or as they are; and their name.

    Args:
        source: tables and readings are taken as they are; ``.npz`` files are those of
            MD17, ``.pt`` files those of PyG, all others, and several at once, are read
            by ASE.
        options: of the reader, see :mod:`pyg_equivariant.training.readers`.
    """
    if isinstance(source, Structures):
        return Reading(source), "structures"
    if isinstance(source, Reading):
        return source, "structures"
    if _are_files(source):
        return read_ase(source, **options), Path(source[0]).name
    if isinstance(source, (str, Path)) and not str(source).endswith(".pt"):
        path = Path(source)
        reader = read_rmd17 if path.suffix == ".npz" else read_ase
        return reader(path, **options), path.name
    name = Path(source).name if isinstance(source, (str, Path)) else ""
    return from_dataset(source, **options), name or type(source).__name__


def _are_files(source: Source) -> TypeGuard[Sequence[File]]:
    if not isinstance(source, (list, tuple)):
        return False
    return len(source) > 0 and all(isinstance(each, (str, Path)) for each in source)


def divide(
    data: Source,
    valid: Source | None = None,
    test: Source | None = None,
    split: Split | None = None,
    seed: int = 0,
    **options: Any,
) -> Divided:
    """Read and divide.

    Without ``valid`` and ``test``, the division is ``split``, that of the data set if
    it has one, or random: a tenth each to validate and to test. With ``test`` alone a
    tenth of the others validates; with ``valid`` alone the same structures test.

    Args:
        data: to train on.
        valid: to validate on.
        test: to test on.
        split: by the places of structures in ``data``.
        seed: of the random division.
        options: of the reader.

    Raises:
        ValueError: if there are too few structures to divide, or ``split`` comes with
            ``valid`` or ``test``.
    """
    if split is not None and (valid is not None or test is not None):
        raise ValueError("got a split besides structures to validate or to test on")
    sources = [each for each in (data, valid, test) if each is not None]
    readings, names = zip(*(read(each, **options) for each in sources), strict=True)
    first, count = readings[0], len(readings[0].structures.sizes)
    random = f"random:{seed}"
    if len(sources) == 1:
        if split is None:
            split, words = first.split, "as published"
        else:
            words = "as given"
        if split is None:
            split, words = _random(count, seed), random
        return Divided(first.structures.check(), split, names[0], words, first.isolated)
    own = torch.arange(count)
    others = [len(reading.structures.sizes) for reading in readings[1:]]
    rest = torch.arange(count, count + sum(others)).split(others)
    if valid is None:
        few = _random(count, seed, test=0)
        split, words = Split(few.train, few.val, rest[0]), f"{random}, {names[1]}"
    else:
        split = Split(own, rest[0], rest[-1])
        words = ", ".join([*names[1:], names[-1]][:2])
    structures = join([reading.structures for reading in readings])
    return Divided(structures.check(), split, names[0], words, first.isolated)


def _random(count: int, seed: int, test: float = 0.1) -> Split:
    if count < 3:
        raise ValueError(
            f"got {count} structures, too few to divide; expected 3 at least, or "
            "others to validate and to test on"
        )
    least = max(1, round(0.1 * count))
    return split_random(count, val=least, test=least if test else 0, seed=seed)


def open_data(
    divided: Divided, settings: Settings, num_workers: int = 0, unit: str = ""
) -> StructureData:
    """The data of a run.

    Raises:
        ValueError: if there are elements to validate or to test on that are none of
            those to train on, or none of what is predicted to validate on.
    """
    structures, split, name, _, isolated = divided
    if not len(split.test):
        split = split._replace(test=split.val)
    target = target_of(settings, name, unit)
    data = StructureData(
        structures, split, target, settings, num_workers, isolated=isolated
    )
    known = set(data.species())
    for part in ("val", "test"):
        unknown = set(data.subset(part).z.tolist()) - known
        if unknown:
            raise ValueError(
                f"the {part} structures hold elements {sorted(unknown)}, but those to "
                f"train on only {sorted(known)}"
            )
    names = settings.weights or [settings.target]
    labels = data.subset("val").labels
    if not any(name in labels and labels[name].isfinite().any() for name in names):
        raise ValueError(
            f"no structure to validate on has a label of {', '.join(names)}"
        )
    return data
