"""Frames of a molecule on springs, in the files of rMD17."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MEAN = -4000.0  # eV
KCAL = 0.0433641153087705  # eV


def springs(folder: Path, name: str, train: int, test: int) -> None:
    """Frames of three atoms on springs, in eV of a total energy of ``MEAN``."""
    for part, frames in (("train", train), ("test", test)):
        rng = np.random.default_rng(frames)
        rest = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        coords = rest + 0.1 * rng.normal(size=(frames, 3, 3))
        np.savez(
            folder / f"rmd17_{name}_{part}_01.npz",
            coords=coords,
            energies=MEAN / KCAL + 50 * ((coords - rest) ** 2).sum((1, 2)),
            forces=-100 * (coords - rest),
            nuclear_charges=np.array([8, 1, 1], dtype=np.uint8),
        )
