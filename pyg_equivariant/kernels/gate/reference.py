"""A gate and its derivatives in plain torch: their specification."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class GateBlock(NamedTuple):
    """Channels that one range of gates multiplies.

    Attributes:
        x: where they begin in the input.
        step: how far apart their components are there.
        gate: where their gates begin in the input.
        out: where they begin in the output.
        rows: how many components they have.
        mul: how many channels.
    """

    x: int
    step: int
    gate: int
    out: int
    rows: int
    mul: int


@dataclass(frozen=True)
class GateForm:
    """SiLU on the first scalars, sigmoids of the next that multiply the blocks.

    Attributes:
        x_dim: numbers of an input row.
        out_dim: numbers of an output row.
        scalars: how many scalars pass.
        gates: how many gate.
        by_scalar: factor of the activated scalars.
        by_gate: factor of the gates.
        blocks: what is gated.
        text: the form in one line, exactly: what a saved graph holds.

    Example:
        >>> form = GateForm(5, 4, 1, 1, 1.0, 1.0, (GateBlock(2, 1, 1, 1, 3, 1),))
        >>> GateForm.parse(form.text) == form
        True
    """

    x_dim: int
    out_dim: int
    scalars: int
    gates: int
    by_scalar: float
    by_gate: float
    blocks: tuple[GateBlock, ...]
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = self.x_dim, self.out_dim, self.scalars, self.gates
        rows = (*sizes, self.by_scalar, self.by_gate), *self.blocks
        text = ";".join(" ".join(map(repr, row)) for row in rows)
        object.__setattr__(self, "text", text)

    @property
    def num_biases(self) -> int:
        """How many numbers a bias has."""
        return self.scalars + self.gates

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> GateForm:
        """The form of a text."""
        head, *rows = (row.split() for row in text.split(";"))
        blocks = tuple(GateBlock._make(map(int, row)) for row in rows)
        x_dim, out_dim, scalars, gates = map(int, head[:4])
        return GateForm(
            x_dim, out_dim, scalars, gates, float(head[4]), float(head[5]), blocks
        )


def value(x: Tensor, shift: Tensor, form: GateForm) -> Tensor:
    """The gate, of rows whose scalars are shifted."""
    s, p, blocks = _parts(x, shift, form)
    out = [form.by_scalar * F.silu(s)]
    out += [(v * form.by_gate * q).flatten(1) for v, q in zip(blocks, p, strict=True)]
    return torch.cat(out, dim=1)


def gradient(x: Tensor, shift: Tensor, grad: Tensor, form: GateForm) -> Tensor:
    """What ``x`` receives from ``grad``; the shift receives the sum of its part."""
    s, p, blocks = _parts(x, shift, form)
    g, *grads = _out_blocks(grad, form)
    q = s.sigmoid()
    gates, rest = [], []
    for v, r, h in zip(blocks, p, grads, strict=True):
        rest.append(form.by_gate * h * r)
        gates.append((form.by_gate * h * v * r * (1 - r)).sum(1))
    return _in_rows(form.by_scalar * g * q * (1 + s * (1 - q)), gates, rest, form)


def second(
    x: Tensor, shift: Tensor, grad: Tensor, along: Tensor, form: GateForm
) -> tuple[Tensor, Tensor]:
    """What ``grad`` and ``x`` receive if ``along`` arrives at the gradient."""
    s, p, blocks = _parts(x, shift, form)
    a, b, ways = _in_blocks(along, form)
    g, *grads = _out_blocks(grad, form)
    q = s.sigmoid()
    a = form.by_scalar * a
    grad_grad, gates, rest = [a * q * (1 + s * (1 - q))], [], []
    for v, r, h, way, c in zip(blocks, p, grads, ways, b, strict=True):
        slope = form.by_gate * r * (1 - r)
        grad_grad.append((form.by_gate * r * way + c * slope * v).flatten(1))
        rest.append(c * slope * h)
        gates.append((slope * h * (way + c * (1 - 2 * r) * v)).sum(1))
    scalars = a * g * q * (1 - q) * (2 + s * (1 - 2 * q))
    return torch.cat(grad_grad, dim=1), _in_rows(scalars, gates, rest, form)


def _in_blocks(x: Tensor, form: GateForm) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Scalars, gates ``[row, 1, channel]`` and blocks ``[row, component, channel]``."""
    gates = [x[:, b.gate : b.gate + b.mul].unsqueeze(1) for b in form.blocks]
    blocks = [
        x[:, b.x : b.x + b.step * (b.rows - 1) + b.mul].unfold(1, b.mul, b.step)
        for b in form.blocks
    ]
    return x[:, : form.scalars], gates, blocks


def _parts(
    x: Tensor, shift: Tensor, form: GateForm
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The same with the shift added, and the sigmoids of the gates."""
    s, g, blocks = _in_blocks(x, form)
    p = [
        (gate + shift[b.gate : b.gate + b.mul]).sigmoid()
        for gate, b in zip(g, form.blocks, strict=True)
    ]
    return s + shift[: form.scalars], p, blocks


def _out_blocks(out: Tensor, form: GateForm) -> list[Tensor]:
    blocks = [
        out[:, b.out : b.out + b.rows * b.mul].unflatten(1, (b.rows, b.mul))
        for b in form.blocks
    ]
    return [out[:, : form.scalars], *blocks]


def _in_rows(
    scalars: Tensor, gates: list[Tensor], rest: list[Tensor], form: GateForm
) -> Tensor:
    """Scalars, gates and blocks as the rows of an input."""
    pieces = {0: scalars} if form.scalars else {}
    for block, gate, part in zip(form.blocks, gates, rest, strict=True):
        pieces[block.gate] = gate
        for k, row in enumerate(part.unbind(1)):
            pieces[block.x + k * block.step] = row
    return torch.cat([pieces[start] for start in sorted(pieces)], dim=1)
