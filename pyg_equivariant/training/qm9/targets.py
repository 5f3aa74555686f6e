"""The twelve properties of QM9 that papers predict, and the units they report."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..data import Target
from ..structures import Structures


class Property(NamedTuple):
    """One property of a molecule.

    Args:
        column: where it stands in ``y`` of PyG's ``QM9``.
        unit: the unit that papers report errors in.
        factor: how many of that unit make one of PyG's.
        extensive: whether it grows with the molecule, about in proportion to its atoms.
    """

    column: int
    unit: str
    factor: float = 1.0
    extensive: bool = False


# PyG holds the total energies (columns 7 to 10) in float32, whose steps at -10,000 eV
# are 1 meV wide. Its atomization energies (12 to 15) are the same minus the energies of
# the free atoms, with steps of 0.01 meV: an error in one is an error in the other.
PROPERTIES = {
    "mu": Property(0, "D"),
    "alpha": Property(1, "a0^3", extensive=True),
    "homo": Property(2, "meV", 1000.0),
    "lumo": Property(3, "meV", 1000.0),
    "gap": Property(4, "meV", 1000.0),
    "r2": Property(5, "a0^2"),
    "zpve": Property(6, "meV", 1000.0, extensive=True),
    "U0": Property(12, "meV", 1000.0, extensive=True),
    "U": Property(13, "meV", 1000.0, extensive=True),
    "H": Property(14, "meV", 1000.0, extensive=True),
    "G": Property(15, "meV", 1000.0, extensive=True),
    "Cv": Property(11, "cal/mol/K", extensive=True),
}
TARGETS = {
    name: Target("QM9", name, property_.unit, property_.factor)
    for name, property_ in PROPERTIES.items()
}

# Energies of the free atoms in eV, which turn an atomization energy into a total one.
_HYDROGEN, _CARBON, _NITROGEN, _OXYGEN, _FLUORINE = 1, 6, 7, 8, 9
FREE_ATOMS = {
    "U0": {
        _HYDROGEN: -13.61312172,
        _CARBON: -1029.86312267,
        _NITROGEN: -1485.30251237,
        _OXYGEN: -2042.61123593,
        _FLUORINE: -2713.48485589,
    },
    "U": {
        _HYDROGEN: -13.5745904,
        _CARBON: -1029.82456413,
        _NITROGEN: -1485.26398105,
        _OXYGEN: -2042.5727046,
        _FLUORINE: -2713.44632457,
    },
    "H": {
        _HYDROGEN: -13.54887564,
        _CARBON: -1029.79887659,
        _NITROGEN: -1485.2382935,
        _OXYGEN: -2042.54701705,
        _FLUORINE: -2713.42063702,
    },
    "G": {
        _HYDROGEN: -13.90303183,
        _CARBON: -1030.25891228,
        _NITROGEN: -1485.71166277,
        _OXYGEN: -2043.01812778,
        _FLUORINE: -2713.88796536,
    },
}


def find_property(name: str) -> Property:
    """The property of that name, or a ``ValueError`` that lists all of them."""
    if name not in PROPERTIES:
        raise ValueError(
            f"got target {name!r}, expected one of {', '.join(PROPERTIES)}"
        )
    return PROPERTIES[name]


def free_energies(name: str, structures: Structures) -> Tensor | None:
    """Energies of the free atoms in the unit of the papers, float64: these are large.

    Added to an energy of atomization they make a total one; ``None`` for a property
    that is no energy of atomization.
    """
    if name not in FREE_ATOMS:
        return None
    energies = torch.zeros(100, dtype=torch.float64)
    for z, energy in FREE_ATOMS[name].items():
        energies[z] = energy
    atoms = energies[structures.z].split(structures.sizes.tolist())
    return PROPERTIES[name].factor * torch.stack([each.sum() for each in atoms])
