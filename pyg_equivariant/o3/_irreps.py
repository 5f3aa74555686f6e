"""Irreps of O(3): the type of a feature, as an immutable value without tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeGuard, overload

import torch
from torch import Tensor

from ._checks import check_device, check_tensor
from ._notation import parse_block, parse_irrep
from ._representation import Representation


@dataclass(frozen=True, order=True, init=False, repr=False)
class Irrep(Representation):
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
        >>> Irrep("1e").D_from_matrix(-torch.eye(3)).diagonal()
        tensor([1., 1., 1.])
    """

    l: int
    p: int

    def __init__(self, l: IrrepLike, p: int | None = None) -> None:
        if p is None:
            l, p = _degree_and_parity(l)
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

    def _terms(self) -> Iterable[tuple[int, int, int]]:
        return [(1, self.l, self.p)]

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
        return Irreps([(mul, self)])

    def __add__(self, other: IrrepsLike) -> Irreps:
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


class SortedIrreps(NamedTuple):
    """What :meth:`Irreps.sort` returns."""

    irreps: Irreps
    """the sorted irreps"""
    p: tuple[int, ...]
    """block ``i`` goes to position ``p[i]``"""
    inv: tuple[int, ...]
    """position ``k`` holds block ``inv[k]``"""


@dataclass(frozen=True, init=False, repr=False)
class Irreps(Representation):
    r"""A direct sum of irreps: the type of a feature vector.

    Features lie in the layout ``ir_mul``: the block of ``mul x l`` holds
    :math:`(2l+1) \cdot mul` numbers, components outermost, channels contiguous.
    Two blocks ``3x1o+2x1o`` hence lie differently in memory than one block ``5x1o``.

    Args:
        irreps: a string such as ``"16x0e + 8x1o"``, an :class:`Irrep`, a
            :class:`MulIrrep`, :class:`Irreps`, or an iterable of those or of pairs
            ``(mul, ir)``. e3nn's objects of these names will do.

    Raises:
        ValueError: naming the token that is no irrep.

    Example:
        >>> irreps = Irreps("16x0e + 8x1o")
        >>> irreps, irreps.dim, irreps.slices()
        (16x0e+8x1o, 40, [slice(0, 16, None), slice(16, 40, None)])
        >>> [(mul, ir.l) for mul, ir in irreps]
        [(16, 0), (8, 1)]
        >>> mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
        >>> Irreps("2x0o+1x1o").D_from_matrix(mirror).diagonal()
        tensor([-1., -1.,  1.,  1., -1.])
    """

    blocks: tuple[MulIrrep, ...]
    dim: int = field(compare=False)
    """Length of the feature vector."""
    _sizes: list[int] = field(compare=False)
    _shapes: list[tuple[int, int]] = field(compare=False)

    def __init__(self, irreps: IrrepsLike = ()) -> None:
        blocks = _blocks(irreps)
        sizes = [block.dim for block in blocks]
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "dim", sum(sizes))
        object.__setattr__(self, "_sizes", sizes)
        object.__setattr__(self, "_shapes", [(ir.dim, mul) for mul, ir in blocks])

    @staticmethod
    def spherical_harmonics(lmax: int, p: int = -1) -> Irreps:
        """The irreps of the harmonics to degree ``lmax`` of a vector of parity ``p``.

        Example:
            >>> Irreps.spherical_harmonics(3)
            1x0e+1x1o+1x2e+1x3o
        """
        return Irreps([(1, Irrep(l, p**l)) for l in range(lmax + 1)])

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

    @property
    def slice_by_mul(self) -> SliceByMul:
        """Copies by their places, whatever blocks they are in.

        Example:
            >>> Irreps("2x0e + 3x1o").slice_by_mul[1:4]
            1x0e+2x1o
        """
        return SliceByMul(self)

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
        position = {i: k for k, i in enumerate(inv)}
        p = tuple(position[i] for i in range(len(self)))
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
        keeps = drop is None
        return Irreps([block for block in self.blocks if chosen(block) == keeps])

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
            for block in self.split(x):
                block /= block.norm(dim=-2, keepdim=True)
        return x.requires_grad_(requires_grad)

    def split(self, x: Tensor) -> list[Tensor]:
        """The blocks of features, each ``(..., 2 l + 1, mul)``: views of ``x``.

        Args:
            x: features ``(..., dim)``.

        Raises:
            ValueError: if the last dimension of ``x`` is not ``dim``.

        Example:
            >>> scalars, vectors = Irreps("16x0e+8x1o").split(torch.randn(5, 40))
            >>> scalars.shape, vectors.shape
            (torch.Size([5, 1, 16]), torch.Size([5, 3, 8]))
        """
        return [
            torch.unflatten(block, -1, shape)
            for block, shape in zip(self._cut(x), self._shapes, strict=True)
        ]

    def _cut(self, x: Tensor) -> tuple[Tensor, ...]:
        check_tensor(x, "x")
        if x.dim() == 0 or x.shape[-1] != self.dim:
            raise ValueError(
                f"features of {self} have {self.dim} components, "
                f"got a tensor of shape {tuple(x.shape)}"
            )
        return x.split_with_sizes(self._sizes, -1)

    def join(self, blocks: Sequence[Tensor]) -> Tensor:
        """Features out of their blocks, the inverse of :meth:`split`.

        Args:
            blocks: one ``(..., 2 l + 1, mul)`` for every block of these irreps.

        Raises:
            ValueError: if their number or a shape does not fit, or there are none,
                which leaves the other dimensions unknown.

        Example:
            >>> irreps = Irreps("16x0e+8x1o")
            >>> scalars, vectors = irreps.split(torch.randn(5, 40))
            >>> irreps.join([scalars, 2 * vectors]).shape
            torch.Size([5, 40])
        """
        for block in blocks:
            check_tensor(block, "a block")
        shapes = [block.shape[-2:] for block in blocks]
        if not blocks or shapes != self._shapes:
            turned = list(map(sorted, shapes)) == list(map(sorted, self._shapes))
            hint = "; some have copies first, as in e3nn: give block.mT"
            raise ValueError(
                f"{self} join blocks (..., 2 l + 1, mul) that end in {self._shapes}, "
                f"one at least; got shapes {[tuple(block.shape) for block in blocks]}"
                f"{hint if blocks and turned else ''}"
            )
        first = blocks[0]
        for block in blocks[1:]:
            check_device(block, first, "a block", "the first")
            if block.shape[:-2] != first.shape[:-2] or block.dtype != first.dtype:
                raise ValueError(
                    f"blocks have one dtype and equal leading dimensions, got "
                    f"{first.dtype} of shape {tuple(first.shape)} and {block.dtype} of "
                    f"shape {tuple(block.shape)}"
                )
        return torch.cat([block.flatten(-2) for block in blocks], dim=-1)

    def to_mul_ir(self, x: Tensor) -> Tensor:
        """Bring features from this library's order ``ir_mul`` to e3nn's ``mul_ir``.

        Example:
            >>> Irreps("2x1o").to_mul_ir(torch.tensor([0, 1, 2, 3, 4, 5]))
            tensor([0, 2, 4, 1, 3, 5])
        """
        blocks = [block.mT.flatten(-2) for block in self.split(x)]
        return torch.cat(blocks, dim=-1) if blocks else x

    def from_mul_ir(self, x: Tensor) -> Tensor:
        """Bring features from e3nn's order ``mul_ir`` to this library's ``ir_mul``.

        Example:
            >>> Irreps("2x1o").from_mul_ir(torch.tensor([0, 2, 4, 1, 3, 5]))
            tensor([0, 1, 2, 3, 4, 5])
        """
        blocks = [
            block.unflatten(-1, shape[::-1]).mT
            for block, shape in zip(self._cut(x), self._shapes, strict=True)
        ]
        return self.join(blocks) if blocks else x

    def _terms(self) -> Iterable[tuple[int, int, int]]:
        return [(mul, ir.l, ir.p) for mul, ir in self.blocks]

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


class SliceByMul(NamedTuple):
    """What :attr:`Irreps.slice_by_mul` returns."""

    irreps: Irreps

    def __getitem__(self, places: slice) -> Irreps:  # type: ignore[override]
        """The irreps of the copies from ``start`` to ``stop``, one after the other."""
        if not isinstance(places, slice) or places.step not in (None, 1):
            raise TypeError(f"expected a slice start:stop of copies, got {places!r}")
        start, stop, _ = places.indices(self.irreps.num_irreps)
        out, first = [], 0
        for mul, ir in self.irreps:
            taken = min(stop, first + mul) - max(start, first)
            if taken > 0:
                out.append(MulIrrep(taken, ir))
            first += mul
        return Irreps(out)


IrrepLike: TypeAlias = Irrep | str | int | tuple[int, int]
IrrepsLike: TypeAlias = (
    Irreps
    | MulIrrep
    | Irrep
    | str
    | Iterable[MulIrrep | Irrep | str | tuple[int, IrrepLike]]
)
IrrepsFilter: TypeAlias = IrrepsLike | Callable[[MulIrrep], bool]


def _is_irrep(ir: object) -> TypeGuard[Irrep]:
    """Whether it is an irrep, or another library's, such as e3nn's."""
    return isinstance(ir, Irrep) or (hasattr(ir, "l") and hasattr(ir, "p"))


def _degree_and_parity(ir: IrrepLike) -> tuple[int, int]:
    if _is_irrep(ir):
        return ir.l, ir.p
    if isinstance(ir, str):
        return parse_irrep(ir)
    if isinstance(ir, tuple) and len(ir) == 2:
        return ir
    raise ValueError(
        f"{ir!r} is no irrep: give a string such as '1o', or a degree and a parity"
    )


def _blocks(irreps: IrrepsLike) -> tuple[MulIrrep, ...]:
    if isinstance(irreps, Irreps):
        return irreps.blocks
    if isinstance(irreps, str):
        blocks = irreps.split("+") if irreps.strip() else []
        return tuple(MulIrrep(*parse_block(block, irreps)) for block in blocks)
    if _is_irrep(irreps) or (hasattr(irreps, "mul") and hasattr(irreps, "ir")):
        return (_block(irreps),)
    if hasattr(irreps, "shape"):
        raise TypeError(
            f"expected irreps such as '16x0e + 8x1o', got a {type(irreps).__name__} of "
            f"shape {tuple(irreps.shape)}; irreps come before features"
        )
    if not isinstance(irreps, Iterable):
        raise ValueError(f"{irreps!r} is no irreps; write them as '16x0e + 8x1o'")
    return tuple(_block(block) for block in irreps)


def _block(block: object) -> MulIrrep:
    if isinstance(block, MulIrrep):
        return block
    if _is_irrep(block):
        return MulIrrep(1, block)
    if isinstance(block, str):
        return MulIrrep(*parse_block(block, block))
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
