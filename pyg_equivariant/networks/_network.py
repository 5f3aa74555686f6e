"""What is known of a network besides its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from torch.nn import Module

from pyg_equivariant.nn.models import MolecularModel

from ._potential import PotentialPreset
from ._qm9 import QM9Preset

Arguments = Mapping[str, Any]


class Paper(NamedTuple):
    """Where a network comes from."""

    title: str
    link: str


class Size(NamedTuple):
    """A published number of parameters, and the arguments that give it."""

    arguments: Arguments
    parameters: int
    source: str


@dataclass(frozen=True)
class Network:
    """A layer, the network made of it, and what tests, training and docs need to know.

    Args:
        name: on command lines.
        layer: class of the layer.
        model: class of the network.
        summary: what it is, in the words of the table of layers.
        paper: title and link.
        small: arguments of a small network, for tests and smoke runs.
        layers: small layers, built for so many radial features within a cutoff. Every
            network has ``"small"``, which a compiler is soon done with, unless its
            layer is one of PyG's.
        degrees: arguments that are degrees, and the range of each that is quick to
            test.
        smooth: arguments that make energies smooth at the cutoff.
        extensive: arguments that make energies of parts far apart add up, and the
            energy of an atom depend on its neighborhood alone.
        variants: other configurations that tests go through.
        of_species: arguments that ask for atomic numbers, whatever the variant.
        sizes: published numbers of parameters, by configuration.
        from_training_set: arguments that only a training set tells, such as
            ``avg_num_neighbors``.
        qm9: how the paper trains it on QM9.
        potential: how to train it on energies, forces and stress.
        group: under which it is equivariant, besides translations and permutations:
            ``"O(3)"``, ``"SO(3)"`` where reflections change what it predicts, or
            ``"T(3)"`` where rotations do, too, so that there is nothing besides.

    Example:
        >>> import torch
        >>> from pyg_equivariant.networks import NETWORKS
        >>> network = NETWORKS["segnn"]
        >>> network.build_small(**network.smooth, cutoff=2.0)
        SEGNN(5x0e+5x1o, irreps_sh=1x0e+1x1o+1x2e, num_layers=2, cutoff=2.0)
        >>> network.layers["small"](5, 2.0).irreps_out
        4x0e+2x1o
    """

    name: str
    layer: type[Module]
    model: type[MolecularModel]
    summary: str
    paper: Paper
    small: Arguments
    layers: Mapping[str, Callable[[int, float], Module]]
    degrees: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    smooth: Arguments = field(default_factory=dict)
    extensive: Arguments = field(default_factory=lambda: {"head": "extensive"})
    variants: Mapping[str, Arguments] = field(default_factory=dict)
    of_species: tuple[str, ...] = ()
    sizes: Mapping[str, Size] = field(default_factory=dict)
    from_training_set: tuple[str, ...] = ()
    qm9: QM9Preset | None = None
    potential: PotentialPreset = field(default_factory=PotentialPreset)
    group: Literal["O(3)", "SO(3)", "T(3)"] = "O(3)"

    def build_small(self, **arguments: Any) -> MolecularModel:
        """A small network; ``arguments`` are added to those of ``small``."""
        return self.model(**{**self.small, **arguments})
