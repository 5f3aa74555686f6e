"""Networks as a calculator of ASE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

try:
    from ase import Atoms
    from ase.calculators import calculator
    from ase.stress import full_3x3_to_voigt_6_stress
except ImportError as error:
    raise ImportError(
        "pyg_equivariant.simulation.ase needs ASE: pip install ase"
    ) from error

from .dipole import Dipole, has_dipole
from .ensemble import Ensemble, Models, as_ensemble, largest_cutoff, opened
from .neighbors import NeighborList
from .potential import Prediction


class Calculator(calculator.Calculator):
    """Energy, forces, stress and more of ``atoms``, from a network or several.

    Everything is in ASE's units: eV, angstrom, stress in eV/angstrom^3 as xx, yy, zz,
    yz, xz, xy and positive where the cell is stretched. One evaluation gives ``energy``
    (and ``free_energy``, the same), ``forces``, ``stress`` where there is a cell with a
    volume, and ``energies`` of atoms where the network's head is extensive.

    Several networks are an ensemble: results are means, and ``calc.results`` also has
    ``energy_std``, ``forces_std`` ``(|V|, 3)``, ``stress_std`` and ``energies_std``,
    sample standard deviations over the networks. They say where the networks have
    learned nothing; they are no error bars.

    A network with a dipole head, alone or beside those of energies, gives ``dipole`` in
    e angstrom, of systems without periods.

    Args:
        models: a network of :mod:`pyg_equivariant.nn`, a
            :class:`~pyg_equivariant.nn.ForceField`, the path of a model file or of a
            checkpoint of a training run; or a list of such.
        device: where to compute (default: where the networks are).
        dtype: what the networks compute in (default: as they are, see
            :class:`~pyg_equivariant.simulation.Potential`). ``torch.float64`` serves
            relaxations to small forces and derivatives by finite differences.
        skin: how much farther than the cutoff neighbors are looked for, in angstrom,
            so that they last for many steps (default: 0.5). Results do not depend on
            it.
        unit: of the networks' energies (default: what their cards say, else eV).
        length_unit: of their positions (default: likewise, angstrom).
        kwargs: what :class:`ase.calculators.calculator.Calculator` takes.

    Raises:
        TypeError: if a model is none.
        ValueError: if there are none, or one predicts neither energies nor dipoles.

    Example:
        >>> from ase.build import bulk
        >>> from pyg_equivariant.nn import PaiNN
        >>> model = PaiNN(hidden_channels=16, num_layers=2, cutoff=4.0)
        >>> atoms = bulk("Cu", cubic=True)
        >>> atoms.calc = Calculator(model, dtype=torch.float64)
        >>> atoms.get_forces().shape, atoms.get_stress().shape
        ((4, 3), (6,))
    """

    name = "pyg_equivariant"

    def __init__(
        self,
        models: Models,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        skin: float = 0.5,
        unit: str | None = None,
        length_unit: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        known = opened(models)
        given = device, dtype, unit, length_unit
        self.dipoles = [Dipole(m, *given) for m in known if has_dipole(m)]
        self.ensemble: Ensemble | None = None
        if len(self.dipoles) < max(len(known), 1):
            self.ensemble = as_ensemble([m for m in known if not has_dipole(m)], *given)
        members = [*self.dipoles, *(self.ensemble.potentials if self.ensemble else [])]
        self.device = members[0].device
        self.neighbors = NeighborList(largest_cutoff(members), skin)
        self.implemented_properties = self._properties()

    def _properties(self) -> list[str]:
        names = []
        if self.ensemble is not None:
            names = ["energy", "forces", "stress"]
            names += ["energies"] if self.ensemble.has_atomic_energies else []
            if len(self.ensemble) > 1:
                names += [f"{name}_std" for name in names]
            names.append("free_energy")
        return names + ["dipole"] * bool(self.dipoles)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(calculator.all_changes),
    ) -> None:
        """Fill ``results``, as ASE asks for it."""
        super().calculate(  # type: ignore[no-untyped-call]
            atoms, properties, system_changes
        )
        system: Any = self.atoms
        periodic, volume = bool(system.pbc.any()), system.cell.rank == 3
        for name, lacks in (("stress", not volume), ("dipole", periodic)):
            if lacks and name in properties:
                raise calculator.PropertyNotImplementedError(
                    f"there is no {name} of a system with the cell {system.cell} and "
                    f"pbc {system.pbc}"
                )
        z = torch.tensor(system.numbers, device=self.device).long()
        pos = self._tensor(system.positions)
        cell = self._tensor(system.cell[:]).unsqueeze(0) if periodic or volume else None
        pbc = torch.tensor(system.pbc, device=self.device).unsqueeze(0)
        box = (cell, pbc) if periodic else (None, None)
        edges = self.neighbors(pos, None, *box)
        if self.ensemble is not None:
            mean, spread = self.ensemble(z, *edges, cell=cell if volume else None)
            self.results.update(_named(mean))
            self.results["free_energy"] = self.results["energy"]
            if spread is not None:
                each = _named(spread).items()
                self.results.update({f"{name}_std": value for name, value in each})
        if self.dipoles and not periodic:
            dipoles = [dipole(z, pos, *edges) for dipole in self.dipoles]
            self.results["dipole"] = torch.stack(dipoles).mean(0).cpu().numpy()

    def _tensor(self, x: Any) -> Tensor:
        return torch.tensor(np.asarray(x), dtype=torch.float64, device=self.device)


def _named(prediction: Prediction) -> dict[str, Any]:
    """As ASE names them, and in its shapes."""
    results: dict[str, Any] = {"energy": float(prediction.energy)}
    results["forces"] = prediction.forces.cpu().numpy()
    if prediction.energies is not None:
        results["energies"] = prediction.energies.cpu().numpy()
    if prediction.stress is not None:
        stress = prediction.stress[0].cpu().numpy()
        results["stress"] = full_3x3_to_voigt_6_stress(stress)
    return results
