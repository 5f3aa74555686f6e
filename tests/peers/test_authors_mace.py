"""MACE's crystals of its authors' package; see ``test_authors.py`` for the files."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_equivariant.interop import mace_from_reference
from pyg_equivariant.nn import ForceField

FOLDER = os.environ.get("PYG_EQUIVARIANT_PEERS")
FILES = sorted(Path(FOLDER).glob("mace_*.npz")) if FOLDER else []
NONE = pytest.mark.skip(reason="PYG_EQUIVARIANT_PEERS names no folder of files")


def assert_equal(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    error = (found - expected).detach().abs().max() / expected.abs().max()
    assert error <= 1e-10, f"relative error {error:.2e}"


@pytest.mark.parametrize(
    "path",
    FILES or [pytest.param(None, marks=NONE)],
    ids=lambda path: path.stem if path else "none",
)
def test_forces_and_stress_of_a_crystal(path: Path) -> None:
    with np.load(path) as file:
        meta = ast.literal_eval(str(file["meta"]))
        keys = [key for key in file.files if key != "meta"]
        arrays = {key: torch.from_numpy(file[key]) for key in keys}
    weights = {
        key.removeprefix("weight/"): value
        for key, value in arrays.items()
        if key.startswith("weight/")
    }
    model = ForceField(mace_from_reference(weights, **meta["settings"]), True)
    x = {key.removeprefix("crystal/"): value for key, value in arrays.items()}
    names = ("cell", "edge_index", "edge_shift")
    out = model(x["z"], x["pos"], **{name: x[name] for name in names})
    assert_equal(out.energy.flatten(), x["energy"])
    assert_equal(out.forces, x["forces"])
    assert_equal(out.stress, x["stress"])
