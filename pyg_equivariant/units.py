"""Units of energy, length and pressure, in eV, angstrom and eV/angstrom^3.

Constants of nature are those of CODATA 2014, which ASE takes.

Example:
    >>> from pyg_equivariant import units
    >>> round(units.in_ev("kcal/mol"), 9), round(units.in_angstrom("Bohr"), 9)
    (0.043364104, 0.529177211)
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "in_ev",
    "in_angstrom",
    "in_ev_per_cubic_angstrom",
    "ENERGIES",
    "LENGTHS",
    "PRESSURES",
]

_AVOGADRO = 6.022140857e23
_JOULE = 1 / 1.6021766208e-19  # eV
_HARTREE = 27.211386024367243  # eV
_BOHR = 0.5291772105638411  # angstrom

ENERGIES: Mapping[str, float] = {
    "eV": 1.0,
    "meV": 1e-3,
    "kcal/mol": 4184 * _JOULE / _AVOGADRO,
    "kJ/mol": 1000 * _JOULE / _AVOGADRO,
    "Hartree": _HARTREE,
    "mHartree": 1e-3 * _HARTREE,
    "Rydberg": _HARTREE / 2,
    "1/cm": 1.9864458240885606e-23 * _JOULE,
    "J": _JOULE,
}
"""Units of energy in eV.

:meta hide-value:
"""
LENGTHS: Mapping[str, float] = {
    "Ang": 1.0,
    "Bohr": _BOHR,
    "nm": 10.0,
    "pm": 0.01,
    "m": 1e10,
}
"""Units of length in angstrom.

:meta hide-value:
"""
PRESSURES: Mapping[str, float] = {
    "eV/Ang^3": 1.0,
    "meV/Ang^3": 1e-3,
    "GPa": 1e-21 * _JOULE,
    "kbar": 1e-22 * _JOULE,
    "bar": 1e-25 * _JOULE,
    "Pa": 1e-30 * _JOULE,
    "Hartree/Bohr^3": _HARTREE / _BOHR**3,
    "Rydberg/Bohr^3": _HARTREE / 2 / _BOHR**3,
}
"""Units of pressure in eV/angstrom^3.

:meta hide-value:
"""
_OTHER_WORDS = {
    "electronvolt": "eV",
    "ha": "Hartree",
    "eh": "Hartree",
    "mha": "mHartree",
    "ry": "Rydberg",
    "cm^-1": "1/cm",
    "angstrom": "Ang",
    "a": "Ang",
    "a0": "Bohr",
    "ev/a^3": "eV/Ang^3",
    "ev/angstrom^3": "eV/Ang^3",
    "mev/a^3": "meV/Ang^3",
    "kb": "kbar",
    "ha/bohr^3": "Hartree/Bohr^3",
    "ry/bohr^3": "Rydberg/Bohr^3",
}


def in_ev(unit: str) -> float:
    """How many eV a unit of energy is.

    Args:
        unit: a name of :data:`ENERGIES`, in capitals or not, or another word for it.

    Raises:
        TypeError: if it is no string.
        ValueError: for an unknown name; the message lists those known.

    Example:
        >>> in_ev("meV"), in_ev("Ha") == in_ev("hartree")
        (0.001, True)
    """
    return _find(unit, ENERGIES, "an energy")


def in_angstrom(unit: str) -> float:
    """How many angstrom a unit of length is.

    Args:
        unit: a name of :data:`LENGTHS`, in capitals or not, or another word for it.

    Raises:
        TypeError: if it is no string.
        ValueError: for an unknown name; the message lists those known.

    Example:
        >>> in_angstrom("nm"), in_angstrom("Å")
        (10.0, 1.0)
    """
    return _find(unit, LENGTHS, "a length")


def in_ev_per_cubic_angstrom(unit: str) -> float:
    """How many eV/angstrom^3 a unit of pressure, and of stress, is.

    Args:
        unit: a name of :data:`PRESSURES`, in capitals or not, or another word for it.

    Raises:
        TypeError: if it is no string.
        ValueError: for an unknown name; the message lists those known.

    Example:
        >>> round(in_ev_per_cubic_angstrom("GPa"), 9)
        0.00624151
    """
    return _find(unit, PRESSURES, "a pressure")


def _find(unit: str, known: Mapping[str, float], what: str) -> float:
    if not isinstance(unit, str):
        raise TypeError(
            f"a unit is a word, such as {next(iter(known))!r}, got {unit!r}"
        )
    word = unit.strip().replace("Å", "Ang").replace("**", "^").lower()
    word = _OTHER_WORDS.get(word, word).lower()
    for name, value in known.items():
        if name.lower() == word:
            return value
    raise ValueError(
        f"got {unit!r} as the unit of {what}, expected one of {', '.join(known)}"
    )
