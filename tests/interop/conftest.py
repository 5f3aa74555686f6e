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


@pytest.fixture
def mace_state() -> dict[str, Tensor]:
    """Of a MACE of two layers, 4x0e+4x1o, of hydrogen and oxygen, without files."""
    sizes = {"node_embedding.linear": (8,), "interactions.0.linear_up": (16,)}
    sizes |= {"interactions.0.linear": (32,), "interactions.0.skip_tp": (64,)}
    sizes |= {"interactions.1.linear_up": (32,), "interactions.1.linear": (64,)}
    sizes |= {"interactions.1.skip_tp": (32,)}
    sizes |= {"interactions.0.conv_tp_weights.layer0": (6, 8)}
    sizes |= {"interactions.1.conv_tp_weights.layer0": (6, 16)}
    sizes |= {"products.0.linear": (32,), "products.1.linear": (16,)}
    sizes |= {"readouts.0.linear": (4,), "readouts.1.linear_1": (20,)}
    sizes |= {"readouts.1.linear_2": (5,)}
    state = {f"{k}.weight": torch.randn(v).double() for k, v in sizes.items()}
    for place in ("0.{}.0", "0.{}.1", "1.{}.0"):
        stem = f"products.{place.format('symmetric_contractions.contractions')}.weights"
        state[f"{stem}_max"] = torch.randn(2, 2, 4).double()
        state[f"{stem}.0"] = torch.randn(2, 1, 4).double()
    roots = torch.arange(1, 7).double() * torch.pi / 4
    state["radial_embedding.bessel_fn.bessel_weights"] = roots
    state["radial_embedding.cutoff_fn.p"] = torch.tensor(5)
    state["atomic_energies_fn.atomic_energies"] = torch.tensor([-1.0, -8.0])
    state["scale_shift.scale"] = torch.tensor(0.7)
    state["scale_shift.shift"] = torch.tensor(0.1)
    state["r_max"] = torch.tensor(4.0)
    state["atomic_numbers"] = torch.tensor([1, 8])
    return state
