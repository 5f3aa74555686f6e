"""What is known of a network of particles besides its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch.nn import Module

from pyg_equivariant.nn.particles import ParticleModel

from ._network import Arguments, Paper


@dataclass(frozen=True)
class ParticlePreset:
    """How a paper trains a network on charged particles.

    Adam with a constant rate on squared errors, tested at the best of the validations,
    which take place every five epochs: all papers do so.

    Args:
        lr: learning rate.
        epochs: how many.
        batch_size: of systems.
        weight_decay: of Adam.
    """

    lr: float
    epochs: int = 10_000
    batch_size: int = 100
    weight_decay: float = 1e-12


@dataclass(frozen=True)
class ParticleNetwork:
    """A row of the table of charged particles.

    Args:
        name: on command lines.
        title: in the papers' table.
        layer: class of the layer, none of a baseline without layers.
        model: class of the network.
        summary: what it is, in the words of the table of layers.
        paper: title and link.
        small: arguments of a small network, for tests.
        arguments: those of the published network.
        parameters: how many that one has.
        published: its mean squared error, and where that was read.
        preset: how it is trained there.
        group: under which it is equivariant, besides permutations: ``"O(3)"``,
            ``"SO(3)"`` where reflections change what it predicts, both with
            translations, or ``None``.
        layers: small layers, as in :class:`Network`, of a layer that no network of
            molecules is made of.

    Example:
        >>> from pyg_equivariant.networks import PARTICLE_NETWORKS
        >>> row = PARTICLE_NETWORKS["egnn"]
        >>> row.published, sum(p.numel() for p in row.build().parameters())
        ((0.007, 'the SEGNN paper'), 134020)
    """

    name: str
    title: str
    layer: type[Module] | None
    model: type[ParticleModel]
    summary: str
    paper: Paper
    small: Arguments
    arguments: Arguments
    parameters: int
    published: tuple[float, str]
    preset: ParticlePreset
    group: Literal["O(3)", "SO(3)"] | None = "O(3)"
    layers: Mapping[str, Callable[[int, float], Module]] = field(default_factory=dict)

    def build(self, **arguments: Any) -> ParticleModel:
        """The published network; ``arguments`` replace those of the paper."""
        return self.model(**{**self.arguments, **arguments})

    def build_small(self, **arguments: Any) -> ParticleModel:
        """A small network; ``arguments`` are added to those of ``small``."""
        return self.model(**{**self.small, **arguments})
