"""A tiny set of molecules in PyG's own format, and the examples on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

for module in ("lightning", "torchmetrics", "matplotlib", "ase"):
    pytest.importorskip(module)

if str(EXAMPLES) not in sys.path:
    sys.path.insert(0, str(EXAMPLES))


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
