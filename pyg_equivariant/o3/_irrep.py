"""One irrep of O(3), alone and with a multiplicity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

    from ._irreps import Irreps, IrrepsLike

_IRREP = re.compile(r"(\d+)\s*([eo])")
_PARITY = {"e": 1, "o": -1}


@dataclass(frozen=True, order=True, init=False, repr=False)
class Irrep:
    r"""Irreducible representation of O(3): degree :math:`l`, parity :math:`p`.

    It acts on vectors of :math:`2l+1` components; inversion multiplies them by
    :math:`p`, +1 (``"e"``, even) or -1 (``"o"``, odd).  Irreps compare by
    :math:`(l, p)`, odd before even.

    Args:
        l: the degree, or a string such as ``"1o"``, an :class:`Irrep`, or a pair
            ``(l, p)``.
        p: the parity, +1 or -1; only with an integer ``l``.

    Raises:
        ValueError: if the string is no irrep, ``l`` is negative or ``p`` not ±1.

    Example:
        >>> Irrep("1o").dim, Irrep(2, 1)
        (3, 2e)
        >>> Irrep("1o") * Irrep("1o")  # selection rule
        (0e, 1e, 2e)
    """

    l: int
    p: int

    def __init__(self, l: IrrepLike, p: int | None = None) -> None:
        if p is None:
            l, p = _parse_irrep(l)
        if isinstance(l, bool) or not isinstance(l, int) or l < 0:
            raise ValueError(f"the degree l of an irrep is an integer >= 0, got {l!r}")
        if p not in (1, -1):
            raise ValueError(f"the parity p of an irrep is 1 or -1, got {p!r}")
        object.__setattr__(self, "l", l)
        object.__setattr__(self, "p", int(p))

    @property
    def dim(self) -> int:
        """Number of components, ``2 l + 1``."""
        return 2 * self.l + 1

    def is_scalar(self) -> bool:
        """Whether this is ``0e``, untouched by every rotation and reflection."""
        return self.l == 0 and self.p == 1

    def __iter__(self) -> Iterator[int]:
        return iter((self.l, self.p))

    def __mul__(self, other: Irrep) -> tuple[Irrep, ...]:
        """The irreps in the tensor product of two irreps, by increasing degree."""
        if not isinstance(other, Irrep):
            return NotImplemented
        p = self.p * other.p
        return tuple(
            Irrep(l, p) for l in range(abs(self.l - other.l), self.l + other.l + 1)
        )

    def __rmul__(self, mul: int) -> Irreps:
        if not isinstance(mul, int):
            return NotImplemented
        from ._irreps import Irreps

        return Irreps([(mul, self)])

    def __add__(self, other: IrrepsLike) -> Irreps:
        from ._irreps import Irreps

        return Irreps(self) + Irreps(other)

    def __repr__(self) -> str:
        return f"{self.l}{'e' if self.p == 1 else 'o'}"


class _MulIrrep(NamedTuple):
    mul: int
    ir: Irrep


class MulIrrep(_MulIrrep):
    """An irrep with its multiplicity, as in ``8x1o``; unpacks to ``(mul, ir)``.

    Args:
        mul: number of copies (channels), 0 or more.
        ir: the irrep.

    Example:
        >>> mul, ir = MulIrrep(8, "1o")
        >>> mul, ir, MulIrrep(8, "1o").dim
        (8, 1o, 24)
    """

    __slots__ = ()

    def __new__(cls, mul: int, ir: IrrepLike) -> MulIrrep:
        """Check the multiplicity and parse the irrep."""
        if isinstance(mul, bool) or not isinstance(mul, int) or mul < 0:
            raise ValueError(f"a multiplicity is an integer >= 0, got {mul!r}")
        return super().__new__(cls, mul, Irrep(ir))

    @property
    def dim(self) -> int:
        """Number of components, ``mul (2 l + 1)``."""
        return self.mul * self.ir.dim

    def __repr__(self) -> str:
        return f"{self.mul}x{self.ir}"


IrrepLike: TypeAlias = Irrep | str | int | tuple[int, int]


def _parse_irrep(ir: IrrepLike) -> tuple[int, int]:
    if isinstance(ir, Irrep):
        return ir.l, ir.p
    if isinstance(ir, str):
        match = _IRREP.fullmatch(ir.strip())
        if match is None:
            raise ValueError(f"{ir!r} is no irrep; write it as '0e', '1o', '2e', ...")
        return int(match[1]), _PARITY[match[2]]
    if isinstance(ir, tuple) and len(ir) == 2:
        return ir
    raise ValueError(
        f"{ir!r} is no irrep: give a string such as '1o', or a degree and a parity"
    )
