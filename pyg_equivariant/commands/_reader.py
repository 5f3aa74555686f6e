"""How files are read."""

from __future__ import annotations

import argparse
from typing import Any

from pyg_equivariant.training.potential_task import POTENTIAL

_UNITS = ("energy_unit", "length_unit", "stress_unit")


def add_reader_flags(parser: argparse.ArgumentParser) -> None:
    """Names and units of labels in files."""
    group = parser.add_argument_group("the file, where names or units are unusual")
    for name in POTENTIAL:
        group.add_argument(f"--{name}", metavar="NAME", help=f"of the {name} there")
    for name in _UNITS:
        flag = name.replace("_", "-")
        what = flag.removesuffix("-unit")
        group.add_argument(f"--{flag}", metavar="UNIT", help=f"of the {what} there")


def reader_options(flags: argparse.Namespace) -> dict[str, Any]:
    """Options of a reader that were chosen."""
    given = {name: getattr(flags, name) for name in (*POTENTIAL, *_UNITS)}
    return {name: value for name, value in given.items() if value is not None}
