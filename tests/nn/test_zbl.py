"""The repulsion of nuclei."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pyg_equivariant.nn import ZBLRepulsion
from pyg_equivariant.nn.nuclei import COVALENT_RADII, HEAVIEST

PAIR = torch.tensor([[0, 1], [1, 0]])


def test_golden_file(golden: Callable[[str], dict[str, Any]]) -> None:
    data = golden("mace_zbl")
    module = ZBLRepulsion(data["meta"]["p"]).double()
    length = data["input/edge_length"].requires_grad_()
    out = module(data["input/z"], data["input/edge_index"], length.squeeze(1))
    torch.testing.assert_close(out, data["output/atomic"], rtol=1e-12, atol=1e-14)
    (grad,) = torch.autograd.grad(out.sum(), length)
    torch.testing.assert_close(grad, data["grad/edge_length"], rtol=1e-12, atol=1e-13)
    radii = torch.tensor(COVALENT_RADII[:9], dtype=torch.float64)
    torch.testing.assert_close(radii, data["input/covalent_radii"][1:])


def test_is_coulombs_law_of_bare_nuclei_when_near() -> None:
    z, r = torch.tensor([6, 8]), torch.full((2,), 2e-3, dtype=torch.float64)
    energy = ZBLRepulsion().double()(z, PAIR, r).sum()
    assert abs(energy / (14.3996 * 48 / 2e-3) - 1) < 0.06


def test_ends_smoothly_where_bonds_begin() -> None:
    z = torch.tensor([6, 1])
    r = torch.tensor([1.0699, 1.0701], dtype=torch.float64, requires_grad=True)
    energy = ZBLRepulsion().double()(z, PAIR, r)
    first = torch.autograd.grad(energy.sum(), r, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), r)[0]
    assert energy[0] == 0
    assert 0 < energy[1] < 1e-10
    assert first.abs().max() < 1e-6
    assert second.abs().max() < 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_where_nuclei_coincide(dtype: torch.dtype) -> None:
    r = torch.zeros(2, dtype=dtype, requires_grad=True)
    energy = ZBLRepulsion().to(dtype)(torch.tensor([1, 92]), PAIR, r)
    (force,) = torch.autograd.grad(energy.sum(), r)
    assert energy.isfinite().all()
    assert energy.dtype == dtype
    assert force.isfinite().all()


def test_atoms_without_a_radius_are_refused() -> None:
    with pytest.raises(ValueError, match=f"atomic number {HEAVIEST}"):
        ZBLRepulsion()(torch.tensor([6, HEAVIEST + 1]), PAIR, torch.ones(2))
    with pytest.raises(TypeError, match="integers"):
        ZBLRepulsion()(torch.ones(2), PAIR, torch.ones(2))
    with pytest.raises(ValueError, match=r"edge_length \(\|E\|,\)"):
        ZBLRepulsion()(torch.tensor([6, 1]), PAIR, torch.ones(3))


def test_says_what_it_is() -> None:
    assert str(ZBLRepulsion(p=5)) == "ZBLRepulsion(p=5)"
