"""A random rotation or reflection of everything that turns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.o3 import Irreps, IrrepsLike, check_tensor, rand_matrix, rotate

from ._graphs import GraphData, GraphTransform, graph_of, number_of_graphs

# What this package and PyG write, and how it turns.
VECTORS = ("pos", "cell", "edge_vec", "vel", "force", "dipole")
MATRICES = ("stress",)


@functional_transform("random_orthogonal")
class RandomOrthogonal(GraphTransform):
    r"""Turns a graph at random in O(3) (functional name: ``random_orthogonal``).

    .. math::
        \vec{r}_i \to \mathbf{R} \vec{r}_i, \qquad
        \mathbf{x} \to D(\mathbf{R})\, \mathbf{x}, \qquad
        \mathbf{R} \sim \text{O}(3)

    It turns what it knows by name, the vectors ``pos``, ``vel``, ``force``, ``dipole``,
    ``edge_vec`` and those in the rows of ``cell``, the matrix ``stress`` and the
    harmonics ``edge_sh``; and every attribute whose irreps are declared. All others,
    such as energies, stay. In a batch each graph is turned by a matrix of its own.

    Args:
        irreps (dict, optional): Irreps of further attributes, in the layout of
            :class:`~pyg_equivariant.o3.Irreps`: ``{"y": "1o", "spin": "1e"}``.
        improper (bool): Whether half of the matrices, on average, are reflections: all
            of O(3), or else SO(3). (default: :obj:`True`)
        generator (torch.Generator, optional): The source of randomness. The workers of
            a ``DataLoader`` hold copies of it that all draw the same; with
            :obj:`None`, torch's own, each draws its own. (default: :obj:`None`)

    Examples:
        >>> from torch_geometric.data import Data
        >>> data = Data(pos=torch.rand(3, 3), torque=torch.rand(3, 3), energy=1.0)
        >>> turned = RandomOrthogonal({"torque": "1e"}, improper=False)(data)
        >>> torch.allclose(turned.pos @ turned.torque.T, data.pos @ data.torque.T)
        True
    """

    def __init__(
        self,
        irreps: Mapping[str, IrrepsLike] | None = None,
        improper: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        self.irreps = {name: Irreps(ir) for name, ir in (irreps or {}).items()}
        self.improper = improper
        self.generator = generator

    def forward(self, data: GraphData) -> GraphData:
        """Return ``data``, turned."""
        known = self.check_names(data, "irreps", self.irreps)
        if "pos" not in known:
            self.position(data.node_stores[0])
        matrices = self._draw(number_of_graphs(data))
        for store in data.stores:
            for name in list(store.keys()):
                irreps = self._irreps_of(name, store[name])
                if irreps is None:
                    continue
                matrix = _matrix_of_rows(data, store, name, matrices)
                turned = _turn(irreps, store[name], matrix, name)
                if name in MATRICES and name not in self.irreps:
                    turned = _turn(irreps, turned.mT, matrix, name).mT
                store[name] = turned
        return data

    def _draw(self, count: int) -> Tensor:
        """Matrices :math:`(B, 3, 3)`, uniform over O(3) or SO(3)."""
        where: dict[str, Any] = {"generator": self.generator}
        where["device"] = None if self.generator is None else self.generator.device
        matrices = rand_matrix(count, dtype=torch.float64, **where)
        if not self.improper:
            return matrices
        signs = torch.randint(2, (count, 1, 1), **where) * 2 - 1
        return matrices * signs

    def _irreps_of(self, name: str, value: Any) -> Irreps | None:
        if name in self.irreps:
            return self.irreps[name]
        if name in VECTORS or name in MATRICES:
            return Irreps("1o")
        if name == "edge_sh":
            return Irreps.spherical_harmonics(math.isqrt(value.shape[-1]) - 1)
        if name == "node_attr":
            raise ValueError(
                "RandomOrthogonal does not know the irreps of `node_attr`; give "
                "irreps={'node_attr': AddNodeAttributes(...).irreps_node_attr}, or "
                "put it before AddNodeAttributes"
            )
        return None

    def __repr__(self) -> str:
        irreps = {name: str(ir) for name, ir in self.irreps.items()}
        return f"{type(self).__name__}({irreps}, improper={self.improper})"


def _matrix_of_rows(data: GraphData, store: Any, name: str, matrices: Tensor) -> Tensor:
    """The matrix of the graph that each row of an attribute belongs to."""
    if len(matrices) == 1:
        return matrices
    rows = len(store[name])
    if "edge_index" in store and store.is_edge_attr(name):
        target = data[store._key[-1]] if store._key is not None else store
        batch = graph_of(target)
        assert batch is not None
        return matrices[batch[store.edge_index[1]].to(matrices.device)]
    batch = graph_of(store)
    if batch is not None and rows == len(batch):
        return matrices[batch.to(matrices.device)]
    if rows == len(matrices):
        return matrices
    raise ValueError(
        f"`{name}` has {rows} rows, expected one for each node, edge or graph of the "
        f"batch"
    )


def _turn(irreps: Irreps, x: Tensor, matrices: Tensor, name: str) -> Tensor:
    check_tensor(x, name)
    if x.dim() == 0 or x.shape[-1] != irreps.dim or not x.is_floating_point():
        raise ValueError(
            f"`{name}` has irreps {irreps}: expected floating-point features (..., "
            f"{irreps.dim}), got {x.dtype} of shape {tuple(x.shape)}"
        )
    between = (1,) * (x.dim() - 2)
    matrices = matrices.view(len(matrices), *between, 3, 3)
    matrices = matrices if x.dim() > 1 else matrices[0]
    return rotate(irreps, x, matrices.to(x.device))
