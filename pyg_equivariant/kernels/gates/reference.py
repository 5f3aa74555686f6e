"""A gate and its derivatives in plain torch: their specification."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
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


class GateForm(NamedTuple):
    """SiLU on the first scalars, sigmoids of the next that multiply the blocks.

    Attributes:
        x_dim: numbers of an input row.
        out_dim: numbers of an output row.
        scalars: how many scalars pass.
        gates: how many gate.
        by_scalar: factor of the activated scalars.
        by_gate: factor of the gates.
        blocks: what is gated.

    Example:
        >>> form = GateForm(5, 4, 1, 1, 1.0, 1.0, (GateBlock(2, 1, 1, 1, 3, 1),))
        >>> GateForm.parse(form.text()) == form
        True
    """

    x_dim: int
    out_dim: int
    scalars: int
    gates: int
    by_scalar: float
    by_gate: float
    blocks: tuple[GateBlock, ...]

    def text(self) -> str:
        """The form in one line, exactly: what a saved graph holds."""
        return ";".join(" ".join(map(repr, row)) for row in (self[:6], *self.blocks))

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> GateForm:
        """The inverse of :meth:`text`."""
        head, *rows = (row.split() for row in text.split(";"))
        blocks = tuple(GateBlock._make(map(int, row)) for row in rows)
        x_dim, out_dim, scalars, gates = map(int, head[:4])
        return GateForm(
            x_dim, out_dim, scalars, gates, float(head[4]), float(head[5]), blocks
        )


def value_reference(x: Tensor, bias: Tensor, form: GateForm) -> Tensor:
    r"""The gate, of rows whose scalars are shifted by a bias.

    .. math::
        (c\, s\, \sigma(s)) \oplus (c'\, \sigma(g)\, v),
        \quad s \oplus g = x_{0e} + b
    """
    s, p, blocks = _parts(x, bias, form)
    out = [form.by_scalar * s * s.sigmoid()]
    out += [(v * form.by_gate * q).flatten(1) for v, q in zip(blocks, p, strict=True)]
    return torch.cat(out, dim=1)


def gradient_reference(x: Tensor, bias: Tensor, grad: Tensor, form: GateForm) -> Tensor:
    """What ``x`` receives from ``grad``; ``bias`` receives the sum of its part."""
    s, p, blocks = _parts(x, bias, form)
    g, *grads = _out_blocks(grad, form)
    q = s.sigmoid()
    gates, rest = [], []
    for v, r, h in zip(blocks, p, grads, strict=True):
        rest.append(form.by_gate * h * r)
        gates.append((form.by_gate * h * v * r * (1 - r)).sum(1))
    return _arranged(form.by_scalar * g * q * (1 + s * (1 - q)), gates, rest, x, form)


def second_reference(
    x: Tensor, bias: Tensor, grad: Tensor, along: Tensor, form: GateForm
) -> tuple[Tensor, Tensor]:
    """What ``grad`` and ``x`` receive if ``along`` arrives at the gradient."""
    s, p, blocks = _parts(x, bias, form)
    a, b, ways = _in_blocks(along, form)
    g, *grads = _out_blocks(grad, form)
    q = s.sigmoid()
    a = form.by_scalar * a
    by_grad, gates, rest = [a * q * (1 + s * (1 - q))], [], []
    for v, r, h, way, c in zip(blocks, p, grads, ways, b, strict=True):
        slope = form.by_gate * r * (1 - r)
        by_grad.append((form.by_gate * r * way + c * slope * v).flatten(1))
        rest.append(c * slope * h)
        gates.append((slope * h * (way + c * (1 - 2 * r) * v)).sum(1))
    scalars = a * g * q * (1 - q) * (2 + s * (1 - 2 * q))
    return torch.cat(by_grad, dim=1), _arranged(scalars, gates, rest, x, form)


def _in_blocks(x: Tensor, form: GateForm) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Scalars, gates ``[row, 1, channel]`` and blocks ``[row, component, channel]``."""
    gates = [x[:, b.gate : b.gate + b.mul].unsqueeze(1) for b in form.blocks]
    return x[:, : form.scalars], gates, [x[:, _places(b)] for b in form.blocks]


def _parts(
    x: Tensor, bias: Tensor, form: GateForm
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The same with the bias added, and the sigmoids of the gates."""
    s, g, blocks = _in_blocks(x, form)
    p = [
        (gate + bias[b.gate : b.gate + b.mul]).sigmoid()
        for gate, b in zip(g, form.blocks, strict=True)
    ]
    return s + bias[: form.scalars], p, blocks


def _out_blocks(out: Tensor, form: GateForm) -> list[Tensor]:
    blocks = [
        out[:, b.out : b.out + b.rows * b.mul].unflatten(1, (b.rows, b.mul))
        for b in form.blocks
    ]
    return [out[:, : form.scalars], *blocks]


def _places(block: GateBlock) -> Tensor:
    rows = block.x + block.step * torch.arange(block.rows)
    return rows[:, None] + torch.arange(block.mul)


def _arranged(
    scalars: Tensor, gates: list[Tensor], rest: list[Tensor], x: Tensor, form: GateForm
) -> Tensor:
    """Scalars, gates and blocks in their places of an input row."""
    values = torch.cat([scalars, *gates, *(part.flatten(1) for part in rest)], dim=1)
    places = [torch.arange(form.scalars)]
    places += [b.gate + torch.arange(b.mul) for b in form.blocks]
    places += [_places(b).flatten() for b in form.blocks]
    order = torch.cat(places).argsort().to(x.device)
    return values[:, order]
