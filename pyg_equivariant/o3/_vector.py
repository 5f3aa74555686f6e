"""Lengths and directions of vectors, with finite derivatives everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import check_real


def widen(x: Tensor) -> Tensor:
    """``x`` in float32 at least.

    Half precision has no room for squares, sums and small numbers: what holds them is
    computed in float32 and rounded once.

    Example:
        >>> widen(torch.tensor([1e-7], dtype=torch.float16)).square()
        tensor([1.4211e-14])
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _nonzero(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Squared length of ``x``, and where it is large enough to be divided by.

    The second derivative of ``1 / |x|`` holds the inverse fifth power of the length:
    below the sixth root of the smallest normal number it would overflow.
    """
    square = (x * x).sum(dim, keepdim=True)
    smallest = torch.finfo(x.dtype).tiny ** (1 / 3)
    nonzero = square > smallest
    return torch.where(nonzero, square, 1.0), nonzero


def safe_norm(x: Tensor, dim: int = -1, keepdim: bool = False) -> Tensor:
    r"""Euclidean length :math:`|x|`, whose derivatives at zero are zero, not NaN.

    A vector shorter than :math:`\texttt{tiny}^{1/6}` (``5e-7`` in float32, ``5e-52``
    in float64) counts as the zero vector: its length is 0 and so are the first and
    second derivatives there.

    Args:
        x: floating-point tensor of any shape.
        dim: the dimension that holds the components.
        keepdim: keep ``dim`` with size 1.

    Raises:
        TypeError: if ``x`` is no floating-point tensor.

    Example:
        >>> x = torch.zeros(2, 3, requires_grad=True)
        >>> torch.autograd.grad(safe_norm(x).sum(), x)[0].abs().max()
        tensor(0.)
    """
    check_real(x, "x")
    square, nonzero = _nonzero(widen(x), dim)
    length = torch.where(nonzero, square.sqrt(), 0.0).to(x.dtype)
    return length if keepdim else length.squeeze(dim)


def safe_normalize(x: Tensor, dim: int = -1) -> Tensor:
    r"""Direction :math:`x/|x|`; the zero vector has none and gives zero.

    What counts as zero is said at :func:`safe_norm`; value, first and second
    derivatives are zero there.

    Args:
        x: floating-point tensor of any shape.
        dim: the dimension that holds the components.

    Raises:
        TypeError: if ``x`` is no floating-point tensor.

    Example:
        >>> safe_normalize(torch.tensor([[0.0, 3.0, 4.0], [0.0, 0.0, 0.0]]))
        tensor([[0.0000, 0.6000, 0.8000],
                [0.0000, 0.0000, 0.0000]])
    """
    check_real(x, "x")
    wide = widen(x)
    square, nonzero = _nonzero(wide, dim)
    return (wide * torch.where(nonzero, square.rsqrt(), 0.0)).to(x.dtype)
