"""How paths are shared out among Triton kernels.

Paths form groups as large as the registers allow; a group is one kernel, and goes on
from the sums that kernels before it stored. Channels of a program are few enough for
one warp, so that sums over channels stay inside it; where they are fewer than its
lanes, a program owns several segments, one to a row.
"""

from __future__ import annotations

from typing import NamedTuple

from ..paths import Paths, Term, couplings

LANES = 32  # of a warp
BYTES = 256  # of the channels of a program, at most
NUMBERS = 56  # that a program keeps for each channel, at most
ENTRIES = 256  # coefficients of a kernel, at most, if it has more than one path


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

    def numbers(self, letter: str) -> list[tuple[int, int]]:
        """Those of a channel of ``x`` or ``g``: where their block begins, and which."""
        starts = {"x": {(t.x, t.l1) for t in self.terms}}
        starts["g"] = {(t.g, t.l3) for t in self.terms}
        return [(s, m) for s, l in sorted(starts[letter]) for m in range(2 * l + 1)]

    @property
    def columns(self) -> list[int]:
        """Those of ``y``."""
        return sorted({t.y + j for t in self.terms for j in range(2 * t.l2 + 1)})


class Plan(NamedTuple):
    """What to launch for some derivatives.

    Attributes:
        owner: ``"g"`` if programs own targets, ``"x"`` if they own sources.
        reads: the arguments, in the order of the parameters of all kernels.
        groups: the kernels, in order.
        parts: how many programs of a kernel share the derivative with respect to ``y``
            of an edge.
        stages: the derivatives that several kernels add to.
    """

    owner: str
    reads: str
    groups: tuple[Group, ...]
    parts: int
    stages: str


def plan_kernels(paths: Paths, outputs: str, real: str) -> Plan:
    """Kernels that compute some derivatives of the convolution.

    Args:
        paths: those of the convolution.
        outputs: ``"g"``, or some of ``"xyw"``.
        real: what is summed in, ``"float32"`` or ``"float64"``.

    Example:
        >>> from pyg_equivariant.o3 import TensorProductPaths
        >>> paths = Paths.of(TensorProductPaths.depthwise("8x0e", "0e"), "uvu")
        >>> plan = plan_kernels(paths, "g", "float32")
        >>> plan.owner, plan.reads, [(group.block, group.rows) for group in plan.groups]
        ('g', 'xyw', [(8, 4)])
    """
    weighted = any(term.w >= 0 for term in paths.terms)
    reads = "".join(a for a in "xywg" if _reads(a, outputs) and (a != "w" or weighted))
    owner = "x" if "x" in outputs else "g"
    groups: list[Group] = []
    stored: set[int] = set()
    for n, terms in enumerate(_packed(paths, outputs)):
        block, blocks = _blocks(terms[0].mul1, 4 if real == "float32" else 8)
        own = {getattr(term, owner) for term in terms}
        rows = max(1, LANES // block)
        kept = frozenset(own & stored)
        groups.append(Group(f"group_{n}", terms, block, rows, blocks, kept))
        stored |= own
    parts = max((group.blocks for group in groups), default=1)
    several = {"y": len(groups) > 1 or parts > 1}
    several[owner] = any(group.stored for group in groups)
    stages = "".join(a for a in outputs if several.get(a))
    return Plan(owner, reads, tuple(groups), parts, stages)


def _reads(argument: str, outputs: str) -> bool:
    """Whether some of the derivatives depend on the argument."""
    return any(a != argument for a in outputs)


def _blocks(mul: int, size: int) -> tuple[int, int]:
    """Channels of a program, a power of two, and how many programs share them."""
    block = min(BYTES // size, 1 << (mul - 1).bit_length())
    half = block // 2
    if mul > half >= LANES and -(-mul // half) * half < -(-mul // block) * block:
        block = half
    return block, -(-mul // block)


def _packed(paths: Paths, outputs: str) -> list[tuple[Term, ...]]:
    """The paths of each kernel, most channels first: it begins all partial sums."""
    packed: list[list[Term]] = []
    for term in sorted(paths.terms, key=lambda t: (-t.mul1, t.x, t.y)):
        if packed and packed[-1][0].mul1 == term.mul1:
            together = [*packed[-1], term]
            work = sum(len(c.terms) for t in together for c in couplings(*t.degrees))
            if work <= ENTRIES and _numbers(together, outputs) <= NUMBERS:
                packed[-1] = together
                continue
        packed.append([term])
    return [tuple(terms) for terms in packed]


def _numbers(terms: list[Term], outputs: str) -> int:
    """How many numbers the paths keep for each channel."""
    x = sum(2 * l + 1 for l, _ in {(t.l1, t.x) for t in terms})
    g = sum(2 * l + 1 for l, _ in {(t.l3, t.g) for t in terms})
    y = {t.y + j for t in terms for j in range(2 * t.l2 + 1)}
    kept = 2 * x if "x" in outputs else g + x
    return kept + len(y) * ("y" in outputs) + sum(t.w >= 0 for t in terms)
