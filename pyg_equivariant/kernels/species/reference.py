"""Linear maps by species in plain torch: their specification."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class SpeciesBlock(NamedTuple):
    """One matrix, which all components of a block of features meet.

    Attributes:
        x: where the block begins in the input.
        y: where the result is added to the output.
        weight: where the matrix begins among the weights of a species.
        dim: how many components there are.
        rows: channels of the input.
        columns: channels of the output.
    """

    x: int
    y: int
    weight: int
    dim: int
    rows: int
    columns: int


@dataclass(frozen=True)
class SpeciesForm:
    """The matrices of a linear map, the same for every species.

    Attributes:
        x_dim: numbers of an input row.
        y_dim: numbers of an output row.
        weight_numel: weights of a species.
        blocks: what is mixed.
        text: the form in one line: what a saved graph holds.

    Example:
        >>> form = SpeciesForm(6, 3, 2, (SpeciesBlock(0, 0, 0, 3, 2, 1),))
        >>> SpeciesForm.parse(form.text) == form
        True
    """

    x_dim: int
    y_dim: int
    weight_numel: int
    blocks: tuple[SpeciesBlock, ...]
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = (self.x_dim, self.y_dim, self.weight_numel), *self.blocks
        text = ";".join(" ".join(map(str, row)) for row in rows)
        object.__setattr__(self, "text", text)

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> SpeciesForm:
        """The form of a text."""
        head, *rows = (tuple(map(int, row.split())) for row in text.split(";"))
        x_dim, y_dim, numel = head
        blocks = tuple(SpeciesBlock._make(row) for row in rows)
        return SpeciesForm(x_dim, y_dim, numel, blocks)


def species_product(
    x: Tensor, weight: Tensor, species: Tensor, form: SpeciesForm
) -> Tensor:
    """Every row of ``x`` times the matrices of its species."""
    gathered = weight[species]  # [num_rows, weight_numel]
    y = x.new_zeros(x.shape[0], form.y_dim)
    for b in form.blocks:
        block = x[:, b.x : b.x + b.dim * b.rows].unflatten(1, (b.dim, b.rows))
        matrix = gathered[:, b.weight : b.weight + b.rows * b.columns]
        mixed = torch.bmm(block, matrix.unflatten(1, (b.rows, b.columns))).flatten(1)
        y = y + F.pad(mixed, (b.y, form.y_dim - b.y - mixed.shape[1]))
    return y
