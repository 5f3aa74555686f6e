"""The length of every copy of an irrep."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, IrrepsLike, safe_norm, widen

from .module import EquivariantModule, check_features


class Norm(EquivariantModule):
    r"""The length of every copy, as scalars: :math:`y_u = \sqrt{\sum_k x_{ku}^2}`.

    The counterpart of e3nn's module of that name. Derivatives of the length of zero are
    zero, see :func:`pyg_equivariant.o3.safe_norm`.

    Args:
        irreps_in: irreps of the input.
        squared: give squared lengths (default: ``False``).

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** scalars :math:`(*, \text{irreps\_in.num\_irreps})`, block by block

    Raises:
        TypeError: if the input is not floating-point.
        ValueError: if its last dimension is not ``irreps_in.dim``.

    Example:
        >>> Norm("1x0e+1x1o")(torch.tensor([-2.0, 3.0, 0.0, 4.0]))
        tensor([2., 5.])
    """

    def __init__(self, irreps_in: IrrepsLike, squared: bool = False) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        self.irreps_out = Irreps([(mul, "0e") for mul, _ in self.irreps_in])
        self.squared = squared

    def forward(self, x: Tensor) -> Tensor:
        """The lengths of the copies in ``x``."""
        check_features(x, self.irreps_in)
        if not len(self.irreps_in):
            return x
        blocks = self.irreps_in.split(x)
        if self.squared:
            lengths = [widen(b).square().sum(-2).to(x.dtype) for b in blocks]
        else:
            lengths = [safe_norm(b, dim=-2) for b in blocks]
        return torch.cat(lengths, dim=-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.irreps_in}, squared={self.squared})"
