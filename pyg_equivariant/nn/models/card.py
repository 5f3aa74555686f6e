"""What a trained network says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Card:
    """What a network predicts, in which units, and for which atoms.

    Args:
        property: what is predicted (default: ``"energy"``).
        unit: its unit (default: ``"eV"``).
        length_unit: that of positions, cells and the cutoff (default: ``"Ang"``).
        species: atomic numbers that it was trained on; ``None`` if unknown (default:
            ``None``).
        notes: anything else, plain values by name, such as the data set or an error.

    Raises:
        TypeError: if a name is no text, or a species no whole number.

    Example:
        >>> Card("energy", "kcal/mol", species=[8, 1]).species
        (1, 8)
    """

    property: str = "energy"
    unit: str = "eV"
    length_unit: str = "Ang"
    species: tuple[int, ...] | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("property", "unit", "length_unit"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is a text, got {getattr(self, name)!r}")
        if self.species is not None:
            species = [int(z) for z in self.species]
            if species != list(self.species):
                raise TypeError(f"species are atomic numbers, got {self.species!r}")
            object.__setattr__(self, "species", tuple(sorted(set(species))))
        if not isinstance(self.notes, dict):
            raise TypeError(f"notes are values by name, got {self.notes!r}")
