"""Several networks as one potential, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from pyg_equivariant.nn.models import ForceField, MolecularModel, load_model

from .frozen import FrozenNetwork
from .potential import Potential, Prediction

Model: TypeAlias = MolecularModel | ForceField | Potential | str | PathLike[str]
Models: TypeAlias = Model | Sequence[Model]


class Ensemble:
    """The mean of the predictions of potentials, and their spread.

    Args:
        potentials: one or more, on one device.

    Raises:
        ValueError: if there are none, or they are on several devices.

    Example:
        >>> from pyg_equivariant.nn.models import SchNet
        >>> size = {"hidden_channels": 8, "num_filters": 8, "num_layers": 1}
        >>> ensemble = Ensemble([Potential(SchNet(**size)) for _ in range(3)])
        >>> z, edge_index = torch.tensor([8, 1]), torch.tensor([[0, 1], [1, 0]])
        >>> edge_vec = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).double()
        >>> mean, spread = ensemble(z, edge_index, edge_vec)
        >>> spread.forces.shape
        torch.Size([2, 3])
    """

    def __init__(self, potentials: Sequence[Potential]) -> None:
        devices = {potential.device for potential in potentials}
        if len(devices) != 1:
            raise ValueError(
                "expected one potential or more, all on one device, got "
                f"{len(potentials)} on {sorted(map(str, devices))}"
            )
        self.potentials = list(potentials)
        self.device = self.potentials[0].device

    @property
    def cutoff(self) -> float | None:
        """The largest cutoff, in angstrom; ``None`` if one has none."""
        return largest_cutoff(self.potentials)

    @property
    def has_atomic_energies(self) -> bool:
        """Whether all predict sums over atoms."""
        return all(potential.has_atomic_energies for potential in self.potentials)

    def __len__(self) -> int:
        return len(self.potentials)

    def __call__(
        self, z: Tensor, *edges: Any, **others: Any
    ) -> tuple[Prediction, Prediction | None]:
        """Mean, and sample standard deviation where there are two or more.

        Args:
            z: atomic numbers.
            edges: what else :class:`Potential` takes.
            others: likewise, by name.
        """
        each = [potential(z, *edges, **others) for potential in self.potentials]
        if len(each) == 1:
            return each[0], None
        columns = [_stack(column) for column in zip(*each, strict=True)]
        mean: list[Any] = [None if x is None else x.mean(0) for x in columns]
        spread: list[Any] = [None if x is None else x.std(0) for x in columns]
        return Prediction(*mean), Prediction(*spread)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.potentials})"


def _stack(column: Sequence[Tensor | None]) -> Tensor | None:
    known = [x for x in column if x is not None]
    return torch.stack(known) if len(known) == len(column) else None


def largest_cutoff(members: Sequence[FrozenNetwork]) -> float | None:
    """The largest cutoff, in angstrom; ``None`` if one has none."""
    known = [member.cutoff for member in members if member.cutoff is not None]
    return max(known) if len(known) == len(members) else None


def as_ensemble(
    models: Models,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    unit: str | None = None,
    length_unit: str | None = None,
) -> Ensemble:
    """The ensemble of a network or of several, or of the files that hold them.

    Args:
        models: a network, a :class:`~pyg_equivariant.nn.ForceField`, the path of a
            model file or of a checkpoint of a training run, or a sequence of such.
        device: as in :class:`Potential`.
        dtype: likewise.
        unit: likewise.
        length_unit: likewise.

    Raises:
        TypeError: if they are something else.
        ValueError: if there are none, or one predicts no energy.
    """
    given = device, dtype, unit, length_unit
    return Ensemble(
        [
            model if isinstance(model, Potential) else Potential(model, *given)
            for model in opened(models)
        ]
    )


def opened(models: Models) -> list[MolecularModel | ForceField | Potential]:
    """The networks that came, alone or in a sequence, those of files among them."""
    alone = isinstance(models, (str, PathLike)) or not isinstance(models, Sequence)
    each: Sequence[Model] = [models] if alone else models  # type: ignore[list-item, assignment]
    return [
        load_model(Path(model)) if isinstance(model, (str, PathLike)) else model
        for model in each
    ]
