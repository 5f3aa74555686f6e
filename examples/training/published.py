"""Errors that the papers report on QM9, in the units of :mod:`training.targets`."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A test error of a paper, and the split that it was found on."""

    mae: float
    split: str


_RANDOM = "another random split, 110,000 to train"
_CORMORANT = "cormorant"
_UNITS = ("alpha", "gap", "homo", "lumo", "mu", "Cv", "U0", "r2", "zpve")

# Rows as the papers of PaiNN (SchNet's and its own), SE(3)-Transformer (TFN's), EGNN
# and SEGNN print them.
_ROWS: dict[str, tuple[str, tuple[float | None, ...]]] = {
    "schnet": (_RANDOM, (0.235, 63, 41, 34, 0.033, 0.033, 14, None, None)),
    "painn": (_RANDOM, (0.045, 46, 28, 20, 0.012, 0.024, 5.85, None, None)),
    "egnn": (_CORMORANT, (0.071, 48, 29, 25, 0.029, 0.031, 11, 0.106, 1.55)),
    "tfn": (_CORMORANT, (0.223, 58, 40, 38, 0.064, 0.101, None, None, None)),
    "segnn": (_CORMORANT, (0.060, 42, 24, 21, 0.023, 0.031, None, None, None)),
}


def published_error(model: str, target: str) -> Published | None:
    """What the paper reports for a network and a property, if it is known here."""
    split, row = _ROWS[model]
    errors = dict(zip(_UNITS, row, strict=True))
    mae = errors.get(target)
    return None if mae is None else Published(mae, split)
