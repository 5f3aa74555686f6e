"""What the state of a NequIP of its authors says of it, in both forms."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.conv.nequip_conv import NequIPConv
from pyg_equivariant.nn.models.nequip import NequIP
from pyg_equivariant.nn.species_linear import SpeciesLinear

from ._placement import Names, Placement

_CONSTANTS = re.compile(r"(.*\.)?(output_mask|_compiled_main.*)")


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


class NequIPReader:
    """Base of the readers.

    Args:
        weights: the tensors.
        root: what stands before all names.
        species: atomic numbers, in the order of the types.

    Attributes:
        published: whether the form is that of the paper.
        scalars: how many of each parity an atom has.
        vector: length of the vector of a species.
        num_layers: how many convolutions there are.
        like: a tensor of the dtype and on the device of the weights.
    """

    first = ""
    published = False
    scalars: int
    vector: int | None = None
    radial_name = ""

    def __init__(self, weights: Placement, root: str, species: Sequence[int]) -> None:
        self.weights = weights
        self.root = root
        self.species = list(species)
        self.like = weights.tensors[f"{root}{self.first}"]
        self.num_layers = 0
        while f"{self._layer(self.num_layers)}linear_1.weight" in weights:
            self.num_layers += 1
        self._read_sizes()

    def _read_sizes(self) -> None:
        raise NotImplementedError

    def check_cutoff(self, r_max: float) -> None:
        """Refuse another cutoff than that of the weights, if they tell it."""

    def frequency(self) -> Tensor:
        """The frequencies of the Bessel functions, times the cutoff."""
        raise NotImplementedError

    def units(self) -> tuple[Tensor | None, Tensor | None]:
        """One scale and one reference for each atomic number, if there are any."""
        raise NotImplementedError

    def names(self, model: NequIP) -> Names:
        """What is placed where."""
        names: dict[str, str | tuple[str, Any]] = {}
        for k, conv in enumerate(model.convs):
            assert isinstance(conv, NequIPConv)
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
        names = self._radial(0)
        return tuple(self.weights.shape(name, 2)[1] for name in names[:-1])

    def readout_channels(self) -> tuple[int, ...]:
        """Hidden widths of the readout."""
        raise NotImplementedError

    def _layer(self, k: int) -> str:
        return f"{self.root}layer{k}_convnet.conv."

    def _radial(self, k: int) -> list[str]:
        """Names of the matrices of a radial network, in order."""
        return self._numbered(f"{self._layer(k)}{self.radial_name}")

    def _numbered(self, stem: str) -> list[str]:
        """All ``stem{n}.weight``, by number."""
        pattern = re.compile(re.escape(stem) + r"(\d+)\.weight")
        found = {}
        for name in self.weights.tensors:
            if match := pattern.fullmatch(name):
                found[int(match[1])] = name
        if not found:
            self.weights.shape(f"{stem}0.weight", 2)
        return [found[n] for n in sorted(found)]

    def _table(self, name: str) -> Tensor | None:
        """What there is for each type, by atomic number."""
        if name not in self.weights:
            return None
        values = self.weights.take(name)
        assert values is not None
        values = values.double().flatten()
        if len(values) not in (1, len(self.species)):
            raise ValueError(
                f"{name} holds numbers of {len(values)} types, got "
                f"{len(self.species)} species {self.species}"
            )
        table = values.new_zeros(max(self.species) + 1)
        table[self.species] = values
        return table

    def _check_species(self, count: float) -> None:
        if count != len(self.species):
            raise ValueError(
                f"the state_dict of {self.weights.source} knows {count:g} types, got "
                f"{len(self.species)} species {self.species}; give the atomic numbers "
                "of its type_names, in their order"
            )


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
        name = f"{self.root}edge_norm._rmax_recip"
        if name in self.weights:
            reciprocal = self.weights.take(name)
            found = 1 / float(reciprocal) if reciprocal is not None else r_max
            is_same = math.isclose(found, r_max, rel_tol=1e-6)
            self.weights.agree(
                r_max=(r_max, r_max if is_same else float(f"{found:.6g}"))
            )

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
        tables = [self._table(f"{stem}{name}") for name in ("scales", "shifts")]
        for name in self.weights.tensors:
            if name.rpartition(".")[2] == "scale_by":
                factor = self.weights.take(name)
                assert factor is not None
                ones = torch.ones(max(self.species) + 1, dtype=torch.float64)
                scale, shift = tables
                scale = (ones if scale is None else scale) * factor.double()
                tables = [scale, None if shift is None else shift * factor.double()]
        return tables[0], tables[1]

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


_HIDDEN = "conv_to_output_hidden.linear.weight"
_SCALAR = "output_hidden_to_scalar.linear.weight"


def _reshaped(shape: tuple[int, ...], weight: Tensor) -> Tensor:
    return weight.view(shape) if weight.numel() == math.prod(shape) else weight


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
