"""Models with their authors' weights against what the authors' packages compute.

``PYTHON tests/peers/authors PACKAGE FOLDER`` writes it, in an environment of the
package; ``PYG_EQUIVARIANT_PEERS=FOLDER`` names the folder here.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Module

from pyg_equivariant import interop

FOLDER = os.environ.get("PYG_EQUIVARIANT_PEERS")
FILES = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []
NONE = pytest.mark.skip(reason="PYG_EQUIVARIANT_PEERS names no folder of files")


class Written:
    """A file, and our models with its weights and with its direction."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self.meta = ast.literal_eval(str(arrays["meta"]))
            self.arrays = {
                key: torch.from_numpy(arrays[key])
                for key in arrays.files
                if key != "meta"
            }
        self.state = self.named("weight/")
        self.model = self.read(self.state)

    def __getitem__(self, key: str) -> Tensor:
        return self.arrays[key]

    def named(self, prefix: str) -> dict[str, Tensor]:
        keys = [key for key in self.arrays if key.startswith(prefix)]
        return {key.removeprefix(prefix): self.arrays[key] for key in keys}

    def read(self, state: dict[str, Tensor]) -> Any:
        reader = getattr(interop, self.meta["reader"])
        return reader(dict(state), **self.meta["settings"])

    def along(self, value: Tensor) -> Tensor:
        """The derivative by all parameters along the direction, which is read, too."""
        direction: Module = self.read(self.state | self.named("direction/"))
        ours = list(self.model.parameters())
        options: dict[str, Any] = {"create_graph": True, "allow_unused": True}
        found = torch.autograd.grad(value, ours, **options)
        parts = zip(found, direction.parameters(), strict=True)
        return torch.stack([(a * b).sum() for a, b in parts if a is not None]).sum()


@pytest.fixture(
    scope="module",
    params=FILES or [pytest.param(None, marks=NONE)],
    ids=lambda path: path.stem if path else "none",
)
def written(request: pytest.FixtureRequest) -> Written:
    return Written(request.param)


def assert_equal(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    error = (found - expected).detach().abs().max() / expected.abs().max()
    assert error <= 1e-10, f"relative error {error:.2e}"


@pytest.mark.parametrize("given", [True, False], ids=["their_edges", "our_edges"])
def test_energies_and_forces(written: Written, given: bool) -> None:
    pos = written["input/pos"].clone().requires_grad_()
    z, batch = written["input/z"], written["input/batch"]
    edges = written["input/edge_index"] if given else None
    energy = written.model(z, pos, batch, edges).squeeze(-1)
    assert_equal(energy, written["output/energy"])
    graph = written.model.graph(pos, batch, edges)
    atomic = written.model.atomic_energies(z, graph).squeeze(-1)
    assert_equal(atomic, written["output/atomic_energy"])
    (first,) = torch.autograd.grad(energy.sum(), pos, create_graph=True)
    assert_equal(-first, written["output/forces"])
    (second,) = torch.autograd.grad(first.square().sum(), pos, retain_graph=True)
    assert_equal(second, written["grad/second_pos"])
    assert_equal(written.along(energy.sum()), written["grad/direction"])
    along = written.along(first.square().sum())
    assert_equal(along, written["grad/force_direction"])
