"""Normalization of each graph over its nodes."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.graph import check_batch
from pyg_equivariant.o3 import check_tensor

from .module import check_features
from .norm import EquivariantNorm
from .pool import number_of_graphs, pool


class EquivariantInstanceNorm(EquivariantNorm):
    r"""Gives every channel unit mean square over the nodes of each graph.

    The instance normalization of `"Geometric and Physical Quantities Improve E(3)
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
        irreps, eps, affine: as in :class:`EquivariantLayerNorm`, and so are the
            parameters ``weight`` and ``bias``.

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

    def forward(
        self, x: Tensor, batch: Tensor | None = None, batch_size: int | None = None
    ) -> Tensor:
        """Normalize features ``x``, graph by graph.

        Args:
            x: features.
            batch: the graph of each node, in any order; one graph by default.
            batch_size: number of graphs, if known; saves a look at ``batch``.
        """
        check_features(x, self.irreps_in, like=self.weight)
        if batch is not None:
            check_tensor(batch, "batch")
        if x.dim() != 2 or (batch is not None and batch.shape != x.shape[:1]):
            got = None if batch is None else tuple(batch.shape)
            raise ValueError(
                "expected features (|V|, dim) and batch (|V|,), got shapes "
                f"{tuple(x.shape)} and {got}"
            )
        if batch is None and batch_size not in (None, 1):
            raise ValueError(
                f"batch_size={batch_size} graphs need a batch that names them"
            )
        if batch is not None:
            check_batch(batch, x, "batch", batch_size, "x")
        num_graphs = number_of_graphs(batch, batch_size)
        graph = x.new_zeros(len(x), dtype=torch.long) if batch is None else batch

        def mean(numbers: Tensor) -> Tensor:
            """Over the nodes of each graph, at every node."""
            return pool(numbers, graph, num_graphs, "mean").index_select(0, graph)

        blocks = self._center(x, mean)
        if not blocks:
            return x
        squares = torch.cat([b.square().mean(dim=-2) for b in blocks], dim=-1)
        variance = mean(squares).unsqueeze(-2)
        factors = (variance + self.eps).rsqrt().split(self._muls, dim=-1)
        return self._scale_and_shift(blocks, factors, x)
