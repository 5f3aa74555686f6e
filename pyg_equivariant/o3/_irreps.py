"""Irreps of O(3): the type of a feature, as an immutable value without tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, overload

from ._irrep import Irrep, IrrepLike, MulIrrep

if TYPE_CHECKING:
    from typing import TypeAlias

    import torch
    from torch import Tensor

_MUL_IRREP = re.compile(r"(?:(\d+)\s*x\s*)?(\d+\s*[eo])")


class SortedIrreps(NamedTuple):
    """What :meth:`Irreps.sort` returns."""

    irreps: Irreps
    """the sorted irreps"""
    p: tuple[int, ...]
    """block ``i`` goes to place ``p[i]``"""
    inv: tuple[int, ...]
    """place ``k`` holds block ``inv[k]``"""


@dataclass(frozen=True, init=False, repr=False)
class Irreps:
    r"""A direct sum of irreps: the type of a feature vector.

    Features lie in the layout ``ir_mul``: the block of ``mul x l`` holds
    :math:`(2l+1) \cdot mul` numbers, components outermost, channels contiguous.
    Two blocks ``3x1o+2x1o`` hence lie differently in memory than one block ``5x1o``.

    Args:
        irreps: a string such as ``"16x0e + 8x1o"``, an :class:`Irrep`, a
            :class:`MulIrrep`, :class:`Irreps`, or an iterable of those or of pairs
            ``(mul, ir)``.

    Raises:
        ValueError: naming the token that is no irrep.

    Example:
        >>> irreps = Irreps("16x0e + 8x1o")
        >>> irreps, irreps.dim, irreps.slices()
        (16x0e+8x1o, 40, [slice(0, 16, None), slice(16, 40, None)])
        >>> [(mul, ir.l) for mul, ir in irreps]
        [(16, 0), (8, 1)]
    """

    blocks: tuple[MulIrrep, ...]

    def __init__(self, irreps: IrrepsLike = ()) -> None:
        object.__setattr__(self, "blocks", _parse_irreps(irreps))

    @staticmethod
    def spherical_harmonics(lmax: int, p: int = -1) -> Irreps:
        """The irreps of the harmonics to degree ``lmax`` of a vector of parity ``p``.

        Example:
            >>> Irreps.spherical_harmonics(3)
            1x0e+1x1o+1x2e+1x3o
        """
        return Irreps([(1, Irrep(l, p**l)) for l in range(lmax + 1)])

    @property
    def dim(self) -> int:
        """Length of the feature vector."""
        return sum(block.dim for block in self.blocks)

    @property
    def num_irreps(self) -> int:
        """Sum of the multiplicities."""
        return sum(block.mul for block in self.blocks)

    @property
    def ls(self) -> list[int]:
        """The degree of every copy, in order."""
        return [block.ir.l for block in self.blocks for _ in range(block.mul)]

    @property
    def lmax(self) -> int:
        """The largest degree; empty irreps have none and raise a ValueError."""
        if not self.ls:
            raise ValueError("empty irreps have no lmax")
        return max(self.ls)

    def is_scalar(self) -> bool:
        """Whether every block is ``0e``."""
        return all(ir.is_scalar() for _, ir in self)

    def slices(self) -> list[slice]:
        """Where each block lies in the feature vector."""
        out, start = [], 0
        for block in self.blocks:
            out.append(slice(start, start + block.dim))
            start += block.dim
        return out

    def count(self, ir: IrrepLike) -> int:
        """How many copies of ``ir`` there are in all blocks together."""
        ir = Irrep(ir)
        return sum(block.mul for block in self.blocks if block.ir == ir)

    def simplify(self) -> Irreps:
        """Merge adjacent blocks of one irrep and drop the empty blocks.

        Example:
            >>> Irreps("2x0e + 3x0e + 0x1o + 1x0e + 1x1o").simplify()
            6x0e+1x1o
        """
        out: list[MulIrrep] = []
        for mul, ir in self:
            if out and out[-1].ir == ir:
                out[-1] = MulIrrep(out[-1].mul + mul, ir)
            elif mul > 0:
                out.append(MulIrrep(mul, ir))
        return Irreps(out)

    def remove_zero_multiplicities(self) -> Irreps:
        """Drop the empty blocks, and merge nothing."""
        return Irreps([block for block in self.blocks if block.mul > 0])

    def sort(self) -> SortedIrreps:
        """Sort the blocks by ``(l, p)``, keeping the order of equal ones.

        Example:
            >>> Irreps("2o + 1e + 0e + 1e").sort()
            SortedIrreps(irreps=1x0e+1x1e+1x1e+1x2o, p=(3, 1, 0, 2), inv=(2, 1, 3, 0))
        """
        inv = sorted(range(len(self)), key=lambda i: (self.blocks[i].ir, i))
        place = {i: k for k, i in enumerate(inv)}
        p = tuple(place[i] for i in range(len(self)))
        return SortedIrreps(Irreps([self.blocks[i] for i in inv]), p, tuple(inv))

    def regroup(self) -> Irreps:
        """Sort, then simplify: one block for every irrep.

        Example:
            >>> Irreps("1e + 0e + 1e + 0x2e").regroup()
            1x0e+2x1e
        """
        return self.sort().irreps.simplify()

    def filter(
        self, keep: IrrepsFilter | None = None, drop: IrrepsFilter | None = None
    ) -> Irreps:
        """Keep, or drop, whole blocks.

        Args:
            keep: irreps whose blocks stay, or a function of a :class:`MulIrrep`.
            drop: irreps whose blocks go, or a function of a :class:`MulIrrep`.

        Raises:
            ValueError: unless exactly one of the two is given.

        Example:
            >>> Irreps("4x0e + 2x0o + 3x1o").filter(keep="0e + 1o")
            4x0e+3x1o
        """
        if (keep is None) == (drop is None):
            raise ValueError("filter takes one of keep= and drop=, got both or none")
        chosen = _predicate(keep if drop is None else drop)
        wanted = drop is None
        return Irreps([block for block in self.blocks if chosen(block) == wanted])

    def randn(
        self,
        *size: int,
        normalization: str = "component",
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """Random features of shape ``size``, whose last entry is -1 (the irreps).

        Args:
            size: batch dimensions followed by -1.
            normalization: ``"component"``: independent standard normal components;
                ``"norm"``: every copy is a vector of length 1, uniform in direction.
            generator: source of the random numbers.
            dtype: as in :func:`torch.randn`.
            device: as in :func:`torch.randn`.
            requires_grad: as in :func:`torch.randn`.

        Example:
            >>> Irreps("2x0e + 1o").randn(10, -1).shape
            torch.Size([10, 5])
        """
        import torch

        if not size or size[-1] != -1:
            raise ValueError(f"the last size is -1, for the irreps; got size={size}")
        if normalization not in ("component", "norm"):
            raise ValueError(
                f"normalization is 'component' or 'norm', got {normalization!r}"
            )
        x = torch.randn(
            *size[:-1], self.dim, generator=generator, dtype=dtype, device=device
        )
        if normalization == "norm":
            for (_, ir), part in zip(self, self.slices(), strict=True):
                block = x[..., part].unflatten(-1, (ir.dim, -1))
                block /= block.norm(dim=-2, keepdim=True)
        return x.requires_grad_(requires_grad)

    def to_mul_ir(self, x: Tensor) -> Tensor:
        """Bring features from this library's order ``ir_mul`` to e3nn's ``mul_ir``.

        Example:
            >>> import torch
            >>> Irreps("2x1o").to_mul_ir(torch.tensor([0, 1, 2, 3, 4, 5]))
            tensor([0, 2, 4, 1, 3, 5])
        """
        return self._transpose_blocks(x, [(b.ir.dim, b.mul) for b in self.blocks])

    def from_mul_ir(self, x: Tensor) -> Tensor:
        """Bring features from e3nn's order ``mul_ir`` to this library's ``ir_mul``.

        Example:
            >>> import torch
            >>> Irreps("2x1o").from_mul_ir(torch.tensor([0, 2, 4, 1, 3, 5]))
            tensor([0, 1, 2, 3, 4, 5])
        """
        return self._transpose_blocks(x, [(b.mul, b.ir.dim) for b in self.blocks])

    def _transpose_blocks(self, x: Tensor, shapes: list[tuple[int, int]]) -> Tensor:
        import torch

        if x.shape[-1] != self.dim:
            raise ValueError(
                f"features of {self} have {self.dim} components, "
                f"got a tensor of shape {tuple(x.shape)}"
            )
        blocks = x.split([b.dim for b in self.blocks], dim=-1)
        turned = [
            block.unflatten(-1, shape).transpose(-1, -2).flatten(-2)
            for block, shape in zip(blocks, shapes, strict=True)
        ]
        return torch.cat(turned, dim=-1) if turned else x

    def __iter__(self) -> Iterator[MulIrrep]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    @overload
    def __getitem__(self, i: int) -> MulIrrep: ...
    @overload
    def __getitem__(self, i: slice) -> Irreps: ...
    def __getitem__(self, i: int | slice) -> MulIrrep | Irreps:
        if isinstance(i, slice):
            return Irreps(self.blocks[i])
        return self.blocks[i]

    def __contains__(self, ir: IrrepLike) -> bool:
        return self.count(ir) > 0

    def __add__(self, other: IrrepsLike) -> Irreps:
        return Irreps(self.blocks + Irreps(other).blocks)

    def __radd__(self, other: IrrepsLike) -> Irreps:
        return Irreps(other) + self

    def __mul__(self, times: int) -> Irreps:
        """Repeat the direct sum ``times`` times."""
        if not isinstance(times, int):
            return NotImplemented
        return Irreps(self.blocks * times)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return "+".join(map(repr, self.blocks))


IrrepsLike: TypeAlias = (
    Irreps
    | MulIrrep
    | Irrep
    | str
    | Iterable[MulIrrep | Irrep | str | tuple[int, IrrepLike]]
)
IrrepsFilter: TypeAlias = IrrepsLike | Callable[[MulIrrep], bool]


def _parse_irreps(irreps: IrrepsLike) -> tuple[MulIrrep, ...]:
    if isinstance(irreps, Irreps):
        return irreps.blocks
    if isinstance(irreps, MulIrrep):
        return (irreps,)
    if isinstance(irreps, Irrep):
        return (MulIrrep(1, irreps),)
    if isinstance(irreps, str):
        if not irreps.strip():
            return ()
        return tuple(_parse_token(token, irreps) for token in irreps.split("+"))
    if not isinstance(irreps, Iterable):
        raise ValueError(f"{irreps!r} is no irreps; write them as '16x0e + 8x1o'")
    return tuple(_parse_block(block) for block in irreps)


def _parse_token(token: str, whole: str) -> MulIrrep:
    match = _MUL_IRREP.fullmatch(token.strip())
    if match is None:
        raise ValueError(
            f"{token.strip()!r} in {whole!r} is no irrep; "
            "write irreps as '16x0e + 8x1o + 2e'"
        )
    return MulIrrep(int(match[1] or 1), match[2])


def _parse_block(block: object) -> MulIrrep:
    if isinstance(block, MulIrrep):
        return block
    if isinstance(block, Irrep):
        return MulIrrep(1, block)
    if isinstance(block, str):
        return _parse_token(block, block)
    if isinstance(block, (tuple, list)) and len(block) == 2:
        return MulIrrep(*block)
    raise ValueError(
        f"{block!r} is no block of irreps: give '8x1o', or a pair (8, '1o')"
    )


def _predicate(chosen: IrrepsFilter | None) -> Callable[[MulIrrep], bool]:
    if callable(chosen):
        return chosen
    listed = {ir for _, ir in Irreps(() if chosen is None else chosen)}
    return lambda block: block.ir in listed
