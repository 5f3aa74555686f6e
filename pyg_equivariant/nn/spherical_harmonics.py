"""Spherical harmonics as a module."""

from __future__ import annotations

from torch import Tensor

from pyg_equivariant.kernels import evaluate_harmonics, spherical_harmonics
from pyg_equivariant.o3 import (
    HarmonicsLike,
    IrrepsLike,
    check_tensor,
    harmonics_irreps,
    harmonics_table,
)

from .module import EquivariantModule

__all__ = ["SphericalHarmonics", "spherical_harmonics"]


class SphericalHarmonics(EquivariantModule):
    r""":func:`spherical_harmonics` as a module.

    It keeps its constants on its device, has no weights and an empty ``state_dict``.

    Args:
        irreps_out: as ``irreps_or_l`` of :func:`spherical_harmonics`.
        normalize: as in :func:`spherical_harmonics` (default: ``True``).
        normalization: as in :func:`spherical_harmonics`.
        irreps_in: ``"1o"`` for a polar vector, ``"1e"`` for a pseudovector (default:
            the one whose harmonics are ``irreps_out``, ``"1o"`` where both are).

    Shapes:
        - **input:** vectors :math:`(*, 3)`
        - **output:** harmonics :math:`(*, \text{irreps\_out.dim})`

    Raises:
        ValueError: if ``irreps_out`` are not irreps of harmonics of ``irreps_in``, or
            ``normalization`` is unknown.

    Example:
        >>> import torch
        >>> harmonics = SphericalHarmonics("1x0e+1x1o+1x2e")
        >>> harmonics
        SphericalHarmonics(1x1o -> 1x0e+1x1o+1x2e, component)
        >>> harmonics(torch.randn(10, 3)).shape
        torch.Size([10, 9])
    """

    table: Tensor

    def __init__(
        self,
        irreps_out: HarmonicsLike,
        normalize: bool = True,
        normalization: str = "component",
        irreps_in: IrrepsLike | None = None,
    ) -> None:
        super().__init__()
        self.irreps_in, self.irreps_out = harmonics_irreps(irreps_out, irreps_in)
        self.normalize = normalize
        self.normalization = normalization
        self._blocks = tuple((mul, ir.l) for mul, ir in self.irreps_out if mul)
        table = harmonics_table(self._blocks, normalization)
        self.register_constant("table", table)

    def forward(self, vectors: Tensor) -> Tensor:
        """Evaluate the harmonics of ``vectors``."""
        check_tensor(vectors, "vectors")
        form = self._blocks, self.normalize, self.normalization
        return evaluate_harmonics(vectors, *form, self.table)

    def __repr__(self) -> str:
        polynomials = "" if self.normalize else ", normalize=False"
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, "
            f"{self.normalization}{polynomials})"
        )
