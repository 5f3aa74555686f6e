"""The C of the harmonics on machines with narrower vectors."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.kernels.c import build
from pyg_equivariant.kernels.spherical_harmonics import cpu
from pyg_equivariant.kernels.spherical_harmonics.operator import operators
from pyg_equivariant.kernels.spherical_harmonics.reference import Form

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="needs a C compiler")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("missing", [["__AVX512F__"], ["__AVX512F__", "__AVX__"]])
@pytest.mark.parametrize("degrees", [(0, 1, 2), (0, 1, 2, 3), (1, 4)])
def test_narrower_vectors(
    degrees: tuple[int, ...],
    missing: list[str],
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = build.compiler()
    assert found is not None
    command = (*found.command, *(f"-U{name}" for name in missing))
    narrower = found._replace(command=command)
    monkeypatch.setattr(build, "compiler", lambda: narrower)
    form = Form(degrees, True, "component")
    x, along = (torch.randn(37, 3, dtype=dtype) for _ in range(2))
    grad = torch.randn(37, form.dim, dtype=dtype)
    results = []
    for caches in (build._try, cpu._library):
        caches.cache_clear()
    try:
        for module in (cpu, operators.reference):
            results.append(
                [
                    module.value(x, None, form),
                    module.gradient(x, None, grad, form),
                    *module.second(x, None, grad, along, form),
                ]
            )
    finally:
        for caches in (build._try, cpu._library):
            caches.cache_clear()
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for found, expected in zip(*results, strict=True):
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * scale)
