"""The invariant features of edges in Allegro: of today, and as published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Identity, ModuleList
from torch_geometric.nn.inits import reset

from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import SecondMomentActivation
from ..conv.nequip_conv import ROOT_TWO_SILU
from ..edge_embedding import Edges
from ..mlp import RadialMLP
from ..module import EquivariantModule
from ..radial import BesselBasis
from ._admitted import AdmittedFeatures
from ._embedding import node_embedding, one_hot_inputs
from ._species import SpeciesFeatures

LINEAR = SecondMomentActivation(Identity(), 1.0)
_SAMPLES = 4000  # of the lengths over which functions are normalized


class NormalizedBesselBasis(EquivariantModule):
    r"""Bessel functions of mean 0 and variance 1 over the lengths up to the cutoff.

    The constants are those of the frequencies :math:`n \pi`, whatever becomes of them.

    Args:
        num_radial: number of functions.
        cutoff: the radius.
        trainable: make the frequencies parameters.

    Example:
        >>> basis = NormalizedBesselBasis(4, 5.0)
        >>> values = basis(torch.linspace(0.005, 5.0, 1000))
        >>> values.mean(dim=0).abs().max() < 0.01
        tensor(True)
    """

    mean: Tensor
    inverse_std: Tensor

    def __init__(self, num_radial: int, cutoff: float, trainable: bool = False) -> None:
        super().__init__()
        self.bessel = BesselBasis(num_radial, cutoff, "nequip", trainable)
        k = torch.arange(1, _SAMPLES + 1, dtype=torch.float64, device="cpu")
        n = torch.arange(1, num_radial + 1, dtype=torch.float64, device="cpu")
        length = (k / _SAMPLES).unsqueeze(-1)
        values = torch.sin(math.pi * n * length) / length * (2 / cutoff**2)
        self.register_constant("mean", values.mean(dim=0))
        self.register_constant("inverse_std", 1 / values.std(dim=0))

    def reset_parameters(self) -> None:
        """Bring trained frequencies back to where they started."""
        self.bessel.reset_parameters()

    def forward(self, edge_length: Tensor) -> Tensor:
        """The functions at every length."""
        values: Tensor = self.bessel(edge_length)
        return (values - self.mean) * self.inverse_std


class TrackSize(NamedTuple):
    """What both forms are made of."""

    channels: int
    """how many features an edge has"""
    num_weights: int
    """how many weights an environment takes"""
    num_scalars: tuple[int, ...]
    """how many invariants arise in each layer"""
    edge_dim: int
    """number of radial features"""
    species: tuple[int, ...] | None
    """those that occur, ``None`` where features stand in their place"""
    hidden: tuple[Sequence[int], Sequence[int], Sequence[int]]
    """hidden widths of the first network, of the others, of those that make weights"""
    linear: tuple[bool, ...]
    """whether these have no activation"""
    irreps: tuple[IrrepsLike | None, IrrepsLike | None]
    """of features in place of atomic numbers, and of those beside them"""


class LatentTrack(EquivariantModule):
    r"""Invariant features of edges, and the weights that they make.

    .. math::
        \mathbf{s}_{ij} = \text{MLP}\big((\mathbf{c}_{s_i} \oplus \mathbf{n}_{s_j})
        \odot \mathbf{W} \mathbf{e}_{ij}\big), \qquad
        \mathbf{h}^{(k+1)}_{ij} \oplus \mathbf{w}^{(k+1)}_{ij} = \text{MLP}_k\big(
        \mathbf{h}^{(0)}_{ij} \oplus \dots \oplus \mathbf{h}^{(k)}_{ij} \oplus
        \mathbf{v}^{(k)}_{ij}\big)

    Args:
        size: what it is made of.
        embedding_channels: length of the vectors of both ends together.
    """

    def __init__(self, size: TrackSize, embedding_channels: int) -> None:
        super().__init__()
        if embedding_channels % 2:
            raise ValueError(
                "half of embedding_channels is for the center of an edge, half for its "
                f"neighbor, got {embedding_channels}"
            )
        channels, num_weights = size.channels, size.num_weights
        self.channels = channels
        half = Irreps([(embedding_channels // 2, "0e")])
        first, latent = (LINEAR if each else ROOT_TWO_SILU for each in size.linear[:2])
        # c, n: species of the center and of the neighbor
        count = len(size.species or ())
        self.center = node_embedding(count, half, *size.irreps)
        self.neighbor = node_embedding(count, half, *size.irreps)
        self.radial = RadialMLP([size.edge_dim, embedding_channels])
        widths = [embedding_channels, *size.hidden[0], channels]
        self.two_body = RadialMLP(widths, first)
        # what weights the harmonics of the edge itself, then those of its environment
        self.edge_weights = RadialMLP([channels, num_weights])
        self.project = RadialMLP([channels, channels + num_weights])
        last = len(size.num_scalars) - 1
        self.latents = ModuleList(
            RadialMLP(
                [
                    *(channels * (k + 1) + count, *size.hidden[1]),
                    channels + (num_weights if k < last else 0),
                ],
                latent,
            )
            for k, count in enumerate(size.num_scalars)
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.children():
            reset(module)

    def begin(
        self, species: Tensor, x: Tensor | None, edges: Edges
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Features of every edge, its weights and those of the first environment."""
        source, target = edges.edge_index.long()
        ends = [
            embed(species, x, edges.pos).index_select(0, end)
            for embed, end in ((self.center, target), (self.neighbor, source))
        ]
        radial = edges.spread(self.radial(edges.edge_attr))
        s = self.two_body(torch.cat(ends, dim=-1).to(radial.dtype) * radial)
        h, weights = _parted(self.project(s), self.channels)
        return [h], self.edge_weights(s), weights

    def go_on(
        self, k: int, track: list[Tensor], scalars: Tensor, edges: Edges
    ) -> Tensor:
        """Add features after layer ``k`` and return the weights of the next."""
        out = self.latents[k](torch.cat([*track, scalars], dim=-1))
        h, weights = _parted(out, self.channels)
        track.append(h)
        return weights


class PublishedTrack(EquivariantModule):
    r"""The same as in the paper: one vector, updated under the envelope.

    .. math::
        \mathbf{h}^{(0)}_{ij} = f(r_{ij})\, \text{MLP}(\mathbf{1}_{s_i} \oplus
        \mathbf{1}_{s_j} \oplus \mathbf{e}_{ij}), \qquad
        \mathbf{h}^{(k+1)}_{ij} = \frac{\mathbf{h}^{(k)}_{ij} + \alpha_k f(r_{ij})\,
        \text{MLP}_k(\mathbf{h}^{(k)}_{ij} \oplus \mathbf{v}^{(k)}_{ij})}
        {\sqrt{1 + \alpha_k^2}}

    Args:
        size: what it is made of.
        e3nn_constants: whether activations have e3nn's constants.
        residual: the :math:`\alpha_k`, ``None`` for updates that replace.
    """

    def __init__(
        self,
        size: TrackSize,
        e3nn_constants: bool,
        residual: Sequence[float] | None,
    ) -> None:
        super().__init__()
        self.residual = residual
        instead, beside = size.irreps
        given, name = (beside, "x") if instead is None else (instead, "z")
        self.admitted = AdmittedFeatures(given, "0e", name)
        self.species = None if size.species is None else SpeciesFeatures(size.species)
        one_hot, channels = len(size.species or ()), size.channels
        inputs = 2 * (one_hot + self.admitted.irreps_out.dim) + size.edge_dim
        act = published_act(e3nn_constants)
        acts = [LINEAR if each else act for each in size.linear]
        self.two_body = RadialMLP([inputs, *size.hidden[0], channels], acts[0])
        self.latents = ModuleList(
            RadialMLP([channels + count, *size.hidden[1], channels], acts[1])
            for count in size.num_scalars
        )
        self.weights = ModuleList(
            RadialMLP(
                [channels, *size.hidden[2], (1 + (k == 0)) * size.num_weights], acts[2]
            )
            for k in range(len(size.num_scalars))
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.children():
            reset(module)

    def begin(
        self, z: Tensor, x: Tensor | None, edges: Edges
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Features of every edge, its weights and those of the first environment."""
        nodes = one_hot_inputs(self.species, self.admitted, z, x, edges.pos)
        source, target = edges.edge_index.long()
        radial = edges.spread(edges.edge_attr)
        ends = [nodes.index_select(0, end).to(radial.dtype) for end in (target, source)]
        h = self.two_body(torch.cat([*ends, radial], dim=-1)) * _envelope(edges)
        weights = self.weights[0](h)
        return [h], *_parted(weights, weights.shape[-1] // 2)

    def go_on(
        self, k: int, track: list[Tensor], scalars: Tensor, edges: Edges
    ) -> Tensor:
        """Update the features after layer ``k`` and return the weights of the next."""
        (h,) = track
        new = self.latents[k](torch.cat([h, scalars], dim=-1)) * _envelope(edges)
        if self.residual is not None:
            alpha = self.residual[k]
            new = (h + alpha * new) / math.sqrt(1 + alpha**2)
        track[0] = new
        if k + 1 == len(self.latents):
            return new[:, :0]
        weights: Tensor = self.weights[k + 1](new)
        return weights


def published_act(e3nn_constants: bool) -> SecondMomentActivation:
    """The activation of the published networks."""
    return SecondMomentActivation("silu", "e3nn" if e3nn_constants else None)


def _envelope(edges: Edges) -> Tensor:
    assert edges.edge_weight is not None
    return edges.spread(edges.edge_weight).unsqueeze(-1)


def _parted(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The first columns, and the others."""
    first, second = x.split([size, x.shape[-1] - size], dim=-1)
    return first, second
