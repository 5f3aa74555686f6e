"""The names that the field gives to energies, forces and stress."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# In lower case and without underscores, so that REF_energy is one with ref-energy
NAMES: Mapping[str, Collection[str]] = {
    "energy": (
        *("energy", "totalenergy", "totenergy", "potentialenergy", "refenergy"),
        *("dftenergy", "qmenergy", "ccenergy", "reftotalenergy", "dfttotalenergy"),
    ),
    "forces": (
        *("forces", "force", "refforces", "refforce", "dftforces", "dftforce"),
        *("qmforces", "qmforce", "ccforces", "ccforce"),
    ),
    "stress": ("stress", "refstress", "dftstress", "qmstress"),
    "virial": tuple(
        prefix + word
        for prefix in ("", "ref", "dft", "qm")
        for word in ("virial", "virials")
    ),
}
# What is taken where there is nothing better
LAST: Mapping[str, Collection[str]] = {"energy": ("freeenergy",)}


def find_name(
    label: str, there: Mapping[str, int], asked: str | None = None
) -> str | None:
    """The name under which a file holds a label, or ``None`` if it does not.

    Args:
        label: ``"energy"``, ``"forces"``, ``"stress"`` or ``"virial"``.
        there: names in the file, and how many structures have each.
        asked: the name, if it is known.

    Raises:
        ValueError: if the name that was asked for is not there, or if it could be one
            of several; the message lists them.

    Example:
        >>> find_name("energy", {"REF_energy": 10, "config_type": 10})
        'REF_energy'
    """
    if asked is not None:
        if asked in there:
            return asked
        raise ValueError(
            f"got {label}={asked!r}, which no structure has; there are "
            f"{', '.join(sorted(there)) or 'no names at all'}"
        )
    found = _matching(there, NAMES[label]) or _matching(there, LAST.get(label, ()))
    if len(found) > 1:
        found = sorted(found, key=lambda name: (-there[name], name))
        listed = ", ".join(f"{name!r} (of {there[name]} structures)" for name in found)
        way = "stress" if label == "virial" else label
        raise ValueError(
            f"{label} could be any of {listed}; say which, such as {way}={found[0]!r}"
        )
    return found[0] if found else None


def _matching(there: Mapping[str, int], names: Collection[str]) -> list[str]:
    """Those of the names, the most frequent first."""
    found = [
        name
        for name in there
        if name.lower().replace("_", "").replace("-", "") in names
    ]
    return sorted(found, key=lambda name: (-there[name], name))
