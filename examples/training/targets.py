"""The twelve properties of QM9 that papers predict, and the units they report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One property of a molecule.

    Args:
        name: as in the papers, and on the command line.
        column: where it stands in ``y`` of PyG's ``QM9``.
        unit: the unit that papers report errors in.
        factor: how many of that unit make one of PyG's.
        extensive: whether it grows with the molecule, about in proportion to its atoms.
    """

    name: str
    column: int
    unit: str
    factor: float = 1.0
    extensive: bool = False


# PyG holds the total energies (columns 7 to 10) in float32, whose steps at -10,000 eV
# are 1 meV wide. Its atomization energies (12 to 15) are the same minus the energies of
# the free atoms, with steps of 0.01 meV: an error in one is an error in the other.
TARGETS = {
    target.name: target
    for target in (
        Target("mu", 0, "D"),
        Target("alpha", 1, "a0^3", extensive=True),
        Target("homo", 2, "meV", 1000.0),
        Target("lumo", 3, "meV", 1000.0),
        Target("gap", 4, "meV", 1000.0),
        Target("r2", 5, "a0^2"),
        Target("zpve", 6, "meV", 1000.0, extensive=True),
        Target("U0", 12, "meV", 1000.0, extensive=True),
        Target("U", 13, "meV", 1000.0, extensive=True),
        Target("H", 14, "meV", 1000.0, extensive=True),
        Target("G", 15, "meV", 1000.0, extensive=True),
        Target("Cv", 11, "cal/mol/K", extensive=True),
    )
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


def find_target(name: str) -> Target:
    """The target of that name, or a ``ValueError`` that lists all of them."""
    if name not in TARGETS:
        raise ValueError(f"got target {name!r}, expected one of {', '.join(TARGETS)}")
    return TARGETS[name]
