"""Signals on the sphere as irreps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ._checks import check_alike, check_broadcast, check_last, check_real
from ._irreps import Irrep, Irreps
from ._spherical_harmonics import spherical_harmonics_reference


@dataclass(frozen=True, repr=False)
class SphericalTensor:
    r"""The irreps of a function on the sphere, and ways to make one.

    .. math::
        f(\mathbf r) = \sum_{l \le L} x^l \cdot Y^l(\mathbf r), \qquad
        (P f)(\mathbf r) = p_v\, f(p_a \mathbf r)

    with orthonormal harmonics (``"integral"``). The counterpart of
    ``e3nn.io.SphericalTensor``; values on a grid are
    :class:`pyg_equivariant.nn.ToS2Grid`, a signal from such values
    :class:`pyg_equivariant.nn.FromS2Grid`, both with ``normalization="integral"``, and
    lengths degree by degree :class:`pyg_equivariant.nn.Norm`.

    Args:
        lmax: the largest degree :math:`L`.
        p_val: sign :math:`p_v` that values take under inversion (default: 1).
        p_arg: sign :math:`p_a` that the argument takes (default: -1).

    Attributes:
        irreps: one of each degree, of parity ``p_val * p_arg ** l``.

    Raises:
        ValueError: if ``lmax`` is no degree or a parity not 1 or -1.

    Example:
        >>> tensor = SphericalTensor(3)
        >>> tensor
        SphericalTensor(1x0e+1x1o+1x2e+1x3o)
        >>> vectors = torch.tensor([[1.0, 0.0, 0.0], [3.0, 4.0, 0.0]])
        >>> x = tensor.with_peaks_at(vectors)
        >>> tensor.signal_xyz(x, vectors)
        tensor([1.0000, 5.0000])
    """

    lmax: int
    p_val: int = 1
    p_arg: int = -1
    irreps: Irreps = field(init=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("p_val", "p_arg"):
            if getattr(self, name) not in (1, -1):
                raise ValueError(f"{name} is 1 or -1, got {getattr(self, name)!r}")
        if isinstance(self.lmax, bool) or not isinstance(self.lmax, int):
            raise ValueError(f"lmax is a degree, got {self.lmax!r}")
        Irrep(self.lmax, 1)
        degrees = range(self.lmax + 1)
        irreps = Irreps([(1, (l, self.p_val * self.p_arg**l)) for l in degrees])
        object.__setattr__(self, "irreps", irreps)

    def signal_xyz(self, x: Tensor, r: Tensor) -> Tensor:
        """Values of signals in some directions.

        Args:
            x: coefficients ``(*A, irreps.dim)``.
            r: vectors ``(*B, 3)`` of any length.

        Returns:
            Values ``(*A, *B)``.

        Raises:
            TypeError: if they are not floating-point, or differ in dtype.
            ValueError: if a last dimension is another.
        """
        check_alike(x=x, r=r)
        check_last(x, self.irreps.dim, "x")
        return torch.tensordot(x, self._harmonics(r), dims=([-1], [-1]))

    def sum_of_diracs(self, positions: Tensor, values: Tensor) -> Tensor:
        r"""Signals that are large in some directions: what is left of delta functions.

        .. math::
            x^l = \frac{4\pi}{(L+1)^2} \sum_i v_i\, Y^l(\mathbf r_i)

        Args:
            positions: :math:`\mathbf r_i`, ``(..., N, 3)``.
            values: :math:`v_i`, ``(..., N)``; leading dimensions broadcast.

        Returns:
            Coefficients ``(..., irreps.dim)``.

        Raises:
            TypeError: if they are not floating-point, or differ in dtype.
            ValueError: if shapes do not fit.
        """
        check_alike(positions=positions, values=values)
        Y = self._harmonics(positions)
        check_broadcast(positions=positions.shape[:-1], values=values.shape)
        scale = 4 * math.pi / (self.lmax + 1) ** 2
        return scale * (values.unsqueeze(-1) * Y).sum(-2)

    def with_peaks_at(self, vectors: Tensor, values: Tensor | None = None) -> Tensor:
        """The smallest signal that has given values in given directions.

        Args:
            vectors: ``(N, 3)``.
            values: ``(N)`` (default: the lengths of the vectors).

        Returns:
            Coefficients ``(irreps.dim)``.

        Raises:
            TypeError: if they are not floating-point, or differ in dtype.
            ValueError: if shapes do not fit, ``p_val`` is -1 and no values are given,
                or no signal of this ``lmax`` has these values.
        """
        check_real(vectors, "vectors")
        if vectors.dim() != 2:
            raise ValueError(f"vectors are (N, 3), got shape {tuple(vectors.shape)}")
        if values is None:
            if self.p_val == -1:
                raise ValueError("lengths are even: give values, or take p_val=1")
            values = vectors.norm(dim=-1)
        check_alike(vectors=vectors, values=values)
        check_broadcast(vectors=vectors.shape[:-1], values=values.shape)
        values = values.expand(vectors.shape[:-1])
        Y = self._harmonics(vectors[values != 0])
        values = values[values != 0]
        x = torch.linalg.pinv(Y) @ values
        miss = (Y @ x - values).abs()
        if miss.numel() and not miss.max() < 1e-4 * values.abs().max():
            raise ValueError(
                f"no signal of lmax={self.lmax} has these {len(values)} values in "
                f"these directions, the nearest misses them by {miss.max():.1e}: "
                "take a larger lmax"
            )
        return x

    def _harmonics(self, r: Tensor) -> Tensor:
        degrees = range(self.lmax + 1)
        return spherical_harmonics_reference(degrees, r, normalization="integral")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps})"
