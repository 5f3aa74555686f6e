"""Units are those of ASE."""

from __future__ import annotations

import pytest

from pyg_equivariant import units

PARTS = {
    "eV": "eV",
    "kcal": "kcal",
    "kJ": "kJ",
    "mol": "mol",
    "Hartree": "Hartree",
    "Rydberg": "Rydberg",
    "J": "J",
    "Ang": "Ang",
    "Bohr": "Bohr",
    "nm": "nm",
    "m": "m",
    "GPa": "GPa",
    "Pa": "Pascal",
    "bar": "bar",
}


def in_ase(unit: str) -> float:
    """The same unit as ASE computes it from constants of nature."""
    ase = pytest.importorskip("ase.units")
    above, _, below = unit.partition("/")
    below, _, power = below.partition("^")
    prefix = {"meV": 1e-3, "mHartree": 1e-3, "kbar": 1e3, "pm": 1e-12}.get(above, 1.0)
    base = {"meV": "eV", "mHartree": "Hartree", "kbar": "bar", "pm": "m"}
    value = prefix * getattr(ase, PARTS[base.get(above, above)])
    return value / getattr(ase, PARTS[below]) ** int(power or 1) if below else value


@pytest.mark.parametrize("unit", [*units.ENERGIES, *units.LENGTHS, *units.PRESSURES])
def test_every_unit_is_that_of_ase(unit: str) -> None:
    tables = {**units.ENERGIES, **units.LENGTHS, **units.PRESSURES}
    ase = pytest.importorskip("ase.units")
    expected = ase.invcm if unit == "1/cm" else in_ase(unit)
    assert tables[unit] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("word", "unit"),
    [("hartree", "Hartree"), ("Ha", "Hartree"), ("KCAL/MOL", "kcal/mol"), ("ev", "eV")],
)
def test_other_words_for_energies(word: str, unit: str) -> None:
    assert units.in_ev(word) == units.ENERGIES[unit]


@pytest.mark.parametrize("word", ["Å", "A", "angstrom", "Ang"])
def test_other_words_for_an_angstrom(word: str) -> None:
    assert units.in_angstrom(word) == 1.0


@pytest.mark.parametrize("word", ["eV/A^3", "eV/Å^3", "eV/Ang**3"])
def test_other_words_for_a_pressure(word: str) -> None:
    assert units.in_ev_per_cubic_angstrom(word) == 1.0


def test_an_unknown_unit_lists_those_known() -> None:
    with pytest.raises(ValueError, match=r"got 'cal' as the unit of an energy.*kcal"):
        units.in_ev("cal")
    with pytest.raises(ValueError, match=r"unit of a length, expected one of Ang"):
        units.in_angstrom("eV")
    with pytest.raises(TypeError, match=r"such as 'eV/Ang\^3', got 1"):
        units.in_ev_per_cubic_angstrom(1)  # type: ignore[arg-type]
