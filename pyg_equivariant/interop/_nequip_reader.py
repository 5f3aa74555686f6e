"""What the state of a NequIP of its authors says of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.models.nequip import NequIP
from pyg_equivariant.nn.species_linear import SpeciesLinear

from ._placement import Names, Placement
from ._types_reader import TypesReader


class NequIPReader(TypesReader):
    """Base of the readers.

    Args:
        weights: the tensors.
        root: what stands before all names.
        species: atomic numbers, in the order of the types.

    Attributes:
        scalars: how many of each parity an atom has.
        vector: length of the vector of a species.
        num_layers: how many convolutions there are.
    """

    scalars: int
    vector: int | None = None
    radial_name = ""

    def __init__(self, weights: Placement, root: str, species: Sequence[int]) -> None:
        super().__init__(weights, root, species)
        self.num_layers = 0
        while f"{self._layer(self.num_layers)}linear_1.weight" in weights:
            self.num_layers += 1
        self._read_sizes()

    @abstractmethod
    def _read_sizes(self) -> None:
        """What the shapes tell."""

    def check_cutoff(self, r_max: float) -> None:
        """Refuse another cutoff than that of the weights, if they tell it."""

    def names(self, model: NequIP) -> Names:
        """What is placed where."""
        names: dict[str, str | tuple[str, Any]] = {}
        for k, conv in enumerate(model.convs):
            own, theirs = f"convs.{k}.", self._layer(k)
            names[f"{own}mix_in.weight"] = f"{theirs}linear_1.weight"
            names[f"{own}mix_out.weight"] = f"{theirs}linear_2.weight"
            for n, name in enumerate(self._radial(k)):
                names[f"{own}radial.weights.{n}"] = name
            if conv.self_connection is not None:
                change = partial(_by_attribute, conv.self_connection)
                names[f"{own}self_connection.weight"] = f"{theirs}sc.weight", change
        return names

    def radial_channels(self) -> tuple[int, ...]:
        """Hidden widths of the radial network."""
        return self._hidden(self._radial(0))

    @abstractmethod
    def readout_channels(self) -> tuple[int, ...]:
        """Hidden widths of the readout."""

    def _layer(self, k: int) -> str:
        return f"{self.root}layer{k}_convnet.conv."

    def _radial(self, k: int) -> list[str]:
        """Names of the matrices of a radial network, in order."""
        return self._numbered(f"{self._layer(k)}{self.radial_name}")


def _by_attribute(linear: SpeciesLinear, weight: Tensor) -> Tensor:
    """Weights ``(A, numel)`` of e3nn's product with attributes, block by block."""
    if weight.numel() != linear.weight.numel():
        return weight
    rows, start = [], 0
    for u, w in linear.weight_shapes:
        block = weight[start : start + u * linear.num_attr * w]
        rows.append(block.view(u, linear.num_attr, w).transpose(0, 1).flatten(1))
        start += block.numel()
    return torch.cat(rows, dim=1)
