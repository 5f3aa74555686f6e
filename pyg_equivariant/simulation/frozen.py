"""A trained network that is done with learning, and what it takes in angstrom."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.kernels import check_edge_index, check_nodes
from pyg_equivariant.nn.models import Card, ForceField, MolecularModel
from pyg_equivariant.o3 import check_device, check_real, check_tensor
from pyg_equivariant.units import in_angstrom


class FrozenNetwork:
    """Base of what predicts in simulations.

    Args:
        model: a network of :mod:`pyg_equivariant.nn`, or the
            :class:`~pyg_equivariant.nn.ForceField` around one. It is copied: training
            may go on.
        device: where to compute (default: where the network is).
        dtype: what the network computes in (default: as it is).
        length_unit: of its positions (default: what its card says, else angstrom).

    Raises:
        TypeError: if it is no network of this package.
        ValueError: if the dtype or the unit is none.
    """

    def __init__(
        self,
        model: MolecularModel | ForceField,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        length_unit: str | None = None,
    ) -> None:
        network = inner(model)
        if dtype is not None and not dtype.is_floating_point:
            raise ValueError(f"networks compute in a floating-point dtype, got {dtype}")
        self.card: Card = network.card or Card()
        self.length_name = length_unit or self.card.length_unit
        self.length = in_angstrom(self.length_name)
        copied = deepcopy(network).to(device=device, dtype=dtype)
        self.model = copied.eval().requires_grad_(False)
        like = next(self.model.parameters(), self.model.mean)
        self.device, self.dtype = like.device, like.dtype

    @property
    def species(self) -> tuple[int, ...] | None:
        """Atomic numbers that it was trained on, or was built for, if that is known."""
        return self.card.species or self.model.arguments.get("species")

    @property
    def cutoff(self) -> float | None:
        """The cutoff in angstrom."""
        return None if self.model.cutoff is None else self.model.cutoff * self.length

    def nearby(self, edge_index: Tensor, edge_vec: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the edges that are shorter than the cutoff."""
        if self.cutoff is None:
            return edge_index, edge_vec
        within = edge_vec.square().sum(-1) < self.cutoff * self.cutoff
        if bool(within.all()):
            return edge_index, edge_vec
        return edge_index[:, within], edge_vec[within]

    def check(self, z: Tensor, edge_index: Tensor, edge_vec: Tensor) -> None:
        """Refuse atoms that the network does not know, and edges that are not theirs.

        Raises:
            TypeError: if something is no tensor, or of another dtype.
            ValueError: if shapes or devices do not fit, or species are unknown.
            IndexError: if an edge points outside.
        """
        check_tensor(z, "z")
        check_real(edge_vec, "edge_vec")
        check_edge_index(edge_index, edge_vec, "edge_vec")
        if edge_vec.shape != (edge_index.shape[1], 3):
            raise ValueError(
                f"expected one row of edge_vec (|E|, 3) for each of "
                f"{edge_index.shape[1]} edges of edge_index, got shape "
                f"{tuple(edge_vec.shape)}"
            )
        check_device(z, edge_vec, "z", "edge_vec")
        if z.dim() != 1:
            raise ValueError(f"expected atomic numbers z (|V|,), got {tuple(z.shape)}")
        check_nodes(edge_index, len(z), len(z))
        self._check_species(z)

    def graph(
        self,
        pos: Tensor,
        edge_index: Tensor,
        edge_vec: Tensor,
        batch: Tensor | None = None,
        batch_size: int = 1,
    ) -> Graph:
        """The graph of atoms as the network takes it, in its dtype and unit."""
        pos, vectors = ((x / self.length).to(self.dtype) for x in (pos, edge_vec))
        return Graph(pos, batch, batch_size, edge_index, vectors=vectors)

    def _check_species(self, z: Tensor) -> None:
        if self.species is None:
            return
        unknown = sorted(set(z.unique().tolist()) - set(self.species))
        if unknown:
            raise ValueError(
                f"this {type(self.model).__name__} was trained on the species "
                f"{list(self.species)}, got {unknown}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model})"


def inner(model: Any) -> MolecularModel:
    """The network, out of a force field or not."""
    network = model.model if isinstance(model, ForceField) else model
    if not isinstance(network, MolecularModel):
        raise TypeError(
            "expected a network of pyg_equivariant.nn, or the ForceField around one, "
            f"got {type(network).__name__}; a network of your own is a subclass of "
            "nn.models.MolecularModel that defines represent(z, graph)"
        )
    return network
