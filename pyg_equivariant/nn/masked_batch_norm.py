"""Normalization over all rows of a batch, some of which may not count."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_last, widen

from .module import check_dtype


class MaskedBatchNorm(torch.nn.Module):
    r"""Batch normalization whose statistics leave out rows, or count them in part.

    .. math::
        x_{ic} \mapsto \frac{x_{ic} - \mu_c}{\sqrt{\max(\sigma_c^2, \epsilon)}}\, w_c
        + b_c, \qquad \mu_c = \frac{\sum_i m_i x_{ic}}{\sum_i m_i}, \quad
        \sigma_c^2 = \frac{\sum_i m_i (x_{ic} - \mu_c)^2}{\sum_i m_i}

    The normalization of LieConv's authors: the largest of variance and
    :math:`\epsilon`, where :class:`torch.nn.BatchNorm1d` takes their sum. In evaluation
    it is a fixed map, by running averages of the mean and of the unbiased variance.

    Args:
        channels: size of the features.
        eps: the least variance (default: 1e-5).
        momentum: what a batch counts in running averages (default: 0.1).

    Shapes:
        - **input:** features :math:`(N, F)`, how much each row counts :math:`(N)`
          (default: 1)
        - **output:** features :math:`(N, F)`

    Raises:
        TypeError: if features are not floating-point, or not of the module's dtype.
        ValueError: if a shape does not fit, or ``eps`` is not positive.

    Example:
        >>> norm = MaskedBatchNorm(2)
        >>> x = torch.tensor([[1.0, 0.0], [3.0, 0.0], [99.0, 0.0]])
        >>> norm(x, torch.tensor([1.0, 1.0, 0.0]))[:2]
        tensor([[-1.,  0.],
                [ 1.,  0.]], grad_fn=<SliceBackward0>)
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        if not eps > 0:
            raise ValueError(f"got eps={eps}, expected a positive number")
        self.channels = channels
        self.eps = eps
        self.momentum = momentum
        self.weight = torch.nn.Parameter(torch.empty(channels))
        self.bias = torch.nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weights to one and biases to zero, and forget all batches."""
        torch.nn.init.ones_(self.weight)
        torch.nn.init.zeros_(self.bias)
        self.running_mean.zero_()
        self.running_var.fill_(1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize features ``x``.

        Args:
            x: features.
            mask: how much each row counts, 0 for not at all.
        """
        check_last(x, self.channels, "x")
        check_dtype(x, self.weight, "x")
        if mask is not None and mask.shape != x.shape[:1]:
            raise ValueError(
                f"expected one number of mask for each of {x.shape[0]} rows of x, got "
                f"shape {tuple(mask.shape)}"
            )
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = self._statistics(x, mask)
        mean, variance = widen(mean), widen(variance)
        factor = self.weight / variance.clamp(min=self.eps).sqrt()
        shift = self.bias - mean * factor
        return torch.addcmul(shift, widen(x), factor).to(x.dtype)

    def _statistics(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and variance of a batch, which enter the running averages."""
        x = widen(x)
        one = x.new_ones(x.shape[0]) if mask is None else mask.to(x.dtype)
        count = one.sum()
        share = one / count.clamp(min=1e-12)
        mean = share @ x
        variance = share @ (x - mean).square()
        with torch.no_grad():
            unbiased = variance * count / (count - 1).clamp(min=1)
            momentum = self.momentum * (count > 0).to(self.running_mean.dtype)
            for average, new in (
                (self.running_mean, mean),
                (self.running_var, unbiased),
            ):
                average.lerp_(new.to(average.dtype), momentum)
        return mean, variance

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels})"
