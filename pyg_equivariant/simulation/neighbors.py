"""A neighbor list that lasts for many steps."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_equivariant.graph import Graph, edge_vectors, neighbor_graph
from pyg_equivariant.o3 import check_tensor


class _Built(NamedTuple):
    """The candidates, and the system in which they were found."""

    graph: Graph
    cell: Tensor | None
    pbc: Tensor | None


class NeighborList:
    r"""Finds pairs out to a skin beyond the cutoff, and keeps them while they will do.

    Pairs :math:`\vec r_{ij}` were looked for within :math:`r_\text{cut} + s`. Since
    then cells were deformed by :math:`\mathbf{F}`, and atoms have moved by
    :math:`\vec u_i` besides. No pair within the cutoff is missing while

    .. math::
        \frac{r_\text{cut} + 2 \max_i |\vec u_i|}{\sigma_\text{min}(\mathbf{F})}
        \le r_\text{cut} + s

    which is Verlet's condition, :math:`|\vec u_i| \le s / 2`, in a cell that stays, and
    lets barostats and relaxations of cells keep their pairs, too. Atoms that are put
    back into their cell have not moved. Each call then drops the pairs beyond the
    cutoff: what it returns is what a search would find.

    Args:
        cutoff: the distance below which atoms are joined; ``None`` joins all pairs.
        skin: how much farther to look (default: 0.5).

    Attributes:
        builds: how often pairs were looked for.

    Raises:
        ValueError: if a length is none.

    Example:
        >>> neighbors = NeighborList(cutoff=1.5, skin=0.5)
        >>> pos = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).double()
        >>> edge_index, edge_vec = neighbors(pos)
        >>> edge_vec.tolist()
        [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
        >>> edge_index, edge_vec = neighbors(1.2 * pos)
        >>> edge_vec.tolist(), neighbors.builds
        ([[1.2, 0.0, 0.0], [-1.2, 0.0, 0.0]], 1)
    """

    def __init__(self, cutoff: float | None, skin: float = 0.5) -> None:
        if cutoff is not None and not 0 < cutoff < float("inf"):
            raise ValueError(f"cutoff is a positive length or None, got {cutoff}")
        if not 0 <= skin < float("inf"):
            raise ValueError(f"skin is a length, 0 or more, got {skin}")
        self.cutoff = cutoff
        self.skin = skin
        self.builds = 0
        self._built: _Built | None = None

    def __call__(
        self,
        pos: Tensor,
        batch: Tensor | None = None,
        cell: Tensor | None = None,
        pbc: Tensor | None = None,
        batch_size: int = 1,
    ) -> tuple[Tensor, Tensor]:
        """Edges (source, target) and the vectors along them, as of a radius graph.

        Args:
            pos: positions ``(|V|, 3)``, best in float64.
            batch: the graph of every atom.
            cell: lattice vectors as rows, ``(num_graphs, 3, 3)``.
            pbc: along which of them the graphs repeat, ``(num_graphs, 3)``.
            batch_size: number of graphs.
        """
        check_tensor(pos, "pos")
        system = pos, batch, cell, pbc, batch_size
        whole = self._follow(*system)
        if whole is None:
            whole = self._build(*system)
        assert self._built is not None
        graph = self._built.graph
        edge_index, edge_shift = graph.edge_index, graph.edge_shift
        box = None if edge_shift is None else _periodic(cell, pbc, batch_size)
        edge_vec = edge_vectors(whole, edge_index, edge_shift, box, batch)
        if self.cutoff is None:
            return edge_index, edge_vec
        within = edge_vec.square().sum(-1) < self.cutoff * self.cutoff
        near = within.nonzero().flatten()
        return edge_index[:, near], edge_vec[near]

    def _build(
        self,
        pos: Tensor,
        batch: Tensor | None,
        cell: Tensor | None,
        pbc: Tensor | None,
        batch_size: int,
    ) -> Tensor:
        cutoff = None if self.cutoff is None else self.cutoff + self.skin
        self._built = None
        graph = neighbor_graph(
            pos.detach().clone(),
            cutoff,
            batch,
            cell=cell,
            pbc=pbc,
            batch_size=batch_size,
        )
        self._built = _Built(graph, _copy(cell), _copy(pbc))
        self.builds += 1
        return graph.pos

    def _follow(
        self,
        pos: Tensor,
        batch: Tensor | None,
        cell: Tensor | None,
        pbc: Tensor | None,
        batch_size: int,
    ) -> Tensor | None:
        """Positions in the images where the pairs were found, if these still do."""
        built = self._built
        if built is None or built.graph.batch_size != batch_size:
            return None
        if not _fits(pos, built.graph.pos) or not _fits(cell, built.cell):
            return None
        if not _alike(batch, built.graph.batch) or not _alike(pbc, built.pbc):
            return None
        pos = pos.detach()
        if self.cutoff is None:
            return pos
        start, stretch = built.graph.pos, 1.0
        before, cell = (_periodic(c, pbc, batch_size) for c in (built.cell, cell))
        if not _alike(cell, before):
            assert cell is not None
            assert before is not None
            deform = _deformation(before, cell)
            start = _times(start, deform, batch)
            stretch = 1 / float(torch.linalg.svdvals(deform).min())
        if self._reaches(pos - start, stretch):
            return pos
        if cell is None:
            return None
        image = _times(pos - start, torch.linalg.pinv(cell), batch).round()
        pos = pos - _times(image, cell, batch)
        return pos if self._reaches(pos - start, stretch) else None

    def _reaches(self, moved: Tensor, stretch: float) -> bool:
        """Whether no pair within the cutoff is missing; not if numbers are none."""
        assert self.cutoff is not None
        largest = float(moved.norm(dim=-1).max()) if len(moved) else 0.0
        reach = stretch * (self.cutoff + 2 * largest)
        return reach <= (self.cutoff + self.skin) * (1 - 1e-12)


def _copy(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.detach().clone()


def _fits(x: Tensor | None, y: Tensor | None) -> bool:
    """Whether both are None, or tensors that differ in values alone."""
    if x is None or y is None:
        return x is y
    return (x.shape, x.dtype, x.device) == (y.shape, y.dtype, y.device)


def _alike(x: Tensor | None, y: Tensor | None) -> bool:
    return x is y or (x is not None and y is not None and torch.equal(x, y))


def _periodic(cell: Tensor | None, pbc: Tensor | None, number: int) -> Tensor | None:
    """Cells of all graphs, zero along what does not repeat."""
    if cell is None:
        return None
    cell = cell.detach().reshape(-1, 3, 3).expand(number, 3, 3)
    if pbc is None:
        return cell
    return torch.where(pbc.reshape(-1, 3).unsqueeze(-1), cell, 0.0)


def _deformation(before: Tensor, after: Tensor) -> Tensor:
    """Matrices that turn the lattice vectors of one into those of the other."""
    identity = torch.eye(3, dtype=before.dtype, device=before.device)
    return identity + torch.linalg.pinv(before) @ (after - before)


def _times(rows: Tensor, matrices: Tensor, batch: Tensor | None) -> Tensor:
    """Each row times the matrix of its graph."""
    if batch is None:
        return rows @ matrices[0]
    return (rows.unsqueeze(1) @ matrices.index_select(0, batch)).squeeze(1)
