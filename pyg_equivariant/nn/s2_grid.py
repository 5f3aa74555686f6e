"""Signals on the sphere: from coefficients to values on a grid, and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    Irreps,
    angles_to_xyz,
    check_real,
    polar_weights,
    s2_grid,
    spherical_harmonics_reference,
)

from .module import EquivariantModule, check_dtype, check_features

NORMALIZATIONS = ("component", "norm", "integral")
Resolution = int | tuple[int, int] | None


class _S2Grid(EquivariantModule):
    """Harmonics on a grid that is fine enough for them."""

    def __init__(self, lmax: int, res: Resolution, normalization: str) -> None:
        super().__init__()
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization is one of {NORMALIZATIONS}, got {normalization!r}"
            )
        self.lmax, self.normalization = lmax, normalization
        self.res_beta, self.res_alpha = _resolution(lmax, res)
        self.register_constant("grid", self._points())

    def _points(self) -> Tensor:
        betas, alphas = s2_grid(self.res_beta, self.res_alpha, torch.float64, "cpu")
        return angles_to_xyz(alphas, betas.unsqueeze(-1))

    def _harmonics(self, lmax: int) -> tuple[Tensor, Tensor]:
        """``(points, harmonics)`` of unit variance, and the scale of each."""
        points = self._points().flatten(0, 1)
        harmonics = spherical_harmonics_reference(range(self.lmax + 1), points)
        ls = [l for l in range(self.lmax + 1) for _ in range(2 * l + 1)]
        variance = {
            "component": [1 / (2 * l + 1) / (lmax + 1) for l in ls],
            "norm": [1 / (lmax + 1) for l in ls],
            "integral": [1 / (4 * math.pi) for l in ls],
        }[self.normalization]
        scale = torch.tensor(variance, dtype=torch.float64, device="cpu").sqrt()
        return harmonics, scale

    def __repr__(self) -> str:
        res = f"res=({self.res_beta}, {self.res_alpha})"
        return f"{type(self).__name__}(lmax={self.lmax}, {res}, {self.normalization})"


class ToS2Grid(_S2Grid):
    r"""The values of a signal on the sphere, on a grid.

    .. math::
        f(\mathbf r) = \sum_{l \le L} n_l\, x^l \cdot Y^l(\mathbf r)

    on the points of :func:`pyg_equivariant.o3.s2_grid`. With ``"component"`` and
    ``"norm"`` :math:`f` has unit variance where components, or lengths, of the
    coefficients have; with ``"integral"`` :math:`Y^l` are orthonormal harmonics and
    :math:`n_l = 1`. The counterpart of e3nn's module of that name, with its numbers.

    Args:
        lmax: the largest degree :math:`L`.
        res: numbers of polar angles and of azimuths, each above ``2 * lmax``; or the
            first alone (default: ``2 * lmax + 2`` and ``2 * lmax + 1``).
        normalization: ``"component"`` (default), ``"norm"`` or ``"integral"``.

    Attributes:
        grid: points, ``(res_beta, res_alpha, 3)``.

    Shapes:
        - **input:** coefficients :math:`(*, (L+1)^2)`, degree by degree
        - **output:** values :math:`(*, \text{res\_beta}, \text{res\_alpha})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if the grid is too coarse for the degree, or a shape does not fit.

    Example:
        >>> ToS2Grid(6, (100, 101))(torch.randn(3, 49)).shape
        torch.Size([3, 100, 101])
    """

    harmonics: Tensor

    def __init__(
        self, lmax: int, res: Resolution = None, normalization: str = "component"
    ) -> None:
        super().__init__(lmax, res, normalization)
        self.irreps_in = Irreps.spherical_harmonics(lmax)
        harmonics, scale = self._harmonics(lmax)
        self.register_constant("harmonics", harmonics * scale)

    def forward(self, x: Tensor) -> Tensor:
        """The values of the signal with coefficients ``x``."""
        check_features(x, self.irreps_in, like=self.harmonics)
        values = x @ self.harmonics.mT
        return values.unflatten(-1, (self.res_beta, self.res_alpha))


class FromS2Grid(_S2Grid):
    r"""The coefficients of a signal on the sphere, from its values on a grid.

    .. math::
        x^l = \frac{1}{4 \pi\, n_l} \int_{S^2} f(\mathbf r)\, Y^l(\mathbf r)\,
              \mathrm d \mathbf r

    by a quadrature that is exact for signals up to degree
    :math:`\min(N, M) - 1 - L` on :math:`N` polar angles and :math:`M` azimuths: it
    inverts :class:`ToS2Grid`. The counterpart of e3nn's module of that name, with its
    numbers.

    Args:
        res: as in :class:`ToS2Grid`.
        lmax: the largest degree :math:`L`.
        normalization: as in :class:`ToS2Grid` (default: ``"component"``).
        lmax_in: the ``lmax`` of the :class:`ToS2Grid` that this inverts (default:
            ``lmax``).

    Attributes:
        grid: points, ``(res_beta, res_alpha, 3)``.

    Shapes:
        - **input:** values :math:`(*, \text{res\_beta}, \text{res\_alpha})`
        - **output:** coefficients :math:`(*, (L+1)^2)`, degree by degree

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if the grid is too coarse for the degree, or a shape does not fit.

    Example:
        >>> to_grid, from_grid = ToS2Grid(4), FromS2Grid(None, 4)
        >>> x = torch.randn(25)
        >>> torch.allclose(from_grid(to_grid(x)), x, atol=1e-5)
        True
    """

    quadrature: Tensor

    def __init__(
        self,
        res: Resolution,
        lmax: int,
        normalization: str = "component",
        lmax_in: int | None = None,
    ) -> None:
        super().__init__(lmax, res, normalization)
        self.irreps_out = Irreps.spherical_harmonics(lmax)
        self.lmax_in = lmax if lmax_in is None else lmax_in
        harmonics, scale = self._harmonics(self.lmax_in)
        polar = polar_weights(self.res_beta, torch.float64, "cpu") / self.res_alpha
        weights = polar.repeat_interleave(self.res_alpha).unsqueeze(-1)
        self.register_constant("quadrature", weights * harmonics / scale)

    def forward(self, values: Tensor) -> Tensor:
        """The coefficients of the signal with these values."""
        check_real(values, "values")
        shape = self.res_beta, self.res_alpha
        if values.shape[-2:] != shape:
            raise ValueError(
                f"values are on a grid of {shape[0]} polar angles and {shape[1]} "
                f"azimuths, expected (..., {shape[0]}, {shape[1]}), got shape "
                f"{tuple(values.shape)}"
            )
        check_dtype(values, self.quadrature, "values")
        return values.flatten(-2) @ self.quadrature


def _resolution(lmax: int, res: Resolution) -> tuple[int, int]:
    """Numbers of polar angles and of azimuths."""
    if isinstance(lmax, bool) or not isinstance(lmax, int) or lmax < 0:
        raise ValueError(f"lmax is a degree, 0 or more, got {lmax!r}")
    if res is None:
        res = 2 * lmax + 2
    beta, alpha = (res, max(2 * lmax + 1, res - 1)) if isinstance(res, int) else res
    if min(beta, alpha) <= 2 * lmax:
        raise ValueError(
            f"harmonics to degree {lmax} need more than {2 * lmax} polar angles and "
            f"azimuths, got res=({beta}, {alpha})"
        )
    return beta, alpha
