"""Fixtures for the tests of trained weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

Golden = Callable[[str], dict[str, Any]]


@pytest.fixture
def assert_equal() -> Callable[[Tensor, Tensor], None]:
    """Compare to 1e-10 of the largest number."""

    def check(actual: Tensor, expected: Tensor) -> None:
        assert actual.shape == expected.shape
        assert actual.dtype == expected.dtype
        scale = expected.detach().abs().max()
        assert scale > 0
        error = (actual - expected).detach().abs().max() / scale
        assert error <= 1e-10, f"relative error {error:.2e}"

    return check


@pytest.fixture(scope="session")
def reference(golden: Golden) -> Callable[[str], tuple[dict[str, Tensor], Any]]:
    """The ``state_dict`` of a reference, and its other arrays."""

    def load(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        data = golden(name)
        weights = {
            key.removeprefix("weight/"): value
            for key, value in data.items()
            if key.startswith("weight/")
        }
        return weights, data

    return load


@pytest.fixture
def small_graph(generator: torch.Generator) -> dict[str, Tensor]:
    """Two molecules of float64 positions, the last atom alone, edges one way."""
    batch = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1])
    pos = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    edges = [(0, 1), (1, 0), (2, 1), (3, 2), (0, 3), (4, 0), (1, 4), (3, 4)]
    edges += [(5, 6), (6, 5), (7, 6), (5, 7)]
    z = torch.randint(1, 10, (9,), generator=generator)
    return {
        "z": z,
        "pos": pos.requires_grad_(),
        "batch": batch,
        "edge_index": torch.tensor(edges).T.contiguous(),
    }
