"""Normalisation of each graph over its nodes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .layer_norm import scale_and_shift, widen
from .module import EquivariantModule, check_features


class EquivariantInstanceNorm(EquivariantModule):
    r"""Gives every channel unit mean square over the nodes of each graph.

    The instance normalisation of `"Geometric and Physical Quantities Improve E(3)
    Equivariant Message Passing" <https://arxiv.org/abs/2110.02905>`_, per graph as
    intended there (the authors' code averages over another dimension with recent PyG):

    .. math::
        x_{iku} \mapsto \frac{x_{iku} - \mu_u\,[0e]}
        {\sqrt{\frac{1}{(2l+1)\,|V|}
        \sum_{i'k'} (x_{i'k'u} - \mu_u\,[0e])^2 + \epsilon}}
        \; w_u \;(+\, b_u \text{ on } 0e), \qquad
        \mu_u = \frac{1}{|V|} \sum_i x_{iu},

    where :math:`i` runs over the nodes of one graph.

    Args:
        irreps: irreps of the features.
        eps: the number :math:`\epsilon` (default: ``1e-5``).
        affine: learn weights and biases (default: ``True``).

    Attributes:
        weight: one number per copy, starting at 1, or ``None``.
        bias: one number per ``0e`` copy, starting at 0, or ``None``.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps.dim})`, the graph of each node
          :math:`(|V|)` (one graph if left out)
        - **output:** features :math:`(|V|, \text{irreps.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if ``eps`` is not positive or a shape does not fit.

    Example:
        >>> norm = EquivariantInstanceNorm("8x0e+4x1o")
        >>> norm(torch.randn(6, 20), batch=torch.tensor([0, 0, 0, 1, 1, 1])).shape
        torch.Size([6, 20])
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self, irreps: IrrepsLike, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        if not eps > 0:
            raise ValueError(f"eps is a positive number, got {eps}")
        self.irreps_in = self.irreps_out = Irreps(irreps)
        self.eps = eps
        self.affine = affine
        self._sizes = [block.dim for block in self.irreps_in]
        self._shapes = [(block.ir.dim, block.mul) for block in self.irreps_in]
        self._scalar = [block.ir.is_scalar() for block in self.irreps_in]
        self._muls = [block.mul for block in self.irreps_in]
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if affine:
            self.weight = Parameter(torch.empty(self.irreps_in.num_irreps))
            self.bias = Parameter(torch.empty(self.irreps_in.count("0e")))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weights to one and the biases to zero."""
        if self.weight is not None and self.bias is not None:
            torch.nn.init.ones_(self.weight)
            torch.nn.init.zeros_(self.bias)

    def forward(
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """Normalise features ``x``, graph by graph.

        Args:
            x: features.
            batch: the graph of each node, in any order; one graph by default.
            batch_size: number of graphs, if known; saves a look at ``batch``.
        """
        check_features(x, self.irreps_in, like=self.weight)
        batch, batch_size = _graphs(x, batch, batch_size)
        blocks = [
            block.unflatten(-1, shape)
            for block, shape in zip(
                widen(x).split(self._sizes, dim=-1), self._shapes, strict=True
            )
        ]
        if not blocks:
            return x
        # Mean
        centered = [
            block - _mean(block.squeeze(-2), batch, batch_size).unsqueeze(-2)
            if scalar
            else block
            for block, scalar in zip(blocks, self._scalar, strict=True)
        ]
        # Variance
        squares = torch.cat([block.square().mean(dim=-2) for block in centered], dim=-1)
        variance = _mean(squares, batch, batch_size).unsqueeze(-2)
        factors = (variance + self.eps).rsqrt().split(self._muls, dim=-1)
        blocks = [block * f for block, f in zip(centered, factors, strict=True)]
        return scale_and_shift(
            blocks, self._muls, self._scalar, self.weight, self.bias, x
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in}, eps={self.eps}, "
            f"affine={self.affine})"
        )


def _graphs(
    x: Tensor, batch: Tensor | None, batch_size: int | None
) -> tuple[Tensor, int]:
    """The graph of each node, and the number of graphs."""
    if x.dim() != 2 or (batch is not None and batch.shape != x.shape[:1]):
        got = None if batch is None else tuple(batch.shape)
        raise ValueError(
            "expected features (|V|, dim) and batch (|V|,), got shapes "
            f"{tuple(x.shape)} and {got}"
        )
    if batch is None:
        return x.new_zeros(x.shape[0], dtype=torch.long), 1
    if batch_size is None:
        batch_size = int(batch.max()) + 1 if len(batch) else 0
    return batch, batch_size


def _mean(x: Tensor, batch: Tensor, batch_size: int) -> Tensor:
    """For every node, the mean of ``x`` over the nodes of its graph."""
    total = x.new_zeros(batch_size, x.shape[-1]).index_add(0, batch, x)
    count = x.new_zeros(batch_size).index_add(0, batch, x.new_ones(x.shape[0]))
    return (total / count.clamp(min=1).unsqueeze(-1))[batch]
