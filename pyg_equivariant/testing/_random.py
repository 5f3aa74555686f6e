"""Random irreps and tensor products, for tests that should hold for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as combinations
from typing import TypeVar

import torch

from pyg_equivariant.o3 import CONNECTIONS, Irreps, Path, TensorProductPaths

T = TypeVar("T")


def random_irreps(
    generator: torch.Generator | None = None,
    lmax: int = 4,
    max_mul: int = 3,
    max_blocks: int = 4,
    empty: bool = True,
) -> Irreps:
    """Random irreps of both parities, in any order, some blocks of the same irrep.

    Args:
        generator: source of the random numbers.
        lmax: largest degree.
        max_mul: largest multiplicity.
        max_blocks: largest number of blocks.
        empty: allow no blocks, and blocks of multiplicity 0 (default: ``True``).

    Example:
        >>> random_irreps(torch.Generator().manual_seed(0), lmax=2)
        1x1o+2x1o+3x0o+3x0e
    """

    def below(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    def size(high: int) -> int:
        return 0 if empty and below(8) == 0 else 1 + below(high)

    return Irreps(
        [
            (size(max_mul), (below(lmax + 1), 1 - 2 * below(2)))
            for _ in range(size(max_blocks))
        ]
    )


def random_tensor_product(
    generator: torch.Generator | None = None,
    irrep_normalization: str = "component",
    path_normalization: str = "element",
    lmax: int = 3,
    max_mul: int = 3,
    empty: bool = True,
) -> TensorProductPaths:
    """A random tensor product: most possible paths, of all connections mixed.

    Args:
        generator: source of the random numbers.
        irrep_normalization: as in :class:`pyg_equivariant.o3.TensorProductPaths`.
        path_normalization: as in :class:`pyg_equivariant.o3.TensorProductPaths`.
        lmax: largest degree.
        max_mul: largest multiplicity.
        empty: as in :func:`random_irreps`.

    Example:
        >>> random_tensor_product(torch.Generator().manual_seed(3), lmax=1).paths
        (Path(i_in1=0, i_in2=0, i_out=0, connection='uvw', ...),)
    """

    def uniform() -> float:
        return float(torch.rand((), generator=generator))

    def choose(options: Sequence[T]) -> T:
        return options[int(uniform() * len(options))]

    in1, in2, out = (
        random_irreps(generator, lmax, max_mul, 3, empty) for _ in range(3)
    )
    arising = [(mul, ir) for mul, ir1 in in1 for _, ir2 in in2 for ir in ir1 * ir2]
    if arising:
        out = Irreps([choose(arising) if uniform() < 0.8 else block for block in out])
    paths = []
    for i1, i2, o in combinations(range(len(in1)), range(len(in2)), range(len(out))):
        (mul1, ir1), (mul2, ir2), (mul, ir) = in1[i1], in2[i2], out[o]
        if ir in ir1 * ir2 and uniform() < 0.9:
            fits = (True, mul1 == mul, mul1 == mul2 == mul)
            allowed = [c for c, fit in zip(CONNECTIONS, fits, strict=True) if fit]
            connection = choose(allowed)
            has_weight = connection == "uvw" or uniform() < 0.5
            paths.append(Path(i1, i2, o, connection, has_weight, 0.5 + uniform()))
    return TensorProductPaths(
        in1, in2, out, tuple(paths), irrep_normalization, path_normalization
    )
