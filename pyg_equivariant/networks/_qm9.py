"""How a paper trains its network on QM9, and what errors it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Published(NamedTuple):
    """Test errors on QM9 as a paper prints them.

    Args:
        mae: mean absolute error of each property, in the unit of the papers: meV for
            energies, D, :math:`a_0^3`, :math:`a_0^2` and cal/mol/K.
        split: the split that they were found on.
        source: the paper that prints them.
    """

    mae: Mapping[str, float]
    split: str
    source: str


@dataclass(frozen=True)
class QM9Preset:
    """How a paper trains its network on QM9.

    Args:
        split: name of the split: ``"cormorant"``, ``"dimenet"``, ``"equiformer"``.
        epochs: passes through the training set; schedules stretch with it.
        batch_size: molecules in a step.
        lr: learning rate at the beginning.
        schedule: how the learning rate changes.
        loss: ``"l1"`` or ``"mse"``.
        cutoff: how far edges reach, in angstrom; ``None`` joins all pairs of atoms.
        optimizer: ``"adam"`` or ``"adamw"``.
        weight_decay: as the optimizer takes it.
        ema: decay of the averaged weights, 0 for none.
        clip: largest norm of the gradient, 0 for any.
        pooling: ``"sum"``, ``"mean"``, or ``"by target"``: the sum for what grows with
            the molecule, the mean for what does not.
        moments: whether dipole and spatial extent are built from atomic charges.
        lr_of: properties that have another learning rate.
        network: arguments of the network that differ from its defaults.
        published: errors that the papers report.

    Example:
        >>> from pyg_equivariant.networks import NETWORKS
        >>> preset = NETWORKS["painn"].qm9
        >>> preset.head("U0", extensive=True), preset.head("mu", extensive=False)
        ('sum', 'dipole_magnitude')
        >>> preset.published.mae["U0"]
        5.85
    """

    split: str
    epochs: int
    batch_size: int
    lr: float
    schedule: str
    loss: str
    cutoff: float | None
    optimizer: str = "adam"
    weight_decay: float = 0.0
    ema: float = 0.0
    clip: float = 0.0
    pooling: str = "by target"
    moments: bool = False
    lr_of: Mapping[str, float] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    published: Published | None = None

    def head(self, target: str, extensive: bool) -> str:
        """The head of the network that makes a property.

        Args:
            target: name of the property.
            extensive: whether it grows with the molecule.
        """
        moments = {"mu": "dipole_magnitude", "r2": "spatial_extent"}
        if self.moments and target in moments:
            return moments[target]
        if self.pooling == "by target":
            return "sum" if extensive else "mean"
        return self.pooling
