"""What modules without weights for the most part owe to their user in any precision.

Where a number has no room in a dtype it may be infinite or zero; everything else, and
its first and second derivative, is that of float64 but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_equivariant.nn import (
    BesselBasis,
    CosineCutoff,
    EquivariantBatchNorm,
    EquivariantInstanceNorm,
    EquivariantLayerNorm,
    Gate,
    GaussianBasis,
    Norm,
    NormActivation,
    PolynomialCutoff,
    ShiftedSoftplus,
    SphericalHarmonics,
)
from pyg_equivariant.o3 import safe_norm, safe_normalize

DTYPES = torch.float16, torch.bfloat16, torch.float32, torch.float64
IRREPS = "4x0e+2x1o+1x2e"
Function = Callable[[Tensor], Tensor]


def lengths() -> Tensor:
    """At zero, near it, just inside of a cutoff of 4, at it, and far outside."""
    return torch.tensor([0, 2e-3, 0.25, 1.5, 3.75, 3.9375, 3.96875, 4, 4.25, 6e4])


def vectors() -> Tensor:
    """None, short ones, long ones whose squares leave half precision, and others."""
    directions = torch.tensor([[0.0, 0.0, 1.0], [0.6, 0.0, -0.8], [0.5, 1.0, -0.25]])
    scales = torch.tensor([0.0, 1e-2, 1.0, 3e4]).view(-1, 1, 1)
    return (directions * scales).view(-1, 3)


def features() -> Tensor:
    """Small rows, zero ones, and large ones."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 15, generator=generator)
    scales = torch.tensor([0.0, 1e-3, 1.0, 3e2]).view(-1, 1, 1)
    return (x * scales).view(-1, 15)


def numbers() -> Tensor:
    """About zero, and where an exponential leaves half precision or float32."""
    near = [0.0, 1e-3, -1e-3, 0.1, -0.1, 2.0, -2.0]
    return torch.tensor([*near, 10.0, -9.0, 12.0, 39.0, 41.0, 100.0, 6e4, -6e4])


MODULES: dict[str, tuple[Function, Function]] = {
    "cosine": (CosineCutoff(4.0), lengths),
    "polynomial": (PolynomialCutoff(4.0), lengths),
    "polynomial, p=2": (PolynomialCutoff(4.0, p=2), lengths),
    "Gaussians": (GaussianBasis(5, 4.0), lengths),
    "Bessel": (BesselBasis(3, 4.0, prefactor="nequip"), lengths),
    "length": (safe_norm, vectors),
    "direction": (safe_normalize, vectors),
    "harmonics": (SphericalHarmonics("0e+1o+2e"), vectors),
    "length activation": (NormActivation(IRREPS), features),
    "layer norm": (EquivariantLayerNorm(IRREPS), features),
    "instance norm": (EquivariantInstanceNorm(IRREPS), features),
    "batch norm": (EquivariantBatchNorm(IRREPS), features),
    "lengths": (Norm(IRREPS), features),
    "gate": (Gate.from_irreps("1x0e+2x1o+1x2e"), features),
    "softplus": (ShiftedSoftplus(), numbers),
}


def _derivatives(function: Function, x: Tensor) -> list[Tensor]:
    x = x.requires_grad_()
    value = function(x)
    options = {"create_graph": True, "materialize_grads": True}
    ones = [torch.ones_like(value), torch.ones_like(x)]
    (first,) = torch.autograd.grad(value, x, ones[0], **options)
    if not first.requires_grad:
        return [value, first]
    return [value, first, torch.autograd.grad(first, x, ones[1], **options)[0]]


def assert_rounded(found: Tensor, expected: Tensor, factor: float) -> None:
    """The same to some digits of each row, where there is room, and to float32."""
    info = torch.finfo(found.dtype)
    room = expected.abs() < 0.9 * info.max
    assert found[room].isfinite().all()
    rows = expected.abs().reshape(len(expected), -1).amax(1).clamp(min=info.tiny)
    scale = rows.view(-1, *[1] * (expected.dim() - 1)).expand_as(expected)
    allowed = info.eps * scale + min(info.eps, torch.finfo(torch.float32).eps)
    error = (found.double() - expected).abs() / allowed
    assert error[room].max() <= factor


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_float64_but_for_rounding(name: str, dtype: torch.dtype) -> None:
    function, inputs = MODULES[name]
    x = inputs().to(dtype)

    def evaluate(dtype: torch.dtype) -> list[Tensor]:
        given = x.detach().to(dtype).clone()
        if isinstance(function, torch.nn.Module):
            function.to(dtype)
        return _derivatives(function, given)

    found, expected = evaluate(dtype), evaluate(torch.float64)
    for order, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.dtype == dtype
        assert_rounded(a.detach(), b.detach(), 16 * 8**order)
