"""The two forms of Allegro, as the names of its authors' states tell them apart."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.nn.conv.allegro_conv import AllegroConv
from pyg_equivariant.nn.models.allegro import Allegro

from ._placement import Names, Placement
from ._types_reader import TypesReader, find_form

_CONSTANTS = re.compile(r"(.*\.)?(w3j|_w3j.*|output_mask|_compiled_main.*)")
_Table = dict[str, str | tuple[str, Any]]


class AllegroReader(TypesReader):
    """Base of the readers.

    Args:
        weights: the tensors.
        root: what stands before all names.
        species: atomic numbers, in the order of the types.
        l_max: the reference's.

    Attributes:
        sizes: arguments of our network that the tensors tell.
        columns: how many degrees the harmonics have.
        linear: networks without activations, if the names tell them.
    """

    linear: set[str] | None = None
    sizes: dict[str, Any]

    def __init__(
        self, weights: Placement, root: str, species: Sequence[int], l_max: int
    ) -> None:
        super().__init__(weights, root, species)
        self.columns = l_max + 1
        self.sizes = self._read_sizes()

    @abstractmethod
    def _read_sizes(self) -> dict[str, Any]:
        """What the shapes tell."""

    @abstractmethod
    def check(self, r_max: float, avg_num_neighbors: Any, layers: int | None) -> None:
        """Refuse what contradicts the weights."""

    def constants(self) -> dict[str, Tensor]:
        """Constants of the radial basis, as they were rounded there."""
        return {}

    def _channels(self, weights: int) -> int:
        """How many channels so many weights of harmonics belong to."""
        if weights % self.columns:
            raise ValueError(
                f"got l_max={self.columns - 1}, but the state_dict of "
                f"{self.weights.source} has {weights} weights of harmonics, no "
                f"multiple of {self.columns} degrees"
            )
        return weights // self.columns

    def _placed(self, own: str, names: Sequence[str], **changes: Any) -> _Table:
        """A table of matrices in a row, of which the first and the last may change."""
        table: _Table = {f"{own}.weights.{n}": name for n, name in enumerate(names)}
        for which, place in (("first", 0), ("last", len(names) - 1)):
            if changes.get(which) is not None:
                key = f"{own}.weights.{place}"
                table[key] = names[place], changes[which]
        return table

    def _readout(self, names: Sequence[str]) -> _Table:
        """The readout: hidden layers on edges, the last after their sum."""
        own = {f"readout.weights.{n}": name for n, name in enumerate(names[:-1])}
        return {**own, "head.pre.weights.0": names[-1]}


class CurrentReader(AllegroReader):
    """Version 0.4 and later."""

    first = "allegro.first_layer_env_embed_projection.mlp.0.weight"
    frequencies = "radial_chemical_embed.bessel_encode.bessel_weights"

    def _read_sizes(self) -> dict[str, Any]:
        weights, stem = self.weights, f"{self.root}allegro."
        self.linear = set()
        stem_types = f"{self.root}radial_chemical_embed.type_embed."
        count, half = weights.shape(f"{stem_types}center_embed.weight", 2)
        self._check_species(count)
        embed = f"{self.root}tensor_embed.env_embed_linear.mlp.0.weight"
        channels, numel = weights.shape(embed, 2)
        self.tensors = self._channels(numel)
        self.channels = channels
        self.num_layers = weights.count(f"{stem}tps.")
        self._latents = [
            self._network("latent", f"{stem}latents.{k}.mlp.")
            for k in range(self.num_layers)
        ]
        self._two_body = self._network(
            "two_body", f"{self.root}scalar_embed_mlp.mlp_module.mlp."
        )
        self._ends = self._network(
            "readout", f"{self.root}edge_readout.mlp_module.mlp."
        )
        product = weights.tensors.get(f"{stem}tps.0.weights")
        by_channel = product is None or product.dim() == 2
        if product is not None and self.columns == 1:  # one path has no dimension
            by_channel = product.numel() == self.tensors
        return {
            "hidden_channels": channels,
            "tensor_channels": self.tensors,
            "num_layers": self.num_layers,
            "embedding_channels": 2 * half,
            "channel_weights": by_channel,
            "two_body_channels": self._hidden(self._two_body),
            "latent_channels": self._hidden(self._latents[0]),
            "readout_channels": self._hidden(self._ends),
        }

    def _network(self, own: str, stem: str) -> list[str]:
        """Names of the matrices of a network; they differ where it is linear."""
        count = self.weights.count(f"{stem}weights.")
        if not count:
            return self._numbered(stem)
        assert self.linear is not None
        self.linear.add(own)
        return [f"{stem}weights.{n}" for n in range(count)]

    def check(self, r_max: float, avg_num_neighbors: Any, layers: int | None) -> None:
        """Refuse what contradicts the weights."""
        self._compare_cutoff(f"{self.root}edge_norm._rmax_recip", r_max)
        self.weights.agree(num_layers=(layers, self.num_layers))

    def names(self, model: Allegro) -> Names:
        """What is placed where."""
        stem = f"{self.root}radial_chemical_embed.type_embed."
        kept = partial(_by_degree, self.tensors, 0)
        behind = partial(_by_degree, self.tensors, self.channels)
        embed = f"{self.root}tensor_embed.env_embed_linear.mlp.0.weight"
        table: _Table = {
            "track.center.weight": f"{stem}center_embed.weight",
            "track.neighbor.weight": f"{stem}neighbor_embed.weight",
            "track.radial.weights.0": f"{stem}basis_linear.mlp.0.weight",
            "track.edge_weights.weights.0": (embed, kept),
            "track.project.weights.0": (f"{self.root}{self.first}", behind),
        }
        table |= self._placed("track.two_body", self._two_body)
        for k, (names, conv) in enumerate(zip(self._latents, model.convs, strict=True)):
            last = behind if k + 1 < self.num_layers else None
            table |= self._placed(f"track.latents.{k}", names, last=last)
            product = f"{self.root}allegro.tps.{k}.weights"
            table[f"convs.{k}.weight"] = product, partial(_by_path, conv)
        return table | self._readout(self._ends)


class PublishedReader(AllegroReader):
    """Version 0.2."""

    first = "allegro.final_latent._forward._weight_0"
    published = True
    frequencies = "radial_basis.basis.basis.bessel_weights"

    def _read_sizes(self) -> dict[str, Any]:
        weights, stem = self.weights, f"{self.root}allegro."
        self.num_layers = weights.count(f"{stem}env_embed_mlps.")
        steps = [f"{stem}latents.{k}" for k in range(self.num_layers)]
        self._steps = [self._matrices(s) for s in (*steps, f"{stem}final_latent")]
        self._weights = [
            self._matrices(f"{stem}env_embed_mlps.{k}") for k in range(self.num_layers)
        ]
        self._ends = self._matrices(f"{self.root}edge_eng._module")
        self.channels = weights.shape(self._steps[0][-1], 2)[1]
        later = weights.shape(self._weights[0][-1], 2)[1]
        self.tensors = self._channels(later // 2)
        rows = weights.shape(self._steps[0][0], 2)[0]
        self._check_species((rows - len(self.frequency())) / 2)
        return {
            "hidden_channels": self.channels,
            "tensor_channels": self.tensors,
            "num_layers": self.num_layers,
            "two_body_channels": self._hidden(self._steps[0]),
            "latent_channels": self._hidden(self._steps[1]),
            "weight_channels": self._hidden(self._weights[0]),
            "readout_channels": self._hidden(self._ends),
            "residual": self._residual(),
        }

    def _matrices(self, stem: str) -> list[str]:
        """Names of the matrices of a network, in order."""
        first = f"{stem}._forward._weight_"
        count = self.weights.count(first)
        if not count:
            self.weights.shape(f"{first}0", 2)
        return [f"{first}{n}" for n in range(count)]

    def _residual(self) -> tuple[float, ...]:
        name = f"{self.root}allegro._latent_resnet_update_params"
        if name not in self.weights:
            return (0.5,) * self.num_layers
        return tuple(self._taken(name).double().sigmoid().tolist())

    def check(self, r_max: float, avg_num_neighbors: Any, layers: int | None) -> None:
        """Refuse what contradicts the weights."""
        self.weights.agree(num_layers=(layers, self.num_layers))
        stem = f"{self.root}allegro."
        cutoffs = self._distinct(f"{stem}per_layer_cutoffs")
        self._agree("r_max", r_max, cutoffs)
        factors = self._distinct(f"{stem}env_sum_normalizations")
        given = avg_num_neighbors or 1.0
        if not isinstance(given, (int, float)):
            raise ValueError(
                f"version 0.2 has one avg_num_neighbors for all types, got {given}"
            )
        self._agree("avg_num_neighbors", given, [f**-2 for f in factors])

    def _distinct(self, name: str) -> list[float]:
        """The different numbers of a tensor, if there is one."""
        if name not in self.weights:
            return []
        return self._taken(name).double().unique().tolist()

    def _agree(self, option: str, given: Any, found: list[float]) -> None:
        """Refuse another number than those that were found."""
        for value in found:
            if given != value and not math.isclose(given, value, rel_tol=1e-5):
                self.weights.agree(**{option: (given, float(f"{value:.6g}"))})

    def constants(self) -> dict[str, Tensor]:
        """Mean and deviation of the Bessel functions."""
        stem = f"{self.root}radial_basis.basis."
        found = {
            own: self.weights.take(f"{stem}{name}")
            for own, name in (("mean", "_mean"), ("inverse_std", "_inv_std"))
        }
        return {k: v.double().cpu() for k, v in found.items() if v is not None}

    def names(self, model: Allegro) -> Names:
        """What is placed where."""
        table = self._placed("track.two_body", self._steps[0])
        for k, conv in enumerate(model.convs):
            scalars = partial(_scalars_by_path, self.tensors, self.channels)
            own = f"track.latents.{k}"
            table |= self._placed(own, self._steps[k + 1], first=scalars)
            halves = partial(_halves_by_degree, self.tensors, 1 + (k == 0))
            own = f"track.weights.{k}"
            table |= self._placed(own, self._weights[k], last=halves)
            mix = f"{self.root}allegro.linears.{k}.w"
            table[f"convs.{k}.mix.weight"] = mix, partial(_by_block, conv)
        return table | self._readout(self._ends)


def find_reader(
    weights: Placement, species: Sequence[int], l_max: int
) -> AllegroReader:
    """The reader of the form that the names are of."""
    kinds: tuple[type[AllegroReader], ...] = CurrentReader, PublishedReader
    return find_form(weights, kinds, _CONSTANTS, species, l_max)


def _by_degree(channels: int, kept: int, weight: Tensor) -> Tensor:
    """Columns after so many kept ones, from channel by channel to degree by degree."""
    first, rest = weight[:, :kept], weight[:, kept:]
    rest = rest.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1)
    return torch.cat([first, rest], dim=1)


def _halves_by_degree(channels: int, halves: int, weight: Tensor) -> Tensor:
    """The same for each of several parts."""
    parts = weight.chunk(halves, dim=1)
    return torch.cat([_by_degree(channels, 0, part) for part in parts], dim=1)


def _by_path(conv: AllegroConv, weight: Tensor) -> Tensor:
    """Weights ``(C, paths)`` or ``(paths,)`` as rows of paths."""
    assert conv.weight is not None
    rows, columns = conv.weight.shape
    if weight.numel() != rows * columns:
        return weight
    return weight.reshape(columns, rows).T


def _scalars_by_path(channels: int, kept: int, weight: Tensor) -> Tensor:
    """Rows of invariants, from channel by channel to path by path."""
    return _by_degree(channels, kept, weight.T).T


def _by_block(conv: AllegroConv, weight: Tensor) -> Tensor:
    """Weights ``(out, in, path)`` of every irrep as ``(path, in, out)``."""
    assert conv.mix is not None
    if weight.numel() != conv.mix.weight.numel():
        return weight
    blocks, start, c = [], 0, conv.channels
    for _, ir in conv.irreps_out:
        paths = sum(other == ir for _, other in conv.mix.irreps_in)
        block = weight[start : start + paths * c * c].view(c, c, paths)
        blocks.append(block.permute(2, 1, 0).flatten())
        start += block.numel()
    return torch.cat(blocks)
