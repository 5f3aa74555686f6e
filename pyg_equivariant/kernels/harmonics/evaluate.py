"""Spherical harmonics by compiled code where there is some."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant import o3
from pyg_equivariant.o3 import IrrepsLike
from pyg_equivariant.o3._solid_harmonics import Blocks, table_values
from pyg_equivariant.o3._spherical_harmonics import (
    HarmonicsLike,
    _as_blocks,
    _harmonics_irreps,
    _working_dtype,
)

from ..compiled.build import compiler_or_warning
from ..compiled.observed import transformed
from .backend import LARGEST
from .operator import harmonics

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def spherical_harmonics(
    irreps_or_l: HarmonicsLike,
    vectors: Tensor,
    normalize: bool = True,
    normalization: str = "component",
) -> Tensor:
    """What :func:`pyg_equivariant.o3.spherical_harmonics` specifies, much faster.

    On the CPU one pass over the vectors normalises them and evaluates all degrees, and
    one more pass each returns the first and the second derivatives: neither polynomials
    nor Jacobians are stored. Further derivatives, degrees above 12, other devices,
    ``torch.func`` transforms and machines without a C compiler are served by plain
    torch. Arguments, shapes and errors are those of the specification.

    Example:
        >>> vectors = torch.randn(10, 3)
        >>> found = spherical_harmonics("1x0e+1x1o+1x2e", vectors)
        >>> torch.allclose(found, o3.spherical_harmonics([0, 1, 2], vectors), atol=1e-5)
        True
    """
    _, irreps = _harmonics_irreps(irreps_or_l)
    blocks = _as_blocks(irreps)
    table_values(blocks, normalization)  # refuses unknown normalizations
    if not _is_fast(vectors, blocks):
        return o3.spherical_harmonics(irreps, vectors, normalize, normalization)
    return _evaluate(vectors, blocks, normalize, normalization)


class SphericalHarmonics(o3.SphericalHarmonics):
    """:func:`spherical_harmonics` as a module.

    Everything but speed is said at :class:`pyg_equivariant.o3.SphericalHarmonics`.

    Args:
        irreps_out: as ``irreps_or_l`` of :func:`spherical_harmonics`.
        normalize: as in :func:`spherical_harmonics`.
        normalization: as in :func:`spherical_harmonics`.
        irreps_in: ``"1o"`` for a polar vector, ``"1e"`` for a pseudovector.

    Example:
        >>> harmonics = SphericalHarmonics("1x0e+1x1o+1x2e")
        >>> harmonics
        SphericalHarmonics(1x1o -> 1x0e+1x1o+1x2e, component)
        >>> harmonics(torch.randn(10, 3)).shape
        torch.Size([10, 9])
    """

    def __init__(
        self,
        irreps_out: HarmonicsLike,
        normalize: bool = True,
        normalization: str = "component",
        irreps_in: IrrepsLike | None = None,
    ) -> None:
        super().__init__(irreps_out, normalize, normalization, irreps_in)

    def forward(self, vectors: Tensor) -> Tensor:
        """Evaluate the harmonics of ``vectors``."""
        if not _is_fast(vectors, self._blocks):
            return super().forward(vectors)
        return _evaluate(vectors, self._blocks, self.normalize, self.normalization)


def _is_fast(vectors: Tensor, blocks: Blocks) -> bool:
    return (
        vectors.device.type == "cpu"
        and vectors.dtype in _DTYPES
        and 0 < max([0, *(l for _, l in blocks)]) <= LARGEST
        and not transformed()
        and (torch.compiler.is_compiling() or compiler_or_warning())
    )


def _evaluate(
    vectors: Tensor, blocks: Blocks, normalize: bool, normalization: str
) -> Tensor:
    rows = vectors.to(_working_dtype(vectors)).reshape(-1, 3)
    degrees = sorted({l for _, l in blocks})
    out = harmonics(rows, " ".join(map(str, degrees)), normalize, normalization)
    if blocks != tuple((1, l) for l in degrees):
        parts = out.split([2 * l + 1 for l in degrees], dim=1)
        of = dict(zip(degrees, parts, strict=True))
        out = torch.cat([of[l].repeat_interleave(mul, 1) for mul, l in blocks], dim=1)
    return out.reshape(*vectors.shape[:-1], out.shape[1]).to(vectors.dtype)
