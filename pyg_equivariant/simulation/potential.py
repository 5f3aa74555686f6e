"""Energies, forces and stress from a trained network, in eV and angstrom."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.graph import Graph, check_batch, check_cell
from pyg_equivariant.nn.models import ForceField, MolecularModel
from pyg_equivariant.units import in_ev

from .frozen import FrozenNetwork, inner


class PairDerivatives(NamedTuple):
    """Energies, and their derivatives by the vectors along edges."""

    energy: Tensor
    """of every graph ``(num_graphs,)``, in eV"""
    energies: Tensor | None
    """of every atom ``(|V|,)``, where the network predicts sums of such"""
    by_edge: Tensor
    """derivatives ``(|E|, 3)``, in eV/angstrom"""


class Prediction(NamedTuple):
    """What simulations ask for, in eV and angstrom, float64."""

    energy: Tensor
    """of every graph ``(num_graphs,)``"""
    energies: Tensor | None
    """of every atom ``(|V|,)``, where the network predicts sums of such"""
    forces: Tensor
    """``(|V|, 3)``"""
    stress: Tensor | None
    """``(num_graphs, 3, 3)``, positive where a cell is stretched; if there is a cell"""


class Potential(FrozenNetwork):
    r"""Energy, forces and stress of atoms from a trained network.

    .. math::
        \vec F_i = \sum_{j} \vec g_{ij} - \vec g_{ji}, \qquad
        \boldsymbol\sigma = \frac{1}{V} \sum_{ij}
        \operatorname{sym}(\vec r_{ij} \otimes \vec g_{ij}), \qquad
        \vec g_{ij} = \frac{\partial E}{\partial \vec r_{ij}}

    with :math:`\vec r_{ij} = \vec r_j - \vec r_i` for the edge from :math:`j` to
    :math:`i`: the derivatives of :class:`~pyg_equivariant.nn.ForceField`, found edge by
    edge. Edge vectors, references of atoms and all sums are in float64, whatever the
    network computes in, so that a float32 network has no error that grows with where
    atoms are or how many there are.

    Args:
        model: a network of :mod:`pyg_equivariant.nn` that predicts energies, or the
            :class:`~pyg_equivariant.nn.ForceField` around one. It is copied: training
            may go on.
        device: where to compute (default: where the network is).
        dtype: what the network computes in (default: as it is).
        unit: of its energies (default: what its card says, else eV).
        length_unit: of its positions (default: likewise, angstrom).

    Raises:
        TypeError: if it is no network of this package.
        ValueError: if it predicts no energy, or a unit is unknown.

    Example:
        >>> from pyg_equivariant.nn.models import SchNet
        >>> model = SchNet(hidden_channels=16, num_filters=16, num_layers=2)
        >>> potential = Potential(model, unit="kcal/mol")
        >>> z, edge_index = torch.tensor([8, 1]), torch.tensor([[0, 1], [1, 0]])
        >>> edge_vec = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).double()
        >>> out = potential(z, edge_index, edge_vec)
        >>> out.energy.shape, out.forces.shape, out.stress
        (torch.Size([1]), torch.Size([2, 3]), None)
    """

    def __init__(
        self,
        model: MolecularModel | ForceField,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        unit: str | None = None,
        length_unit: str | None = None,
    ) -> None:
        check_energy(model)
        super().__init__(model, device, dtype, length_unit)
        self.unit_name = unit or self.card.unit
        self.unit = in_ev(self.unit_name)

    @property
    def has_atomic_energies(self) -> bool:
        """Whether energies are sums over atoms."""
        return self.model.has_atomic_energies

    def __call__(
        self,
        z: Tensor,
        edge_index: Tensor,
        edge_vec: Tensor,
        batch: Tensor | None = None,
        batch_size: int = 1,
        cell: Tensor | None = None,
    ) -> Prediction:
        """Predict for atoms whose edges are known.

        Args:
            z: atomic numbers ``(|V|,)``.
            edge_index: edges (source, target), at least all those within the cutoff.
            edge_vec: vectors from target to source ``(|E|, 3)``, in angstrom.
            batch: the graph of every atom; one graph by default.
            batch_size: number of graphs.
            cell: lattice vectors ``(num_graphs, 3, 3)``, for the stress.
        """
        self.check(z, edge_index, edge_vec)
        edge_index, edge_vec = self.nearby(edge_index.long(), edge_vec)
        out = self.derive(z, edge_index, edge_vec, batch, batch_size)
        source, target = edge_index
        forces = edge_vec.new_zeros(len(z), 3)
        forces = forces.index_add(0, target, out.by_edge)
        forces = forces.index_add(0, source, -out.by_edge)
        stress = None
        if cell is not None:
            check_cell(cell, edge_vec)
            virial = edge_vec.unsqueeze(-1) * out.by_edge.unsqueeze(-2)
            graph = torch.zeros_like(target) if batch is None else batch[target]
            virial = virial.new_zeros(batch_size, 3, 3).index_add(0, graph, virial)
            stress = _per_volume(virial, cell)
        return Prediction(out.energy, out.energies, forces, stress)

    def derive(
        self,
        z: Tensor,
        edge_index: Tensor,
        edge_vec: Tensor,
        batch: Tensor | None = None,
        batch_size: int = 1,
        owned: int | None = None,
    ) -> PairDerivatives:
        """Energies and their derivatives by the edge vectors.

        Args:
            z: as above.
            edge_index: those within the cutoff, and no others.
            edge_vec: as above.
            batch: as above.
            batch_size: as above.
            owned: the energies of so many atoms, the first, are all that counts; the
                network must predict sums over atoms.
        """
        self.check(z, edge_index, edge_vec)
        if batch is not None:
            check_batch(batch, z, "batch", batch_size, "z")
        elif batch_size != 1:
            raise ValueError(f"there are {batch_size} graphs, but batch is missing")
        with torch.inference_mode(False), torch.enable_grad():
            # what inference mode has made cannot be saved for a derivative
            z, edge_index = z.clone(), edge_index.clone()
            batch = None if batch is None else batch.clone()
            leaf = edge_vec.detach().clone().requires_grad_()
            pos = leaf.new_zeros(len(z), 3)  # energies are of edge vectors alone
            graph = self.graph(pos, edge_index, leaf, batch, batch_size)
            energy, energies = self._energies(z, graph, owned)
            total = energy.sum() + 0 * leaf.sum()  # where there are no edges, too
            (by_edge,) = torch.autograd.grad(total, leaf)
        if energies is not None:
            energies = energies.detach().to(leaf) * self.unit
        energy = energy.detach().to(leaf) * self.unit
        return PairDerivatives(energy, energies, by_edge * self.unit)

    def _energies(
        self, z: Tensor, graph: Graph, owned: int | None
    ) -> tuple[Tensor, Tensor | None]:
        if owned is None and not self.has_atomic_energies:
            energy = self.model.predict(z, graph)
            assert isinstance(energy, Tensor)
            return energy.squeeze(-1), None
        energies = self.model.atomic_energies(z, graph).squeeze(-1)
        if graph.batch is None:
            return energies[:owned].sum().unsqueeze(0), energies
        energy = energies.new_zeros(graph.batch_size)
        return energy.index_add(0, graph.batch, energies), energies


def check_energy(model: MolecularModel | ForceField) -> None:
    """Refuse networks of anything but energies, and warn of energies not for dynamics.

    Raises:
        TypeError: if it is no network of this package.
        ValueError: if it predicts no energy.
    """
    network = inner(model)
    reduce = None if network.head is None else network.head.reduce
    if reduce not in ("sum", "mean"):
        raise ValueError(
            "expected a network that predicts energies of graphs, got a "
            f"{type(network).__name__} with head {network.head}"
        )
    if network is model:
        ForceField(network)  # which warns; a force field that came has done so


def _per_volume(virial: Tensor, cell: Tensor) -> Tensor:
    """The symmetric part by the volume of the cell; zero where there is none."""
    symmetric = (virial + virial.transpose(-1, -2)) / 2
    volume = torch.linalg.det(cell.to(virial)).abs().view(-1, 1, 1)
    return torch.where(volume > 0, symmetric / volume.clamp(min=1e-30), 0.0)
