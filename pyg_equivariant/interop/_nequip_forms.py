"""The two forms of NequIP, as the names of its authors' states tell them apart."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from pyg_equivariant.nn.models.nequip import NequIP

from ._nequip_reader import NequIPReader
from ._placement import Names, Placement
from ._types_reader import find_form

_CONSTANTS = re.compile(r"(.*\.)?(output_mask|_compiled_main.*)")
_HIDDEN = "conv_to_output_hidden.linear.weight"
_SCALAR = "output_hidden_to_scalar.linear.weight"


class CurrentReader(NequIPReader):
    """Version 0.16 and later."""

    first = "type_embed.embed_module.weight"
    frequencies = "bessel_encode.bessel_weights"
    radial_name = "edge_mlp.mlp."

    def _read_sizes(self) -> None:
        count, self.vector = self.weights.shape(f"{self.root}{self.first}", 2)
        self._check_species(count)
        self._readout = self._numbered(
            f"{self.root}per_atom_energy_readout.mlp_module.mlp."
        )
        self.scalars = self.weights.shape(self._readout[0], 2)[0]

    def check_cutoff(self, r_max: float) -> None:
        """Refuse another cutoff than that of the weights, if they tell it."""
        self._compare_cutoff(f"{self.root}edge_norm._rmax_recip", r_max)

    def readout_channels(self) -> tuple[int, ...]:
        """Hidden widths of the readout."""
        return self._hidden(self._readout)

    def names(self, model: NequIP) -> Names:
        """What is placed where."""
        readout = {
            f"head.pre.weights.{n}": name for n, name in enumerate(self._readout)
        }
        first = {"embedding.weight": f"{self.root}{self.first}"}
        return {**super().names(model), **readout, **first}


class PublishedReader(NequIPReader):
    """Versions 0.5 and 0.6."""

    first = "chemical_embedding.linear.weight"
    frequencies = "radial_basis.basis.bessel_weights"
    published = True
    radial_name = "fc.layer"

    def _read_sizes(self) -> None:
        (numel,) = self.weights.shape(f"{self.root}{self.first}", 1)
        (last,) = self.weights.shape(f"{self.root}{_SCALAR}", 1)
        (hidden,) = self.weights.shape(f"{self.root}{_HIDDEN}", 1)
        self.hidden = last
        self.scalars = hidden // last
        self._check_species(numel / self.scalars)

    def readout_channels(self) -> tuple[int, ...]:
        """Hidden widths of the readout."""
        return (self.hidden,)

    def names(self, model: NequIP) -> Names:
        """What is placed where."""
        shape, count = (len(self.species), self.scalars), len(self.species)
        own: dict[str, Any] = {
            "embedding.weight": (
                f"{self.root}{self.first}",
                lambda weight: weight.view(shape) / math.sqrt(count),
            )
        }
        for n, name in enumerate((_HIDDEN, _SCALAR)):
            like = model.get_parameter(f"head.pre.weights.{n}")
            change = partial(_reshaped, tuple(like.shape))
            own[f"head.pre.weights.{n}"] = f"{self.root}{name}", change
        return {**super().names(model), **own}


def find_reader(weights: Placement, species: Sequence[int]) -> NequIPReader:
    """The reader of the form that the names are of."""
    kinds: tuple[type[NequIPReader], ...] = CurrentReader, PublishedReader
    return find_form(weights, kinds, _CONSTANTS, species)


def _reshaped(shape: tuple[int, ...], weight: Tensor) -> Tensor:
    return weight.view(shape) if weight.numel() == math.prod(shape) else weight
