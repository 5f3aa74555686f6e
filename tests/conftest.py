"""Fixtures that all tests share."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]

collect_ignore = ["mutation"]  # a command, not tests; needs Cosmic Ray

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that may lie beside the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no shared/ beside the repository")
    return folder


@pytest.fixture(scope="session")
def golden(shared: Path) -> Callable[[str], dict[str, Any]]:
    """Load the reference arrays of a name: tensors by key, and ``meta``, a dict."""

    def load(name: str) -> dict[str, Any]:
        path = shared / "golden" / f"{name}.npz"
        if not path.is_file():
            pytest.skip(f"no golden file {path.name}")
        with np.load(path) as arrays:
            meta = ast.literal_eval(str(arrays["meta"]))
            keys = [key for key in arrays.files if key != "meta"]
            return {key: torch.from_numpy(arrays[key]) for key in keys} | {"meta": meta}

    return load


@pytest.fixture
def generator() -> torch.Generator:
    """The source of randomness of a test: the same in every run."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def qm9_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root that ``torch_geometric.datasets.QM9`` opens: 131 made-up molecules."""
    import torch
    from torch_geometric.data import Data, InMemoryDataset

    generator = torch.Generator().manual_seed(0)
    species = torch.tensor([1, 6, 7, 8, 9])
    graphs = []
    for index in range(131):
        size = int(torch.randint(3, 9, (), generator=generator))
        z = species[torch.randint(5, (size,), generator=generator)]
        pos = 1.5 * torch.randn(size, 3, generator=generator)
        y = 0.1 * torch.randn(1, 19, generator=generator) + z.sum() / 10 + pos.norm()
        graphs.append(Data(z=z, pos=pos, y=y, idx=torch.tensor([index])))

    root = tmp_path_factory.mktemp("qm9")
    (root / "processed").mkdir()
    (root / "raw").mkdir()
    for name in ("qm9_v3.pt", "gdb9.sdf", "gdb9.sdf.csv", "uncharacterized.txt"):
        (root / "raw" / name).touch()
    for name in ("pre_transform", "pre_filter"):
        torch.save("None", root / "processed" / f"{name}.pt")
    InMemoryDataset.save(graphs, str(root / "processed" / "data_v3.pt"))
    return root


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
