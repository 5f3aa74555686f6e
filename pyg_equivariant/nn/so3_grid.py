"""Signals on the group of rotations: coefficients and values on a grid."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import (
    Irreps,
    angles_to_matrix,
    check_real,
    polar_weights,
    s2_grid,
    wigner_D,
)

from .module import EquivariantModule, check_dtype, check_features


class SO3Grid(EquivariantModule):
    r"""The values of a signal on SO(3) at a grid of rotations, and its coefficients.

    .. math::
        f(R) = \frac{1}{\sqrt{d}} \sum_{l \le L} \sqrt{2l+1} \sum_{ij}
               x^l_{ji}\, D^l_{ij}(R), \qquad
        x^l_{ji} = \sqrt{d\,(2l+1)} \int f(R)\, D^l_{ij}(R)\, \mathrm dR, \qquad
        d = \sum_{l \le L} (2l+1)^2

    Component :math:`j` of channel :math:`i` is :math:`x^l_{ji}`; rotated features
    belong to :math:`R \mapsto f(R R')`. The counterpart of e3nn's module of that name,
    with its numbers. One matrix takes coefficients to values: a row for each of
    ``8 * aspect_ratio ** 2 * resolution ** 3`` rotations.

    Args:
        lmax: the largest degree :math:`L`, below ``resolution``.
        resolution: there are ``2 * resolution`` polar angles and ``2 * aspect_ratio *
            resolution`` of each of the others.
        aspect_ratio: see ``resolution`` (default: 2).

    Attributes:
        irreps: :math:`2l+1` copies of each degree, even.

    Shapes:
        - **coefficients:** :math:`(*, d)`
        - **values:** :math:`(*, \text{res\_alpha}, \text{res\_beta},
          \text{res\_gamma})`

    Raises:
        ValueError: if the grid is too coarse for the degree, or a shape does not fit.

    Example:
        >>> grid = SO3Grid(2, resolution=3)
        >>> x = torch.randn(4, 1 + 9 + 25)
        >>> values = grid.to_grid(x)
        >>> values.shape
        torch.Size([4, 12, 6, 12])
        >>> torch.allclose(grid.from_grid(values), x, atol=1e-5)
        True
    """

    matrix: Tensor
    weights: Tensor

    def __init__(self, lmax: int, resolution: int, aspect_ratio: float = 2) -> None:
        super().__init__()
        if isinstance(lmax, bool) or not isinstance(lmax, int) or lmax < 0:
            raise ValueError(f"lmax is a degree, 0 or more, got {lmax!r}")
        self.lmax, self.resolution = lmax, resolution
        self.res_beta = 2 * resolution
        self.res_alpha = self.res_gamma = round(2 * aspect_ratio * resolution)
        if min(self.res_alpha, self.res_beta) <= 2 * lmax:
            raise ValueError(
                f"degrees to {lmax} need more than {2 * lmax} angles of each kind, got "
                f"{self.res_alpha} and {self.res_beta}; choose resolution={lmax + 1} "
                "or more"
            )
        self.irreps = Irreps([(2 * l + 1, (l, 1)) for l in range(lmax + 1)])
        beta, alpha = s2_grid(self.res_beta, self.res_alpha, torch.float64, "cpu")
        R = angles_to_matrix(alpha[:, None, None], beta[:, None], alpha)
        # transposed: components outermost, copies contiguous
        D = [
            (2 * l + 1) ** 0.5 * wigner_D(l, R).mT.flatten(-2) for l in range(lmax + 1)
        ]
        self.register_constant("matrix", torch.cat(D, dim=-1).flatten(0, 2))
        polar = polar_weights(self.res_beta, torch.float64, "cpu") / self.res_alpha**2
        weights = polar[:, None].expand(self.res_alpha, -1, self.res_gamma)
        self.register_constant("weights", weights.flatten())

    def to_grid(self, x: Tensor) -> Tensor:
        """Values of the signal with coefficients ``x``."""
        check_features(x, self.irreps, like=self.matrix)
        values = x @ self.matrix.mT / self.irreps.dim**0.5
        return values.unflatten(-1, (self.res_alpha, self.res_beta, self.res_gamma))

    def from_grid(self, values: Tensor) -> Tensor:
        """Coefficients of the signal with these values."""
        check_real(values, "values")
        shape = self.res_alpha, self.res_beta, self.res_gamma
        if values.shape[-3:] != shape:
            raise ValueError(
                f"values are on a grid of rotations, expected (..., {shape[0]}, "
                f"{shape[1]}, {shape[2]}), got shape {tuple(values.shape)}"
            )
        check_dtype(values, self.matrix, "values")
        weighted = values.flatten(-3) * self.weights
        return weighted @ self.matrix * self.irreps.dim**0.5

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lmax={self.lmax}, resolution={self.resolution})"
