"""Complex coefficients of real irreps: one complex channel is a pair of real ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, Path, TensorProductPaths


class Degrees(NamedTuple):
    """The degrees that a path joins."""

    l: int
    first: int
    second: int


def complex_irreps(channels: int, lmax: int) -> Irreps:
    """Irreps of SO(3), written with even parity: real parts, then imaginary parts.

    Example:
        >>> complex_irreps(3, 1)
        6x0e+6x1e
    """
    return Irreps([(2 * channels, (l, 1)) for l in range(lmax + 1)])


def quarter_turns(x: Tensor) -> Tensor:
    """Parts (re, im), and (-im, re) of the product by i.

    Times ``(g.re, g.re, g.im, g.im)`` of another number, :func:`twice_each`, the halves
    add up to the parts of the product, :func:`add_halves`.

    Args:
        x: ``(..., 2 C)``.

    Example:
        >>> x, g = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
        >>> add_halves(twice_each(g) * quarter_turns(x))  # (1 + 2i) (3 + 4i)
        tensor([-5., 10.])
    """
    re, im = x.chunk(2, dim=-1)
    return torch.cat([re, im, -im, re], dim=-1)


def twice_each(x: Tensor) -> Tensor:
    """Parts (re, re, im, im), the other factor of :func:`quarter_turns`."""
    re, im = x.chunk(2, dim=-1)
    return torch.cat([re, re, im, im], dim=-1)


def add_halves(x: Tensor) -> Tensor:
    """Parts (re, im) of products of the two, ``(..., 4 C)`` to ``(..., 2 C)``."""
    first, second = x.chunk(2, dim=-1)
    return first + second


def real_matrix(weight: Tensor) -> Tensor:
    """A complex matrix as the real one that acts on parts.

    Args:
        weight: ``(C_out, groups, C, 2)``, the last axis (real, imaginary).

    Returns:
        ``(groups 2 C, 2 C_out)``, to multiply rows that hold (re, im) of each group.

    Example:
        >>> real_matrix(torch.tensor([[[[3.0, 4.0]]]]))
        tensor([[ 3.,  4.],
                [-4.,  3.]])
    """
    re, im = weight.unbind(-1)
    turned = torch.stack([torch.stack([re, im]), torch.stack([-im, re])])
    # [part in, part out, C_out, groups, C] -> [groups, part in, C, part out, C_out]
    return turned.permute(3, 0, 4, 1, 2).flatten(3, 4).flatten(0, 2)


def edge_degrees(lmax_in: int, lmax_sh: int, lmax: int) -> list[Degrees]:
    """All products of an edge (first) with a sender (second), by degree."""
    return [
        Degrees(l, first, second)
        for l in range(min(lmax_sh + lmax_in, lmax) + 1)
        for first in range(lmax_sh + 1)
        for second in range(abs(l - first), min(l + first, lmax_in) + 1)
    ]


def edge_product(
    degrees: list[Degrees], channels: int, lmax_in: int, lmax_sh: int
) -> TensorProductPaths:
    """Senders times harmonics, for :func:`quarter_turns` of features."""
    paths = tuple(Path(d.second, d.first, k, "uvu") for k, d in enumerate(degrees))
    irreps_sh = Irreps([(1, (l, 1)) for l in range(lmax_sh + 1)])
    irreps = complex_irreps(2 * channels, lmax_in)
    return _product(irreps, irreps_sh, channels, degrees, paths)


def square_degrees(lmax_in: int, lmax: int, all_orders: bool) -> list[Degrees]:
    """All products of a node with itself, by degree.

    Args:
        lmax_in: largest degree of the features.
        lmax: of the products.
        all_orders: list what differs by the order of its factors, up to a sign; and
            what vanishes, the odd degrees of one with itself.
    """
    every = edge_degrees(lmax_in, lmax_in, lmax)
    if all_orders:
        return every
    return [
        d for d in every if d.first < d.second or (d.first == d.second and d.l % 2 == 0)
    ]


def square_product(
    degrees: list[Degrees], channels: int, lmax_in: int
) -> TensorProductPaths:
    """Features times themselves, as :func:`twice_each` and :func:`quarter_turns`."""
    paths = tuple(
        Path(d.first, d.second, k, "uuu", False) for k, d in enumerate(degrees)
    )
    irreps = complex_irreps(2 * channels, lmax_in)
    return _product(irreps, irreps, channels, degrees, paths)


def _product(
    irreps1: Irreps,
    irreps2: Irreps,
    channels: int,
    degrees: list[Degrees],
    paths: tuple[Path, ...],
) -> TensorProductPaths:
    out = Irreps([(4 * channels, (d.l, 1)) for d in degrees])
    return TensorProductPaths(irreps1, irreps2, out, paths, path_normalization="none")


def fold_orders(every: list[Degrees], kept: list[Degrees]) -> Tensor:
    """Of products of a node with itself: those kept, as what all of them are.

    Returns:
        ``(len(every), len(kept))``, with the sign of the other order, and rows of zeros
        for products that vanish.

    Example:
        >>> every = square_degrees(1, 1, all_orders=True)
        >>> [d for d in every if d.l == 1]
        [Degrees(l=1, first=0, second=1), Degrees(l=1, first=1, second=0), \
Degrees(l=1, first=1, second=1)]
        >>> fold_orders(every, square_degrees(1, 1, all_orders=False))[-3:, -1]
        tensor([1., 1., 0.], dtype=torch.float64)
    """
    fold = torch.zeros(len(every), len(kept), dtype=torch.float64, device="cpu")
    for a, one in enumerate(every):
        for b, other in enumerate(kept):
            if one == other:
                fold[a, b] = 1.0
            elif one == Degrees(other.l, other.second, other.first):
                fold[a, b] = (-1.0) ** sum(one)
    return fold
