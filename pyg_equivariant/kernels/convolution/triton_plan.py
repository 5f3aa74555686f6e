"""How paths are shared out among Triton kernels.

Paths form groups as large as the registers allow; a group is one kernel, and goes on
from the sums that kernels before it stored. Channels of a program are few enough for
one warp, so that sums over channels stay inside it; where they are fewer than its
lanes, a program owns several segments, one to a row.
"""

from __future__ import annotations

from typing import NamedTuple

from .table import Table, Term, entries
from .triton_source import HEAD, Group, Writer

LANES = 32  # of a warp
BYTES = 256  # of the channels of a program, at most
NUMBERS = 56  # that a program keeps for each channel, at most
ENTRIES = 256  # coefficients of a kernel, at most, if it has more than one path


class Plan(NamedTuple):
    """What to launch for some derivatives, and from which text.

    Attributes:
        owner: ``"g"`` if programs own targets, ``"x"`` if they own sources.
        reads: the arguments, in the order of the parameters of all kernels.
        groups: the kernels, in order.
        parts: how many programs of a kernel share the derivative by ``y`` of an edge.
        stages: the derivatives that several kernels add to.
        text: the source of ``join`` and all kernels.
    """

    owner: str
    reads: str
    groups: tuple[Group, ...]
    parts: int
    stages: str
    text: str


def plan_kernels(table: Table, wanted: str, real: str) -> Plan:
    """Kernels that compute some derivatives of the trilinear form.

    Args:
        table: the convolution.
        wanted: ``"g"``, or some of ``"xyw"``.
        real: what is summed in, ``"float32"`` or ``"float64"``.

    Example:
        >>> table = Table((8, 1, 8, 8), (Term(0, 0, 0, 8, 0, 0, 0, 0, 1.0),))
        >>> plan = plan_kernels(table, "g", "float32")
        >>> plan.owner, plan.reads, [(group.block, group.rows) for group in plan.groups]
        ('g', 'xyw', [(8, 4)])
    """
    weighted = any(term.w >= 0 for term in table.terms)
    reads = "".join(a for a in "xywg" if _reads(a, wanted) and (a != "w" or weighted))
    owner = "x" if "x" in wanted else "g"
    groups: list[Group] = []
    stored: set[int] = set()
    for n, terms in enumerate(_packed(table, wanted)):
        block, blocks = _blocks(terms[0].mul, 4 if real == "float32" else 8)
        own = {getattr(term, owner) for term in terms}
        rows = max(1, LANES // block)
        kept = frozenset(own & stored)
        groups.append(Group(f"group_{n}", terms, block, rows, blocks, kept))
        stored |= own
    parts = max((group.blocks for group in groups), default=1)
    several = {"y": len(groups) > 1 or parts > 1}
    several[owner] = any(group.stored for group in groups)
    stages = "".join(a for a in wanted if several.get(a))
    texts = [HEAD.format(real=real)]
    for group in groups:
        first = group is groups[0]
        writer = Writer(table, group, wanted, owner, reads, parts, real, first)
        texts.append("\n".join(writer.lines()) + "\n")
    return Plan(owner, reads, tuple(groups), parts, stages, "\n\n".join(texts))


def _reads(argument: str, wanted: str) -> bool:
    """Whether some wanted derivative depends on the argument."""
    return any(a != argument for a in wanted)


def _blocks(mul: int, size: int) -> tuple[int, int]:
    """Channels of a program, a power of two, and how many programs share them."""
    block = min(BYTES // size, 1 << (mul - 1).bit_length())
    half = block // 2
    if mul > half >= LANES and -(-mul // half) * half < -(-mul // block) * block:
        block = half
    return block, -(-mul // block)


def _packed(table: Table, wanted: str) -> list[tuple[Term, ...]]:
    """The paths of each kernel, most channels first: it begins all partial sums."""
    packed: list[list[Term]] = []
    for term in sorted(table.terms, key=lambda t: (-t.mul, t.x, t.y)):
        if packed and packed[-1][0].mul == term.mul:
            together = [*packed[-1], term]
            work = sum(len(entries(t.l1, t.l2, t.l3)) for t in together)
            if work <= ENTRIES and _numbers(together, wanted) <= NUMBERS:
                packed[-1] = together
                continue
        packed.append([term])
    return [tuple(terms) for terms in packed]


def _numbers(terms: list[Term], wanted: str) -> int:
    """How many numbers the paths keep for each channel."""
    x = sum(2 * l + 1 for l, _ in {(t.l1, t.x) for t in terms})
    g = sum(2 * l + 1 for l, _ in {(t.l3, t.g) for t in terms})
    y = {t.y + j for t in terms for j in range(2 * t.l2 + 1)}
    kept = 2 * x if "x" in wanted else g + x
    return kept + len(y) * ("y" in wanted) + sum(t.w >= 0 for t in terms)
