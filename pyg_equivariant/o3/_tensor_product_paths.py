"""Tensor products described as data: which terms there are, not how to compute them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ._irreps import Irreps, IrrepsLike, MulIrrep

CONNECTIONS = ("uvw", "uvu", "uuu")
IRREP_NORMALIZATIONS = ("component", "norm", "none")
PATH_NORMALIZATIONS = ("element", "path", "none")


class Path(NamedTuple):
    """One term of a tensor product: block ``i_in1`` times block ``i_in2``.

    Attributes:
        i_in1: index of the block of ``irreps_in1``.
        i_in2: index of the block of ``irreps_in2``.
        i_out: index of the block of ``irreps_out`` that the term is added to.
        connection: how channels are joined, see :class:`TensorProductPaths`.
        has_weight: whether the term carries weights; ``"uvw"`` always does.
        path_weight: multiplies the variance of the term.
    """

    i_in1: int
    i_in2: int
    i_out: int
    connection: str = "uvw"
    has_weight: bool = True
    path_weight: float = 1.0


@dataclass(frozen=True)
class TensorProductPaths:
    r"""The paths of an equivariant bilinear map, as data.

    With :math:`C` the coefficients of :func:`clebsch_gordan`, the path
    :math:`(i_1, i_2 \to o)` adds to the output block

    .. math::
        z_{kw} \mathrel{+}= c \sum_{uv} w_{uvw} \sum_{ij} C_{ijk}\, x_{iu}\, y_{jv}
        \quad (\texttt{uvw}), \qquad
        z_{ku} \mathrel{+}= c \sum_{v} w_{uv} \sum_{ij} C_{ijk}\, x_{iu}\, y_{jv}
        \quad (\texttt{uvu}), \qquad
        z_{ku} \mathrel{+}= c\, w_{u} \sum_{ij} C_{ijk}\, x_{iu}\, y_{ju}
        \quad (\texttt{uuu}).

    The coefficient is :math:`c = \sqrt{a\,p / n}`: :math:`p` is the path's
    ``path_weight``; :math:`a` is :math:`2l_o+1` (``component``: unit variance of every
    component), :math:`(2l_1+1)(2l_2+1)` (``norm``: unit length of every copy) or 1;
    :math:`n` is the number of terms summed over by all paths into the block
    (``element``), by this path times the number of paths (``path``), or 1 (``none``).

    Weights lie in one flat vector, path after path, each of shape ``(mul1, mul2,
    mul_out)``, ``(mul1, mul2)`` or ``(mul1,)``, row-major: the order of e3nn.

    Args:
        irreps_in1: irreps of the first input.
        irreps_in2: irreps of the second input.
        irreps_out: irreps of the output.
        paths: the terms, as :class:`Path` or tuples of its fields.
        irrep_normalization: ``"component"``, ``"norm"`` or ``"none"``.
        path_normalization: ``"element"``, ``"path"`` or ``"none"``.

    Raises:
        ValueError: if a path breaks the selection rule, points outside the irreps or
            joins blocks whose multiplicities do not fit its connection.

    Example:
        >>> print(TensorProductPaths.fully_connected("4x0e+2x1o", "1x0e+1x1o", "3x0e"))
        4x0e+2x1o * 1x0e+1x1o -> 3x0e (2 paths, 18 weights)
          4x0e * 1x0e -> 3x0e  uvw  12 weights  coefficient 0.4082
          2x1o * 1x1o -> 3x0e  uvw   6 weights  coefficient 0.4082
    """

    irreps_in1: Irreps
    irreps_in2: Irreps
    irreps_out: Irreps
    paths: tuple[Path, ...]
    irrep_normalization: str = "component"
    path_normalization: str = "element"

    def __post_init__(self) -> None:
        for name in ("irreps_in1", "irreps_in2", "irreps_out"):
            object.__setattr__(self, name, Irreps(getattr(self, name)))
        object.__setattr__(self, "paths", tuple(Path(*path) for path in self.paths))
        for name, allowed in (
            ("irrep_normalization", IRREP_NORMALIZATIONS),
            ("path_normalization", PATH_NORMALIZATIONS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is one of {allowed}, got {getattr(self, name)!r}"
                )
        for path in self.paths:
            self._check(path)

    @classmethod
    def fully_connected(
        cls,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        irreps_out: IrrepsLike,
        irrep_normalization: str = "component",
        path_normalization: str = "element",
    ) -> TensorProductPaths:
        """Every path that the selection rule allows, all channels mixed (``uvw``)."""
        in1, in2, out = Irreps(irreps_in1), Irreps(irreps_in2), Irreps(irreps_out)
        paths = [
            Path(i1, i2, o)
            for i1, (_, ir1) in enumerate(in1)
            for i2, (_, ir2) in enumerate(in2)
            for o, (_, ir) in enumerate(out)
            if ir in ir1 * ir2
        ]
        return cls(in1, in2, out, tuple(paths), irrep_normalization, path_normalization)

    @classmethod
    def depthwise(
        cls,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        keep: IrrepsLike | None = None,
        irrep_normalization: str = "component",
        path_normalization: str = "element",
    ) -> TensorProductPaths:
        """Channel by channel (``uvu``), one output block for each path.

        Args:
            irreps_in1: irreps of the first input, whose channels are kept.
            irreps_in2: irreps of the second input, often spherical harmonics.
            keep: the irreps wanted in the output (multiplicities do not matter);
                all that arise by default.
            irrep_normalization: see :class:`TensorProductPaths`.
            path_normalization: see :class:`TensorProductPaths`.

        Example:
            >>> tp = TensorProductPaths.depthwise("8x0e+8x1o", "0e+1o", keep="0e+1o")
            >>> tp.irreps_out, tp.weight_numel
            (8x0e+8x0e+8x1o+8x1o, 32)
        """
        in1, in2 = Irreps(irreps_in1), Irreps(irreps_in2)
        wanted = None if keep is None else {ir for _, ir in Irreps(keep)}
        terms = [
            (i1, i2, MulIrrep(mul, ir))
            for i1, (mul, ir1) in enumerate(in1)
            for i2, (_, ir2) in enumerate(in2)
            for ir in ir1 * ir2
            if wanted is None or ir in wanted
        ]
        out, place, _ = Irreps([block for _, _, block in terms]).sort()
        paths = [Path(i1, i2, place[k], "uvu") for k, (i1, i2, _) in enumerate(terms)]
        return cls(in1, in2, out, tuple(paths), irrep_normalization, path_normalization)

    @classmethod
    def elementwise(
        cls,
        irreps_in1: IrrepsLike,
        irreps_in2: IrrepsLike,
        keep: IrrepsLike | None = None,
        has_weight: bool = False,
        irrep_normalization: str = "component",
        path_normalization: str = "element",
    ) -> TensorProductPaths:
        """Copy ``u`` times copy ``u`` (``uuu``), one output block for each path.

        Args:
            irreps_in1: irreps of the first input.
            irreps_in2: irreps of the second input, with as many copies.
            keep: the irreps wanted in the output; all that arise by default.
            has_weight: whether every path carries one weight per channel.
            irrep_normalization: see :class:`TensorProductPaths`.
            path_normalization: see :class:`TensorProductPaths`.

        Raises:
            ValueError: if the block multiplicities of the two inputs differ.

        Example:
            >>> TensorProductPaths.elementwise("4x1o", "4x1o", keep="0e").irreps_out
            4x0e
        """
        in1, in2 = Irreps(irreps_in1), Irreps(irreps_in2)
        if [mul for mul, _ in in1] != [mul for mul, _ in in2]:
            raise ValueError(
                f"an elementwise product joins copy by copy, but {in1} and {in2} have "
                "different multiplicities; split their blocks alike"
            )
        wanted = None if keep is None else {ir for _, ir in Irreps(keep)}
        terms = [
            (i, MulIrrep(mul, ir))
            for i, ((mul, ir1), (_, ir2)) in enumerate(zip(in1, in2, strict=True))
            for ir in ir1 * ir2
            if wanted is None or ir in wanted
        ]
        out = Irreps([block for _, block in terms])
        paths = [Path(i, i, o, "uuu", has_weight) for o, (i, _) in enumerate(terms)]
        return cls(in1, in2, out, tuple(paths), irrep_normalization, path_normalization)

    def blocks(self, path: Path) -> tuple[MulIrrep, MulIrrep, MulIrrep]:
        """The two input blocks and the output block of a path."""
        return (
            self.irreps_in1[path.i_in1],
            self.irreps_in2[path.i_in2],
            self.irreps_out[path.i_out],
        )

    def weight_shape(self, path: Path) -> tuple[int, ...]:
        """Shape of the weights of a path, ``(0,)`` if it has none."""
        if not path.has_weight:
            return (0,)
        (mul1, _), (mul2, _), (mul_out, _) = self.blocks(path)
        return {"uvw": (mul1, mul2, mul_out), "uvu": (mul1, mul2), "uuu": (mul1,)}[
            path.connection
        ]

    @cached_property
    def weight_numel(self) -> int:
        """Length of the flat weight vector."""
        return sum(math.prod(self.weight_shape(path)) for path in self.paths)

    @cached_property
    def weight_slices(self) -> tuple[slice, ...]:
        """Where the weights of each path lie in the flat vector."""
        out, start = [], 0
        for path in self.paths:
            stop = start + math.prod(self.weight_shape(path))
            out.append(slice(start, stop))
            start = stop
        return tuple(out)

    @cached_property
    def fan_in(self) -> tuple[int, ...]:
        """For every output block, the number of terms that its paths sum over."""
        fan_in = [0] * len(self.irreps_out)
        for path in self.paths:
            fan_in[path.i_out] += self._num_terms(path)
        return tuple(fan_in)

    @cached_property
    def coefficients(self) -> tuple[float, ...]:
        """The coefficient :math:`c` of each path."""
        return tuple(self._coefficient(path) for path in self.paths)

    @cached_property
    def unreached(self) -> Irreps:
        """The non-empty output blocks that no path reaches; they are zero."""
        reached = {path.i_out for path in self.paths if self._num_terms(path) > 0}
        return Irreps(
            [b for o, b in enumerate(self.irreps_out) if b.mul > 0 and o not in reached]
        )

    def _num_terms(self, path: Path) -> int:
        (mul1, _), (mul2, _), _ = self.blocks(path)
        return {"uvw": mul1 * mul2, "uvu": mul2, "uuu": min(mul1, 1)}[path.connection]

    def _coefficient(self, path: Path) -> float:
        (_, ir1), (_, ir2), (_, ir) = self.blocks(path)
        scale = {"component": ir.dim, "norm": ir1.dim * ir2.dim, "none": 1}
        siblings = sum(other.i_out == path.i_out for other in self.paths)
        terms = {
            "element": self.fan_in[path.i_out],
            "path": self._num_terms(path) * siblings,
            "none": 1,
        }[self.path_normalization]
        variance = scale[self.irrep_normalization] * path.path_weight
        return math.sqrt(variance / max(terms, 1))

    def _check(self, path: Path) -> None:
        sizes = (len(self.irreps_in1), len(self.irreps_in2), len(self.irreps_out))
        if not all(0 <= i < n for i, n in zip(path[:3], sizes, strict=True)):
            raise ValueError(
                f"{path} points outside the blocks of {self.irreps_in1}, "
                f"{self.irreps_in2} and {self.irreps_out}"
            )
        (mul1, ir1), (mul2, ir2), (mul, ir) = self.blocks(path)
        if ir not in ir1 * ir2:
            raise ValueError(
                f"{path}: {ir1} * {ir2} does not contain {ir}, "
                f"only {', '.join(map(str, ir1 * ir2))}"
            )
        if path.connection not in CONNECTIONS:
            raise ValueError(f"a connection is one of {CONNECTIONS}, got {path}")
        if not path.path_weight >= 0:
            raise ValueError(f"path_weight scales a variance, so it is >= 0: {path}")
        if path.connection == "uvw" and not path.has_weight:
            raise ValueError(
                f"the connection uvw mixes channels by weights, got {path}"
            )
        if path.connection == "uvu" and mul1 != mul:
            raise ValueError(
                f"the connection uvu keeps the channels of the first input, but {path} "
                f"leads from {mul1}x{ir1} to {mul}x{ir}"
            )
        if path.connection == "uuu" and not mul1 == mul2 == mul:
            raise ValueError(
                f"the connection uuu joins equal multiplicities, but {path} "
                f"leads from {mul1}x{ir1} and {mul2}x{ir2} to {mul}x{ir}"
            )

    def __str__(self) -> str:
        rows = []
        for path, coefficient in zip(self.paths, self.coefficients, strict=True):
            block1, block2, out = map(repr, self.blocks(path))
            count = math.prod(self.weight_shape(path))
            rows.append((f"{block1} * {block2} -> {out}", path, count, coefficient))
        width = max((len(row[0]) for row in rows), default=0)
        digits = max((len(str(row[2])) for row in rows), default=0)
        head = (
            f"{self.irreps_in1} * {self.irreps_in2} -> {self.irreps_out} "
            f"({len(rows)} paths, {self.weight_numel} weights)"
        )
        lines = [
            f"  {term:{width}}  {path.connection}  {count:{digits}} weights  "
            f"coefficient {coefficient:.4f}"
            for term, path, count, coefficient in rows
        ]
        return "\n".join([head, *lines])
