"""Networks in torch-sim, which runs many systems at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

try:
    from torch_sim.models.interface import ModelInterface
except ImportError as error:
    raise ImportError(
        "pyg_equivariant.simulation.torch_sim needs torch-sim, which needs Python 3.11 "
        "or later: pip install torch-sim-atomistic"
    ) from error

from .ensemble import Models, as_ensemble
from .neighbors import NeighborList


class TorchSimModel(ModelInterface):
    """A network, or an ensemble, as torch-sim asks for it.

    Systems of a batch go through the network together. Neighbors are looked for in a
    skin beyond the cutoff and kept over steps, also where torch-sim puts atoms back
    into their cells; another batch is looked at anew. States are in float64, whatever
    the network computes in, see :class:`~pyg_equivariant.simulation.Potential`.

    Results are those that torch-sim asks for, ``energies`` of atoms where the network's
    head is extensive, and of an ensemble ``energy_std`` and ``forces_std``.

    Args:
        models: a network, a :class:`~pyg_equivariant.nn.ForceField`, the path of a
            model file or of a checkpoint of a training run; or a list of such.
        device: where to compute (default: where the networks are).
        dtype: what the networks compute in (default: as they are).
        skin: how much farther than the cutoff neighbors are looked for, in angstrom
            (default: 0.5).
        unit: of the networks' energies (default: what their cards say, else eV).
        length_unit: of their positions (default: likewise, angstrom).
        compute_stress: whether to give the stress (default: ``True``; it costs next to
            nothing).

    Raises:
        TypeError: if a model is none.
        ValueError: if there are none, or one predicts no energy.

    Example::

        import torch_sim as ts
        from ase.build import bulk

        model = TorchSimModel("model.pt", device="cuda")
        final = ts.integrate(
            system=[bulk("Cu", cubic=True), bulk("Al", cubic=True)],
            model=model,
            integrator=ts.nve,
            n_steps=1000,
            timestep=0.002,
            temperature=300,
        )
    """

    def __init__(
        self,
        models: Models,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        skin: float = 0.5,
        unit: str | None = None,
        length_unit: str | None = None,
        compute_stress: bool = True,
    ) -> None:
        super().__init__()
        self.ensemble = as_ensemble(models, device, dtype, unit, length_unit)
        self.neighbors = NeighborList(self.ensemble.cutoff, skin)
        self._device = self.ensemble.device
        self._dtype = torch.float64
        self._compute_forces = True
        self._compute_stress = compute_stress
        local = self.ensemble.cutoff is not None
        self._memory_scales_with = "n_atoms_x_density" if local else "n_atoms"

    @ModelInterface.compute_forces.setter  # type: ignore[untyped-decorator]
    def compute_forces(self, compute_forces: bool) -> None:
        """Whether to give forces."""
        self._compute_forces = compute_forces

    @ModelInterface.compute_stress.setter  # type: ignore[untyped-decorator]
    def compute_stress(self, compute_stress: bool) -> None:
        """Whether to give the stress."""
        self._compute_stress = compute_stress

    def forward(self, state: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Energies, forces and stress of the systems of a state.

        Args:
            state: of torch-sim, or its tensors by name.
            kwargs: nothing that is used.
        """
        given = state if isinstance(state, dict) else vars(state)
        pos = given["positions"].to(self._device, torch.float64)
        z = given["atomic_numbers"].to(self._device).long()
        cell = given["cell"].to(self._device, torch.float64).reshape(-1, 3, 3)
        cell, size = cell.transpose(-1, -2), len(cell)  # torch-sim has columns
        batch = given.get("system_idx")
        if batch is None:
            batch = torch.zeros_like(z)
        batch = batch.to(self._device).long()
        pbc = torch.as_tensor(given.get("pbc", True), device=self._device)
        open_box = not bool(pbc.any())
        periods = None if open_box else pbc.expand(size, 3)
        box = None if open_box else cell
        edges = self.neighbors(pos, batch, box, periods, size)
        stressed = cell if self._compute_stress else None
        mean, spread = self.ensemble(z, *edges, batch, size, stressed)
        found = {"energy": mean.energy, "energies": mean.energies}
        if self._compute_forces:
            found["forces"] = mean.forces
        found["stress"] = mean.stress
        if spread is not None:
            found |= {"energy_std": spread.energy, "forces_std": spread.forces}
        like = given["positions"]
        return {name: x.to(like) for name, x in found.items() if x is not None}
