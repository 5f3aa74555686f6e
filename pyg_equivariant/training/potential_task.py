"""Energies, and the forces and the stress that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_equivariant.nn import ForceField
from pyg_equivariant.nn.models import MolecularModel

from .batches import network_inputs
from .errors import Quantity
from .task import Pairs, Task

ENERGY, FORCES, STRESS = "energy", "forces", "stress"
POTENTIAL = (ENERGY, FORCES, STRESS)  # labels, in eV, eV/A and eV/A^3
_MILLI = 1000.0
_ELEMENTS = 200  # more than there are


class PotentialTask(Task):
    """Train a network on energies, forces and stress, in eV and angstrom.

    ``settings.weights`` says which of them are in the loss, and how much each counts;
    ``settings.per_atom`` divides energies by the number of atoms there. All losses are
    in units of the scale, which is that of the forces. Energies are compared as they
    are above the references, which are subtracted in float64: total energies have more
    digits than float32 holds. For arguments see
    :class:`~pyg_equivariant.training.task.Task`.
    """

    _atomref: Tensor | None = None

    def measured(self) -> tuple[Quantity, ...]:
        weights, scale = self.settings.weights, self.scaling.scale
        energy, forces, stress = (weights.get(name, 0.0) for name in POTENTIAL)
        per_atom = self.settings.per_atom
        of_all = {
            ENERGY: (
                Quantity(ENERGY, "meV", _MILLI, 0.0 if per_atom else energy, scale),
                Quantity(ENERGY, "meV/atom", _MILLI, energy * per_atom, scale),
            ),
            FORCES: (Quantity(FORCES, "meV/A", _MILLI, forces, scale),),
            STRESS: (Quantity(STRESS, "meV/A^3", _MILLI, stress, scale),),
        }
        return tuple(q for name in POTENTIAL if name in weights for q in of_all[name])

    def forward(self, data: Data) -> dict[str, Tensor]:
        """Predict energies above the references, forces and stress, as weighed."""
        weights = self.settings.weights
        given = network_inputs(data, self.network)
        with without_references(self.network):
            if FORCES not in weights and STRESS not in weights:
                return {ENERGY: self.network(**given).squeeze(-1)}
            stressed = STRESS in weights and "cell" in data
            field = ForceField(self._energy, stressed).train(self.training)
            energy, forces, stress = field(**given)
        found = {ENERGY: energy.squeeze(-1), FORCES: forces}
        return found if stress is None else {**found, STRESS: stress}

    def _energy(self, *given: Any, **named: Any) -> Tensor:
        """Of the network; a function, as modules are looked at whenever one is made."""
        energy: Tensor = self.network(*given, **named)
        return energy

    def on_fit_start(self) -> None:
        ForceField(self.network)  # warns of energies that are not smooth or extensive

    def compare(self, batch: Data, predicted: dict[str, Tensor]) -> Pairs:
        pairs: Pairs = {}
        for quantity in self.quantities:
            name = quantity.name
            if name not in batch.labels or name not in predicted:
                continue
            guess, true = predicted[name], batch.labels[name]
            if name == ENERGY:
                true = true - self.references(batch)
            if name == STRESS:  # a molecule among crystals has none
                volume = torch.linalg.det(batch.cell.double()).abs().view(-1, 1, 1)
                true = torch.where(volume > 0, true, torch.nan)
            if quantity.unit.endswith("/atom"):
                sizes = batch.batch.bincount(minlength=len(true))
                guess, true = guess / sizes, true / sizes
            pairs[quantity] = guess, true.to(guess.dtype)
        return pairs

    def references(self, batch: Data) -> Tensor:
        """The sum of the references of each structure, in float64."""
        if self._atomref is None:
            self._atomref = table_of(self.scaling.atomref)
        self._atomref = self._atomref.to(batch.z.device)
        return sum_references(self._atomref, batch.z, batch.batch, len(batch.index))


def table_of(atomref: list[float] | None) -> Tensor:
    """References by atomic number in float64, zeros if there are none."""
    return torch.tensor(atomref or [0.0] * _ELEMENTS, dtype=torch.float64)


def sum_references(
    atomref: Tensor, z: Tensor, batch: Tensor, batch_size: int
) -> Tensor:
    """The sum of the references of each structure."""
    return atomref.new_zeros(batch_size).index_add_(0, batch, atomref[z])


@contextmanager
def without_references(network: MolecularModel) -> Iterator[None]:
    """Predict what is above the references, for which float32 has digits enough."""
    atomref, network.atomref = network.atomref, None
    try:
        yield
    finally:
        network.atomref = atomref
