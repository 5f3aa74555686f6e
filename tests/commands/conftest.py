"""Files of structures, as a person has them."""

from __future__ import annotations

from pathlib import Path

import pytest

for module in ("lightning", "torchmetrics", "matplotlib", "ase"):
    pytest.importorskip(module)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with copper in EMT's potential: crystals.xyz, clusters.xyz."""
    import ase.io
    import numpy as np
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator

    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("structures")
    crystals, clusters = [], []
    for index in range(50):
        atoms = bulk("Cu", cubic=True) * (1, 1, 1)
        atoms.symbols[index % 4] = "Al"
        cluster = atoms[:3]
        atoms.set_cell(atoms.cell * random.normal(1.0, 0.03, (3, 1)), scale_atoms=True)
        cluster.pbc = False
        for each, frames in ((atoms, crystals), (cluster, clusters)):
            each.positions += random.normal(0.0, 0.1, each.positions.shape)
            each.calc = EMT()
            found = {"energy": each.get_potential_energy()}
            found["forces"] = each.get_forces()
            if each.pbc.any():
                found["stress"] = each.get_stress()
            each.calc = SinglePointCalculator(each, **found)
            frames.append(each)
    ase.io.write(folder / "crystals.xyz", crystals)
    ase.io.write(folder / "clusters.xyz", clusters)
    return folder
