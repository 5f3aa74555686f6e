"""Spherical harmonics as an operator."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    HarmonicsLike,
    check_tensor,
    harmonics_irreps,
    harmonics_reference,
    squared_length,
)

from ..c.memory import REAL
from ..dispatch import backend
from ..twice_differentiable import TwiceDifferentiable
from . import cpu, reference
from .cpu import LARGEST
from .reference import Form


def _shapes(x: Tensor, form: Form) -> tuple[tuple[int, int], None, tuple[int, int]]:
    rows = x.shape[0] if x.dim() else 0
    return (rows, 3), None, (rows, form.dim)


operators = TwiceDifferentiable(
    "spherical_harmonics", reference.value, cpu, Form.parse, _shapes
)


def spherical_harmonics(
    irreps_or_l: HarmonicsLike,
    vectors: Tensor,
    normalize: bool = True,
    normalization: str = "component",
) -> Tensor:
    """What :func:`pyg_equivariant.o3.spherical_harmonics_reference` specifies, faster.

    On the CPU one pass over the vectors normalizes them and evaluates all degrees, and
    one more pass each returns the first and the second derivatives: neither polynomials
    nor Jacobians are stored. Further derivatives, degrees above 12, other devices,
    ``torch.func`` transforms and machines without a C compiler are served by plain
    torch. Arguments, shapes and errors are those of the specification.

    Example:
        >>> vectors = torch.tensor([0.0, 3.0, 4.0])
        >>> spherical_harmonics(1, vectors, normalization="norm")
        tensor([0.0000, 0.6000, 0.8000])
        >>> spherical_harmonics("1x0e+1x1o+1x2e", torch.randn(10, 3)).shape
        torch.Size([10, 9])
    """
    _, irreps = harmonics_irreps(irreps_or_l)
    squared_length(0, normalization)  # refuses unknown normalizations
    blocks = tuple((mul, ir.l) for mul, ir in irreps if mul)
    return evaluate_harmonics(vectors, blocks, normalize, normalization)


def evaluate_harmonics(
    vectors: Tensor,
    blocks: tuple[tuple[int, int], ...],
    normalize: bool = True,
    normalization: str = "component",
    table: Tensor | None = None,
) -> Tensor:
    """What :func:`pyg_equivariant.o3.harmonics_reference` specifies, faster.

    Example:
        >>> evaluate_harmonics(torch.randn(10, 3), ((1, 0), (4, 1))).shape
        torch.Size([10, 13])
    """
    check_tensor(vectors, "vectors")
    degrees = tuple(sorted({l for _, l in blocks}))
    has_kernel = vectors.shape[-1:] == (3,) and 0 < max((0, *degrees)) <= LARGEST
    if not has_kernel or backend(vectors) != "c":
        return harmonics_reference(vectors, blocks, normalize, normalization, table)
    form = Form(degrees, normalize, normalization)
    rows, dtype = vectors, vectors.dtype
    if dtype not in REAL:
        rows = rows.float()
    if rows.dim() != 2:  # a view is a step of its own in every derivative
        rows = rows.reshape(-1, 3)
    out = operators.value(rows, None, form.text())
    if blocks != tuple((1, l) for l in degrees):
        parts = out.split([2 * l + 1 for l in degrees], dim=1)
        of = dict(zip(degrees, parts, strict=True))
        out = torch.cat([of[l].repeat_interleave(mul, 1) for mul, l in blocks], dim=1)
    if vectors.dim() != 2:
        out = out.reshape(*vectors.shape[:-1], out.shape[1])
    return out if out.dtype == dtype else out.to(dtype)
