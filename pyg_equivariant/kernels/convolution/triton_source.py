"""Triton text for derivatives of the fused convolution, written from its table.

A program owns a segment: consecutive visits to the edges of one node. It holds a block
of channels of that node, and sums in registers over the edges of the segment. Every
path first joins the harmonics of an edge with the coefficients, one number ``m`` for
each pair ``(i, k)`` that occurs, then runs over the channels of the block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .table import Table, Term, entries

HEAD = """\
import triton
import triton.language as tl


@triton.jit
def join(joins, parts, out, DIM: tl.constexpr, BLOCK: tl.constexpr):
    k = tl.program_id(0)
    u = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    node = tl.load(joins + 3 * k)
    first = tl.load(joins + 3 * k + 1)
    last = tl.load(joins + 3 * k + 2)
    total = tl.zeros((16, BLOCK), tl.{real})
    for p in range(first, last, 16):
        row = p + tl.arange(0, 16)[:, None]
        here = (row < last) & (u < DIM)
        total += tl.load(parts + row * DIM + u, mask=here, other=0.0)
    tl.store(out + node * DIM + u, tl.sum(total, 0, keep_dims=True), mask=u < DIM)
"""


class Group(NamedTuple):
    """Paths of one kernel; all have equally many channels.

    Attributes:
        name: of the kernel.
        terms: its paths.
        block: channels of a program.
        rows: segments of a program.
        blocks: programs that share the channels.
        stored: the blocks of the owner that kernels before it stored.
    """

    name: str
    terms: tuple[Term, ...]
    block: int
    rows: int
    blocks: int
    stored: frozenset[int]


class Writer:
    """Writes one kernel."""

    def __init__(
        self,
        table: Table,
        group: Group,
        wanted: str,
        owner: str,
        reads: str,
        parts: int,
        real: str,
        first: bool,
    ) -> None:
        self.dims = dict(zip("xywg", table.dims, strict=True))
        self.group, self.wanted, self.owner = group, wanted, owner
        self.reads, self.parts, self.real = reads, parts, f"tl.{real}"
        self.first = first
        self.mul = group.terms[0].mul
        self.rows = group.rows > 1
        self.partial = self.mul % group.block > 0
        self.wide = 1 << max(0, self.dims["y"] - 1).bit_length()
        terms = group.terms
        self.blocks = {  # start and rows of the blocks of features
            "x": sorted({(t.x, 2 * t.l1 + 1) for t in terms}),
            "g": sorted({(t.g, 2 * t.l3 + 1) for t in terms}),
        }
        self.columns = sorted({t.y + j for t in terms for j in range(2 * t.l2 + 1)})

    def lines(self) -> Iterator[str]:
        """The whole kernel."""
        given = [f"{a}, {a}_step" for a in self.reads]
        given += [f"d{a}" for a in self.wanted]
        yield "@triton.jit"
        yield f"def {self.group.name}(segments, visits, {', '.join(given)}):"
        yield from self._indented(self._begin())
        yield from self._indented(self._loop())
        yield from self._indented(self._end())

    @staticmethod
    def _indented(lines: Iterator[str]) -> Iterator[str]:
        yield from (f"    {line}" for line in lines)

    def _begin(self) -> Iterator[str]:
        """The segment, the channels, and what is kept for all edges."""
        block, rows = self.group.block, self.group.rows
        yield "s = tl.program_id(0)" + f" * {rows} + tl.arange(0, {rows})" * self.rows
        yield f"u = tl.program_id(1) * {block} + tl.arange(0, {block})"
        yield "first = tl.load(segments + 4 * s + 2)"
        yield "last = tl.load(segments + 4 * s + 3)"
        if self.rows:
            yield "steps = tl.max(last - first, 0)"
            yield "s, u = s[:, None], u[None, :]"
            yield "first, last = first[:, None], last[:, None]"
        yield "node = tl.load(segments + 4 * s)"
        yield "row = tl.load(segments + 4 * s + 1)"
        if self.partial:
            yield f"inside = u < {self.mul}"
        if self.owner in self.reads:
            for start, size in self.blocks[self.owner]:
                yield from self._features(self.owner, "node", start, size, False)
        shape = f"({rows}, {block})" if self.rows else f"({block},)"
        if self.owner in self.wanted:
            for start, size in self.blocks[self.owner]:
                for m in range(size):
                    value = f"tl.zeros({shape}, {self.real})"
                    if start in self.group.stored:
                        value = f"tl.load({self._result(start, m)})"
                    yield f"d{self.owner}{start}_{m} = {value}"
        if "y" in self.wanted:
            yield f"columns = tl.arange(0, {self.wide})" + "[None, :]" * self.rows

    def _loop(self) -> Iterator[str]:
        """The edges of the segment."""
        yield "for t in range(steps):" if self.rows else "for v in range(first, last):"
        yield from self._indented(self._edge())

    def _edge(self) -> Iterator[str]:
        if self.rows:
            yield "v = first + t"
            yield "here = v < last"
            if self.partial:
                yield "both = here & inside"
        mask = ", mask=here, other=0" * self.rows
        yield f"e = tl.load(visits + 2 * v{mask})"
        yield f"o = tl.load(visits + 2 * v + 1{mask})"
        if "y" in self.reads:
            for j in self.columns:
                load = f"tl.load(y + e * y_step + {j}{mask})"
                yield f"y{j} = {load}.to({self.real})"
        other = "g" if self.owner == "x" else "x"
        if other == "x" and "x" in self.reads:
            for start, size in self.blocks["x"]:
                yield from self._features("x", "o", start, size, True)
        if "y" in self.wanted:
            shape = f"({self.group.rows}, {self.group.block})"
            shape = shape if self.rows else f"({self.group.block},)"
            yield from (f"dy{j} = tl.zeros({shape}, {self.real})" for j in self.columns)
        seen: set[int] = set()
        for term in self.group.terms:
            if other == "g" and "g" in self.reads and term.g not in seen:
                seen.add(term.g)
                yield from self._features("g", "o", term.g, 2 * term.l3 + 1, True)
            yield from self._term(term)
        yield from self._edge_results()

    def _features(
        self, letter: str, row: str, start: int, size: int, edge: bool
    ) -> Iterator[str]:
        """Loads of one block of features, of one node."""
        mask = self._mask(edge)
        other = ", other=0.0" if mask else ""
        for m in range(size):
            at = f"{letter} + {row} * {letter}_step + ({start + m * self.mul} + u)"
            load = f"tl.load({at}{mask}{other})"
            yield f"{letter}{start}_{m} = {load}.to({self.real})"

    def _mask(self, edge: bool) -> str:
        """The mask of loads and stores of channels."""
        if edge and self.rows:
            return ", mask=both" if self.partial else ", mask=here"
        return ", mask=inside" if self.partial else ""

    def _term(self, term: Term) -> Iterator[str]:
        """One path on one edge."""
        pairs: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for i, j, k, value in entries(term.l1, term.l2, term.l3):
            pairs.setdefault((i, k), []).append((j, value * term.coefficient))
        if "y" in self.reads:
            for (i, k), found in pairs.items():
                total = " + ".join(f"{value!r} * y{term.y + j}" for j, value in found)
                yield f"m{i}_{k} = {total}"
        weighted = term.w >= 0
        if weighted and "w" in self.reads:
            mask = self._mask(True)
            other = ", other=0.0" if mask else ""
            at = f"w + e * w_step + ({term.w} + u){mask}{other}"
            load = f"tl.load({at}, eviction_policy='evict_first')"
            yield f"w{term.w} = {load}.to({self.real})"
        if self.wanted == "g":
            yield from self._onto_g(term, pairs)
            return
        if set("xw") & set(self.wanted):
            for i in range(2 * term.l1 + 1):
                ks = [k for k in range(2 * term.l3 + 1) if (i, k) in pairs]
                total = " + ".join(f"m{i}_{k} * g{term.g}_{k}" for k in ks)
                yield f"s{i} = {total}"
        rows = range(2 * term.l1 + 1)
        if "x" in self.wanted:
            weight = f"w{term.w} * " if weighted else ""
            yield from (f"dx{term.x}_{i} += {weight}s{i}" for i in rows)
        if "w" in self.wanted and weighted:
            yield f"dw{term.w} = " + " + ".join(f"x{term.x}_{i} * s{i}" for i in rows)
        if "y" in self.wanted:
            yield from self._onto_y(term, pairs)

    def _onto_g(
        self, term: Term, pairs: dict[tuple[int, int], list[tuple[int, float]]]
    ) -> Iterator[str]:
        name = f"x{term.x}_"
        if term.w >= 0:
            name = "h"
            for i in range(2 * term.l1 + 1):
                yield f"h{i} = w{term.w} * x{term.x}_{i}"
        for i, k in pairs:
            yield f"dg{term.g}_{k} += m{i}_{k} * {name}{i}"

    def _onto_y(
        self, term: Term, pairs: dict[tuple[int, int], list[tuple[int, float]]]
    ) -> Iterator[str]:
        name = f"g{term.g}_"
        if term.w >= 0:
            name = "h"
            for k in range(2 * term.l3 + 1):
                yield f"h{k} = w{term.w} * g{term.g}_{k}"
        for (i, k), found in pairs.items():
            yield f"q = x{term.x}_{i} * {name}{k}"
            yield from (f"dy{term.y + j} += {value!r} * q" for j, value in found)

    def _edge_results(self) -> Iterator[str]:
        """Stores, after all loads: none has to wait for them."""
        if "w" in self.wanted:
            for term in self.group.terms:
                if term.w >= 0:
                    at = f"dw + e * {self.dims['w']} + ({term.w} + u), dw{term.w}"
                    yield f"tl.store({at}{self._mask(True)})"
        if "y" not in self.wanted:
            return
        part = f"e * {self.parts} + tl.program_id(1)"
        yield f"line = dy + ({part}) * {self.dims['y']} + columns"
        shape = f"({self.group.rows}, {self.wide})" if self.rows else f"({self.wide},)"
        yield f"sums = tl.zeros({shape}, {self.real})"
        axis = "1, keep_dims=True" if self.rows else "0"
        for j in self.columns:
            yield f"sums = tl.where(columns == {j}, tl.sum(dy{j}, {axis}), sums)"
        mask = f"(columns < {self.dims['y']})" + " & here" * self.rows
        if not self.first:
            yield f"sums += tl.load(line, mask={mask}, other=0.0)"
        yield f"tl.store(line, sums, mask={mask})"

    def _end(self) -> Iterator[str]:
        """Stores of the sums over the segment."""
        if self.owner in self.wanted:
            for start, size in self.blocks[self.owner]:
                for m in range(size):
                    value = f"d{self.owner}{start}_{m}"
                    yield f"tl.store({self._result(start, m, value)})"

    def _result(self, start: int, m: int, value: str = "") -> str:
        """Where the sums over the segment are stored, or loaded if none are given."""
        masks = ["inside"] * self.partial + ["(row >= 0)"] * self.rows
        mask = f", mask={' & '.join(masks)}" if masks else ""
        other = ", other=0.0" * (bool(mask) and not value)
        at = f"row * {self.dims[self.owner]} + ({start + m * self.mul} + u)"
        return f"d{self.owner} + {at}{', ' * bool(value)}{value}{mask}{other}"
