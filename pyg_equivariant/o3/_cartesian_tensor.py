"""Cartesian tensors as irreps, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ._checks import check_real
from ._index_reduction import reduce_indices
from ._index_symmetry import SignedPermutation, index_symmetry
from ._irreps import Irrep, Irreps


@dataclass(frozen=True, repr=False)
class CartesianTensor:
    r"""The irreps of a tensor with Cartesian indices, and the way there and back.

    .. math::
        x_a = \sum_{ij\ldots} Q_{a,ij\ldots}\, T_{ij\ldots}, \qquad
        T_{ij\ldots} = \sum_a x_a\, Q_{a,ij\ldots}, \qquad
        Q Q^\top = \mathbf{1}

    A formula says what happens when indices trade places: ``"ij=ji"`` for a symmetric
    tensor such as stress or polarizability, ``"ij=-ji"`` for an antisymmetric one,
    ``"ijk=ikj"`` for the piezoelectric tensor, ``"ijkl=jikl=klij"`` for elasticity,
    ``"ij"`` for no symmetry. As :math:`Q` is orthonormal, lengths are the same on both
    sides: a mean squared error of irreps is one of tensors.

    Where an irrep comes several times, its copies are in the order in which the
    couplings :math:`((1 \times 1) \times 1) \ldots` of the indices from the left give
    them, made orthonormal one after the other, as in ``e3nn.io.CartesianTensor``.

    Args:
        formula: permutations of the indices, joined by ``=``, each with a sign. All
            that follows from them holds, too.
        p: parity of the tensor under inversion, 1 or -1. By default that of polar
            indices, ``(-1) ** rank``; the gyration tensor of optical activity has
            ``CartesianTensor("ij=ji", p=-1)``.

    Attributes:
        rank: number of indices.
        irreps: irreps of the tensor, by degree.

    Raises:
        TypeError: if the formula is no string.
        ValueError: if the formula cannot be read, if no tensor but zero has such
            symmetry, or if ``p`` is no parity.

    Example:
        >>> CartesianTensor("ij=ji"), CartesianTensor("ij=-ji").irreps
        (CartesianTensor('ij=ji', 1x0e+1x2e), 1x1e)
        >>> elasticity = CartesianTensor("ijkl=jikl=klij")
        >>> elasticity.irreps, elasticity.rank
        (2x0e+2x2e+1x4e, 4)

        The stress of a crystal, written in Voigt's order (xx, yy, zz, yz, xz, xy), as
        six numbers that turn as irreps, and back; and stiffness, 6 by 6:

        >>> voigt = torch.tensor([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
        >>> pressure = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])[voigt]
        >>> stress = CartesianTensor("ij=ji")
        >>> stress.from_cartesian(pressure)
        tensor([1.7321, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000])
        >>> torch.allclose(
        ...     stress.to_cartesian(stress.from_cartesian(pressure)), pressure
        ... )
        True
        >>> stiffness = torch.eye(6)[voigt[:, :, None, None], voigt]
        >>> elasticity.from_cartesian(stiffness).shape
        torch.Size([21])
    """

    formula: str
    p: int | None = None
    rank: int = field(init=False, compare=False)
    irreps: Irreps = field(init=False, compare=False)
    _basis: np.ndarray = field(init=False, compare=False)

    def __post_init__(self) -> None:
        rank, symmetry = index_symmetry(self.formula)
        p = (-1) ** rank if self.p is None else self.p
        if p not in (1, -1):
            raise ValueError(f"p is a parity, 1 or -1, or None, got {self.p!r}")
        polar, basis = _reduce(rank, symmetry)
        if not len(polar):
            raise ValueError(
                f"no tensor but zero has the symmetry {self.formula!r}: its signs "
                "contradict each other"
            )
        irreps = Irreps([(mul, Irrep(ir.l, p)) for mul, ir in polar])
        values = {"p": p, "rank": rank, "irreps": irreps, "_basis": basis}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def change_of_basis(
        self, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        """The matrix ``Q``, ``(irreps.dim, 3, 3, ...)``, with orthonormal rows.

        Args:
            dtype: floating-point type (default: torch's default dtype).
            device: where it lives (default: torch's default device).
        """
        dtype = torch.get_default_dtype() if dtype is None else dtype
        device = torch.empty(0).device if device is None else device
        return torch.tensor(self._basis, dtype=dtype, device=device)

    def from_cartesian(self, tensor: Tensor) -> Tensor:
        """Irreps ``(..., irreps.dim)``, in the layout ``ir_mul``, of Cartesian tensors.

        What lacks the symmetry of the formula is projected on it: ``"ij=ji"`` takes the
        symmetric part.

        Args:
            tensor: ``(..., 3, 3)`` of as many threes as there are indices.

        Raises:
            TypeError: if it is no floating-point tensor.
            ValueError: if its shape is another.
        """
        check_real(tensor, "tensor")
        if tensor.shape[-self.rank :] != self._shape:
            raise ValueError(
                f"{self.formula!r} has {self.rank} indices: expected a tensor "
                f"(..., {', '.join('3' * self.rank)}), got shape {tuple(tensor.shape)}"
            )
        Q = self.change_of_basis(tensor.dtype, tensor.device)
        return tensor.flatten(-self.rank) @ Q.flatten(1).mT

    def to_cartesian(self, x: Tensor) -> Tensor:
        """Cartesian tensors ``(..., 3, 3)`` of irreps ``(..., irreps.dim)``.

        Args:
            x: features of ``irreps``.

        Raises:
            TypeError: if they are no floating-point tensor.
            ValueError: if their last dimension is another.
        """
        check_real(x, "x")
        if x.dim() == 0 or x.shape[-1] != self.irreps.dim:
            raise ValueError(
                f"{self.formula!r} is {self.irreps}: expected {self.irreps.dim} "
                f"numbers on the last dimension of x, got shape {tuple(x.shape)}"
            )
        Q = self.change_of_basis(x.dtype, x.device)
        return (x @ Q.flatten(1)).unflatten(-1, self._shape)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (3,) * self.rank

    def __repr__(self) -> str:
        polar = self.p == (-1) ** self.rank
        parity = "" if polar else f", p={self.p}"
        return f"{type(self).__name__}({self.formula!r}{parity}, {self.irreps})"


@cache
def _reduce(
    rank: int, symmetry: tuple[SignedPermutation, ...]
) -> tuple[Irreps, np.ndarray]:
    """The irreps within the tensors of a symmetry, and an orthonormal basis of them."""
    return reduce_indices((Irreps("1o"),) * rank, symmetry)
