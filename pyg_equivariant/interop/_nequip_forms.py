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

_CONSTANTS = re.compile(r"(.*\.)?(output_mask|_compiled_main.*)")
_HIDDEN = "conv_to_output_hidden.linear.weight"
_SCALAR = "output_hidden_to_scalar.linear.weight"


def find_reader(weights: Placement, species: Sequence[int]) -> NequIPReader:
    """The reader of the form that the names are of.

    Raises:
        ValueError: if they are of neither.
    """
    empty = (name for name, value in weights.tensors.items() if not value.numel())
    weights.ignore([*filter(_CONSTANTS.fullmatch, weights.tensors), *empty])
    for kind in (CurrentReader, PublishedReader):
        for name in weights.tensors:
            if name.endswith(kind.first):
                return kind(weights, name.removesuffix(kind.first), species)
    weights.shape(CurrentReader.first, 2)  # which is missing, and is said to be
    raise AssertionError


class CurrentReader(NequIPReader):
    """Version 0.16 and later."""

    first = "type_embed.embed_module.weight"
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

    def frequency(self) -> Tensor:
        """Those of the buffer are multiples of pi, without it."""
        name = f"{self.root}bessel_encode.bessel_weights"
        self.weights.shape(name, 2)
        found = self.weights.take(name)
        assert found is not None
        return found.flatten() * math.pi

    def units(self) -> tuple[Tensor | None, Tensor | None]:
        """Scales and shifts of the types."""
        stem = f"{self.root}per_type_energy_scale_shift."
        return self._table(f"{stem}scales"), self._table(f"{stem}shifts")

    def readout_channels(self) -> tuple[int, ...]:
        """Hidden widths of the readout."""
        return tuple(self.weights.shape(name, 2)[1] for name in self._readout[:-1])

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
    published = True
    radial_name = "fc.layer"

    def _read_sizes(self) -> None:
        (numel,) = self.weights.shape(f"{self.root}{self.first}", 1)
        (last,) = self.weights.shape(f"{self.root}{_SCALAR}", 1)
        (hidden,) = self.weights.shape(f"{self.root}{_HIDDEN}", 1)
        self.hidden = last
        self.scalars = hidden // last
        self._check_species(numel / self.scalars)

    def frequency(self) -> Tensor:
        """As it is here."""
        name = f"{self.root}radial_basis.basis.bessel_weights"
        self.weights.shape(name, 1)
        found = self.weights.take(name)
        assert found is not None
        return found

    def units(self) -> tuple[Tensor | None, Tensor | None]:
        """Scales and shifts of the species, both times one scale of all."""
        stem = f"{self.root}per_species_rescale."
        return self._scaled(self._table(f"{stem}scales"), self._table(f"{stem}shifts"))

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


def _reshaped(shape: tuple[int, ...], weight: Tensor) -> Tensor:
    return weight.view(shape) if weight.numel() == math.prod(shape) else weight
