"""Normalization over a batch, with running statistics."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import IrrepsLike

from .module import check_features
from .norm import EquivariantNorm


class EquivariantBatchNorm(EquivariantNorm):
    r"""Gives every channel unit mean square over all nodes of a batch.

    .. math::
        x_{iku} \mapsto \frac{x_{iku} - \mu_u\,[0e]}
        {\sqrt{\frac{1}{(2l+1)\,|V|} \sum_{i'k'} (x_{i'k'u} - \mu_u\,[0e])^2 +
        \epsilon}} \; w_u \;(+\, b_u \text{ on } 0e), \qquad
        \mu_u = \frac{1}{|V|} \sum_i x_{iu}

    In training the sums run over all nodes of the batch, and the statistics follow them
    as :math:`s \leftarrow (1 - m)\, s + m\, s_\text{batch}`; in evaluation these are
    taken. Predictions of a molecule then do not depend on its company, which in
    training they do. Without a node there is nothing to learn from: statistics stay.
    e3nn's ``BatchNorm``, with its names, by ``normalization="component"`` and
    ``reduce="mean"``.

    Args:
        irreps: irreps of the input and the output.
        eps: added to mean squares (default: ``1e-5``).
        momentum: :math:`m`, the share of a batch (default: ``0.1``).
        affine: multiply by learned weights, and add learned biases to scalars
            (default: ``True``).

    Attributes:
        running_mean: means of the scalars ``0e``.
        running_var: mean squares of all copies.

    Shapes:
        - **input:** features :math:`(*, \text{irreps.dim})`
        - **output:** features :math:`(*, \text{irreps.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if ``eps`` is not positive, ``momentum`` not between 0 and 1, or a
            shape does not fit.

    Example:
        >>> norm = EquivariantBatchNorm("8x0e+4x1o")
        >>> norm(torch.randn(6, 20)).shape, norm.running_var.shape
        (torch.Size([6, 20]), torch.Size([12]))
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        irreps: IrrepsLike,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
    ) -> None:
        super().__init__(irreps, eps, affine)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum is a share between 0 and 1, got {momentum}")
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(sum(self._num_biases)))
        self.register_buffer("running_var", torch.ones(sum(self._muls)))

    def reset_running_stats(self) -> None:
        """Forget all batches."""
        self.running_mean.zero_()
        self.running_var.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize features ``x``."""
        check_features(x, self.irreps_in, like=self.running_var)
        if not self._muls:
            return x
        given = x.flatten(0, -2) if x.dim() > 1 else x.unsqueeze(0)
        learns = self.training and len(given) > 0
        means = iter(self.running_mean.split([n for n in self._num_biases if n]))
        found: list[Tensor] = []

        def mean(block: Tensor) -> Tensor:
            running = next(means)
            if not learns:
                return running.to(block.dtype)
            found.append(block.mean((0, 1)))
            return found[-1]

        blocks = self._center(given, mean)
        variances = [v.to(blocks[0].dtype) for v in self.running_var.split(self._muls)]
        if learns:
            variances = [block.square().mean((0, 1)) for block in blocks]
            self._follow(self.running_mean, found)
            self._follow(self.running_var, variances)
        factors = [(v + self.eps).rsqrt() for v in variances]
        return self._scale_and_shift(blocks, factors, given).view(x.shape)

    @torch.no_grad()
    def _follow(self, running: Tensor, of_batch: list[Tensor]) -> None:
        if of_batch:
            running.lerp_(torch.cat(of_batch).to(running.dtype), self.momentum)
