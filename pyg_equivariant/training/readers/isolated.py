"""Isolated atoms among frames: their energies are references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .frames import gather, is_periodic, names_of
from .names import find_name

if TYPE_CHECKING:
    from ase import Atoms

_SAME = 1e-6  # eV


def is_isolated(frame: Atoms) -> bool:
    """Whether a frame is one atom alone, by itself or by its ``config_type``."""
    if len(frame) != 1:
        return False
    kind = str(frame.info.get("config_type", "")).lower()
    return not is_periodic(frame) or kind.replace("_", "") == "isolatedatom"


def take_isolated(
    files: Sequence[Sequence[Atoms]], energy: str | None, unit: float
) -> tuple[list[list[Atoms]], dict[int, float]]:
    """All other frames of each file, and the energy of each element's isolated atom.

    Args:
        files: frames of each.
        energy: how the other frames name it, if that is known.
        unit: of energy, in eV.

    Raises:
        ValueError: if two atoms of one element have different energies.
    """
    others = [[frame for frame in file if not is_isolated(frame)] for file in files]
    alone = [frame for file in files for frame in file if is_isolated(frame)]
    there = Counter(name for frame in alone for name in names_of(frame))
    name = find_name("energy", there, energy if energy in there else None)
    if name is None:
        return others, {}
    found: dict[int, float] = {}
    energies = gather(alone, {"energy": name}).labels["energy"] * unit
    for frame, value in zip(alone, energies.tolist(), strict=True):
        z = int(frame.numbers[0])
        if abs(found.setdefault(z, value) - value) > _SAME:
            raise ValueError(
                f"isolated atoms of {frame.symbols} have energies {found[z]} and "
                f"{value} eV; keep one, or pass isolated=False to train on all"
            )
    return others, {z: value for z, value in found.items() if value == value}
