"""A gate in plain torch: its specification."""

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
    """SiLU on even scalars, sigmoids or SiLU of the next that multiply the blocks.

    Odd scalars, which pass a tanh, come before all of these.

    Attributes:
        x_dim: numbers of an input row.
        out_dim: numbers of an output row.
        scalars: how many even scalars pass.
        gates: how many gate.
        by_scalar: factor of the activated scalars.
        by_gate: factor of the gates.
        blocks: what is gated.
        silu: whether gates are SiLU, not sigmoids.
        odd: how many odd scalars pass.
        by_odd: factor of the activated odd scalars.
        odd_last: whether these come after the even scalars in the output.
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
    silu: bool = False
    odd: int = 0
    by_odd: float = 1.0
    odd_last: bool = False
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = self.x_dim, self.out_dim, self.scalars, self.gates
        rest = int(self.silu), self.odd, self.by_odd, int(self.odd_last)
        rows = (*sizes, self.by_scalar, self.by_gate, *rest), *self.blocks
        text = ";".join(" ".join(map(repr, row)) for row in rows)
        object.__setattr__(self, "text", text)

    @property
    def num_biases(self) -> int:
        """How many numbers a bias has, none for odd scalars."""
        return self.scalars + self.gates

    @property
    def num_shifted(self) -> int:
        """How many numbers of a row come before what is gated."""
        return self.odd + self.num_biases

    @property
    def out(self) -> int:
        """Where the even scalars begin in the output."""
        return 0 if self.odd_last else self.odd

    @property
    def odd_out(self) -> int:
        """Where the odd ones do."""
        return self.scalars if self.odd_last else 0

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> GateForm:
        """The form of a text."""
        head, *rows = (row.split() for row in text.split(";"))
        blocks = tuple(GateBlock._make(map(int, row)) for row in rows)
        x_dim, out_dim, scalars, gates = map(int, head[:4])
        sizes = x_dim, out_dim, scalars, gates
        factors = float(head[4]), float(head[5])
        silu, odd, by_odd, last = head[6], int(head[7]), float(head[8]), head[9]
        return GateForm(
            *sizes, *factors, blocks, silu != "0", odd, by_odd, odd_last=last != "0"
        )


def value(x: Tensor, shift: Tensor, form: GateForm) -> Tensor:
    """The gate, of rows whose scalars are shifted."""
    shifted = x[:, : form.num_shifted] + shift
    even = shifted[:, form.odd : form.odd + form.scalars]
    odd = form.by_odd * shifted[:, : form.odd].tanh()
    out = [odd, form.by_scalar * F.silu(even)]
    out = out[::-1] if form.odd_last else out
    act = F.silu if form.silu else torch.sigmoid
    for b in form.blocks:
        gates = form.by_gate * act(shifted[:, b.gate : b.gate + b.mul])
        rows = x[:, b.x : b.x + b.step * (b.rows - 1) + b.mul]
        if b.step > b.mul:
            rows = F.pad(rows, (0, b.step - b.mul))
        vectors = rows.unflatten(1, (b.rows, b.step))  # [row, component, channel]
        vectors = vectors[..., : b.mul]
        out.append((vectors * gates.unsqueeze(1)).flatten(1))
    return torch.cat(out, dim=1)
