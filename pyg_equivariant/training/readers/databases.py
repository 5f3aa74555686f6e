"""Numbers of ASE's data bases that its reader of frames leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

SUFFIXES = ".db", ".json"


def add_rows(path: str | Path, frames: Sequence[Atoms]) -> None:
    """Give frames what their rows hold as data or as key-value pairs.

    SchNetPack keeps its labels so. What has a row for each atom becomes an array of the
    frame, all else its info; what the frame has already stays.

    Args:
        path: of a whole data base of ASE; other files are left alone.
        frames: all of its frames, in order.
    """
    from ase.db import connect

    if Path(path).suffix not in SUFFIXES:
        return
    with connect(path) as rows:
        for row, frame in zip(rows.select(), frames, strict=True):
            for name, value in {**row.key_value_pairs, **row.data}.items():
                _add(frame, name, np.asarray(value))


def _add(frame: Any, name: str, value: np.ndarray[Any, Any]) -> None:
    if name in frame.arrays or name in frame.info:
        return
    if value.ndim > 0 and len(value) == len(frame) > 1:
        frame.arrays[name] = value
    else:
        frame.info[name] = value.squeeze()[()] if value.size == 1 else value
