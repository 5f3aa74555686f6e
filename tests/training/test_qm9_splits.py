"""The splits are the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_equivariant.training.errors import mean_predictor
from pyg_equivariant.training.qm9.splits import NUM_MOLECULES, split_molecules

SIZES = {
    "cormorant": (100_000, 17_748, 13_083),
    "dimenet": (110_000, 10_000, 10_831),
    "equiformer": (110_000, 10_000, 10_831),
    "random:7": (110_000, 10_000, 10_831),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_split_divides_all_molecules(name: str) -> None:
    split = split_molecules(name)
    assert tuple(map(len, split)) == SIZES[name]
    assert torch.equal(torch.cat(split).sort().values, torch.arange(NUM_MOLECULES))


def test_the_splits_all_differ() -> None:
    names = [*SIZES, "random:8"]
    first = {tuple(split_molecules(name).train[:5].tolist()) for name in names}
    assert len(first) == len(names)


def test_a_smaller_set_is_divided_in_proportion() -> None:
    assert tuple(map(len, split_molecules("cormorant", 1308))) == (999, 178, 131)


@pytest.mark.parametrize("name", ["dimnet", "random", "random:x", "random:-1"])
def test_an_unknown_split_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"got split '{name}', expected cormorant"):
        split_molecules(name)


def test_the_mean_of_the_training_set_errs_as_published(shared: Path) -> None:
    path = shared / "data" / "qm9" / "qm9.npz"
    if not path.is_file():
        pytest.skip("no QM9")
    with np.load(path) as arrays:
        names = arrays["names"].tolist()
        values = torch.from_numpy(arrays["properties"])
    split = split_molecules("cormorant")
    hartree = 27_211.386246  # meV
    published = {
        "alpha": (6.344, 1.0),
        "gap": (1079, hartree),
        "homo": (434, hartree),
        "mu": (1.169, 1.0),
        "Cv": (3.227, 1.0),
    }
    for name, (mae, unit) in published.items():
        y = unit * values[:, names.index(name)]
        error = mean_predictor(y[split.train], y[split.test])
        assert error.mae == pytest.approx(mae, rel=1e-3)
        assert error.count == 13_083
