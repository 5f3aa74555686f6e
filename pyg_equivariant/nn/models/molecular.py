"""What all networks share: from atoms to edges, and from features to predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.graph import Graph, neighbor_graph
from pyg_equivariant.o3 import check_device, check_tensor

from ..module import check_dtype
from ..pool import Atoms, pool
from ._species import check_species
from .features import Features
from .heads import Head
from .pretrained import Pretrained


class MolecularModel(Pretrained):
    """Base of the networks: ``model(z, pos, batch)``.

    Args:
        cutoff: radius within which atoms are joined; ``None`` joins all pairs of atoms
            of a graph.
        head: turns features into predictions; ``None`` returns the features.
        mean: added once to the prediction of every graph (or node), however many atoms
            it has (default: 0). A mean per atom is an ``atomref``.
        scale: multiplies the output of the head (default: 1). One number per atomic
            number multiplies what the head gives for each atom, before a sum over them.
        atomref: one number per atomic number, or one number for every atom, or
            ``None``; joined to the prediction by the sum or mean that the head takes
            over atoms: what a sum of energies needs.

    ``mean``, ``scale`` and ``atomref`` are part of the ``state_dict``: a saved model
    predicts in physical units. They keep their precision in ``model.double()``.
    """

    atomref: Tensor | None
    mean: Tensor
    scale: Tensor
    convs: Any

    def __init__(
        self,
        cutoff: float | None,
        head: Head | None,
        mean: float = 0.0,
        scale: float | Tensor = 1.0,
        atomref: Tensor | float | None = None,
    ) -> None:
        super().__init__()
        if cutoff is not None and not cutoff > 0:
            raise ValueError(f"cutoff is a positive length or None, got {cutoff}")
        _check_units(head, mean, scale, atomref)
        self.cutoff = cutoff
        self.head = head
        self._exact = {
            name: torch.as_tensor(value, dtype=torch.float64, device="cpu")
            .detach()
            .clone()
            for name, value in (("mean", mean), ("scale", scale), ("atomref", atomref))
            if value is not None
        }
        self.register_buffer("atomref", None)
        for name, value in self._exact.items():
            dtype, device = torch.get_default_dtype(), torch.get_default_device()
            single = name != "atomref" and value.numel() == 1
            self._exact[name] = value.reshape(() if single else (-1,))
            self.register_buffer(name, self._exact[name].to(device, dtype, copy=True))

    @property
    def is_smooth(self) -> bool:
        """Whether predictions are smooth where atoms come within the cutoff."""
        return True

    @property
    def is_extensive(self) -> bool:
        """Whether predictions of parts beyond each other's reach add up."""
        return self.cutoff is not None and self._is_sum

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """A wider dtype finds the digits again that a narrower one had no room for."""
        kept = [
            name
            for name, exact in self._exact.items()
            if not (old := getattr(self, name)).is_meta
            and torch.equal(old, exact.to(old))
        ]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name in kept:
            setattr(self, name, self._exact[name].to(getattr(self, name), copy=True))
        return self

    def forward(
        self,
        z: Tensor,
        pos: Tensor,
        batch: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_shift: Tensor | None = None,
        cell: Tensor | None = None,
        pbc: Tensor | None = None,
        batch_size: int | None = None,
        **inputs: Tensor | None,
    ) -> Tensor | Features:
        """Predict for every graph, or node, of a batch.

        Args:
            z: atomic numbers ``(|V|,)``, or features of the atoms where the network was
                built for such.
            pos: positions ``(|V|, 3)``.
            batch: the graph of every atom; one graph by default.
            edge_index: edges (source, target); by default all pairs within the cutoff.
            edge_shift: periodic images ``(|E|, 3)`` that ``edge_index`` joins.
            cell: lattice vectors as rows, ``(3, 3)`` or ``(num_graphs, 3, 3)``.
            pbc: along which of them the system is periodic, ``(3,)`` or
                ``(num_graphs, 3)``.
            batch_size: number of graphs, if known; saves a look at ``batch``.
            inputs: what else the network was built to take: ``x``, features of atoms
                beside atomic numbers; ``edge_attr``, features of the edges that
                ``edge_index`` gives; and those of ``represent``.
        """
        if inputs.get("edge_attr") is not None and edge_index is None and self.cutoff:
            raise ValueError(
                "edge_attr belongs to edges that are given, but edge_index is None"
            )
        self._check(z, pos)
        edges = edge_index, edge_shift, cell, pbc, batch_size
        return self.predict(z, self.graph(pos, batch, *edges), **inputs)

    def graph(
        self, pos: Tensor, batch: Tensor | None = None, *edges: Any, **others: Any
    ) -> Graph:
        """The graph that :meth:`forward` makes of its arguments after ``z``."""
        return neighbor_graph(pos, self.cutoff, batch, *edges, **others)

    def predict(
        self, z: Tensor, graph: Graph, **inputs: Tensor | None
    ) -> Tensor | Features:
        """Predict for every graph, or node, of a graph that is there already."""
        features = self.represent(z, graph, **inputs)
        if self.head is None:
            return features
        features = features._replace(graph=graph)
        out = self._scaled(features, z, graph) + self.mean
        if self.atomref is not None and self.head.reduce is not None:
            reference = _of_species(self.atomref, z)
            if self.head.reduce != "node":
                reduce = self.head.reduce
                reference = pool(reference, graph.batch, graph.batch_size, reduce)
            out = out + reference
        return out

    @property
    def num_hops(self) -> int:
        """Over how many edges an atom is felt by the prediction of another.

        The number of layers; networks of one's own that have no argument
        ``num_layers`` define it.
        """
        if "num_layers" not in self.arguments:
            raise TypeError(
                f"{type(self).__name__} was built without num_layers; define the "
                "property num_hops: over how many edges an atom is felt"
            )
        return int(self.arguments["num_layers"])

    @property
    def has_atomic_energies(self) -> bool:
        """Whether the prediction is a sum of what :meth:`atomic_energies` gives."""
        return self._is_sum and self.head is not None and self.head.reduce == "sum"

    @property
    def _is_sum(self) -> bool:
        if self.head is None or not self.head.extensive:
            return False
        return self.mean.is_meta or not bool(self.mean.any())

    def atomic_energies(
        self, z: Tensor, graph: Graph, **inputs: Tensor | None
    ) -> Tensor:
        """What each atom adds to the prediction, ``(|V|, 1)``.

        In float64, where the device has it: references of atoms are large numbers, and
        no digit of what the network predicts is lost beside them.

        Args:
            z: as for :meth:`predict`.
            graph: likewise.
            inputs: likewise.

        Raises:
            TypeError: if the prediction is no sum over atoms, see
                :attr:`has_atomic_energies`.
        """
        if self.head is None or not self.has_atomic_energies:
            raise TypeError(
                f"this {type(self).__name__} predicts no sum over atoms; build it with "
                "head='extensive' and mean=0"
            )
        features = self.represent(z, graph, **inputs)._replace(graph=graph)
        atoms = Atoms(z, graph.batch, graph.batch_size)
        dtype = torch.float32 if z.device.type == "mps" else torch.float64
        out = self.head.per_atom(features, atoms).to(dtype)
        out = out * _of_species(self._unit("scale", dtype), z)
        if self.atomref is not None:
            out = out + _of_species(self._unit("atomref", dtype), z)
        return out

    def _unit(self, name: str, dtype: torch.dtype) -> Tensor:
        """A unit of the prediction, with the digits that a narrow buffer has lost."""
        buffer, exact = getattr(self, name), self._exact[name]
        kept = torch.equal(buffer, exact.to(buffer))
        return (exact if kept else buffer).to(buffer.device, dtype)

    def _scaled(self, features: Features, z: Tensor, graph: Graph) -> Tensor:
        """What the head gives, in units."""
        assert self.head is not None
        atoms = Atoms(z, graph.batch, graph.batch_size)
        if not self.scale.dim():
            return self.head(features, *atoms).to(graph.pos.dtype) * self.scale
        if self.head.reduce == "node":
            out = self.head(features, *atoms).to(graph.pos.dtype)
            return out * _of_species(self.scale, z)
        out = self.head.per_atom(features, atoms).to(graph.pos.dtype)
        return atoms.pool(out * _of_species(self.scale, z)).to(out.dtype)

    def _check(self, z: Tensor, pos: Tensor) -> None:
        check_tensor(z, "z")
        check_tensor(pos, "pos")
        check_device(z, pos, "z", "pos")
        rows = pos.shape[0] if pos.dim() else 0
        if z.shape[:1] != pos.shape[:1]:
            raise ValueError(
                f"expected one row of z for each of {rows} positions, got shape "
                f"{tuple(z.shape)} for pos {tuple(pos.shape)}"
            )
        if pos.is_floating_point():
            check_dtype(pos, next(self.parameters(), self.mean), "pos")
        if self.atomref is not None and len(self.atomref) > 1:
            check_species(z, len(self.atomref), "atomref")
        if self.scale.dim():
            check_species(z, len(self.scale), "scale")

    def represent(self, z: Tensor, graph: Graph, **inputs: Tensor | None) -> Features:
        """The features of every atom."""
        raise TypeError(f"{type(self).__name__} does not define represent()")


def _of_species(table: Tensor, z: Tensor) -> Tensor:
    """What a table says of each atom ``(|V|, 1)``, or its one number."""
    if table.numel() == 1:
        return table.expand(z.shape[0]).unsqueeze(-1)
    return table[z.long()].unsqueeze(-1)


def _check_units(
    head: Head | None,
    mean: float,
    scale: float | Tensor,
    atomref: Tensor | float | None,
) -> None:
    """Refuse units that the prediction has no place for."""
    if isinstance(mean, Tensor) and mean.numel() != 1:
        raise ValueError(
            f"mean is one number, got shape {tuple(mean.shape)}; a network predicts "
            "one property"
        )
    if isinstance(scale, Tensor) and scale.numel() != 1:
        _check_scales(head, scale)
        scale = 0.0  # as one number that is not 1
    if head is None and (mean != 0 or scale != 1 or atomref is not None):
        raise ValueError(
            "mean, scale and atomref are units of a prediction, but head=None makes "
            "none"
        )
    if atomref is not None and (head is None or head.reduce is None):
        raise ValueError(
            "atomref holds scalars of atoms, which this head does not predict"
        )
    if isinstance(atomref, Tensor) and atomref.numel() != atomref.shape[:1].numel():
        raise ValueError(
            "atomref is one number per atomic number, or one for all, got shape "
            f"{tuple(atomref.shape)}"
        )
    if mean != 0 and head is not None and not head.invariant:
        raise ValueError(
            f"mean={mean} cannot be added to what turns with the molecule; pass 0"
        )
    if scale != 1 and head is not None and head.translates:
        raise ValueError(
            f"scale={scale} would multiply positions, about an arbitrary origin; pass 1"
        )


def _check_scales(head: Head | None, scale: Tensor) -> None:
    """Refuse one scale per atomic number where there is no sum over atoms."""
    if scale.dim() != 1 or not scale.numel():
        raise ValueError(
            "scale is one number, or one per atomic number, got shape "
            f"{tuple(scale.shape)}; a network predicts one property"
        )
    if head is not None and not head.extensive and head.reduce != "node":
        raise ValueError(
            "one scale per atomic number needs a head that sums atoms and does nothing "
            "after it: head='extensive', or head='node'"
        )
