"""Steerable node attributes: geometry around a node, and its physical vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.kernels import spherical_harmonics
from pyg_equivariant.o3 import (
    Irreps,
    check_device,
    check_tensor,
    squared_length,
    widen,
)

from ._graphs import GraphData, GraphTransform, graph_of, number_of_graphs

KINDS = ("1o", "1e")  # vectors, pseudovectors


@functional_transform("add_node_attributes")
class AddNodeAttributes(GraphTransform):
    r"""Adds steerable attributes of nodes (functional name: ``add_node_attributes``).

    The geometric and physical quantities of SEGNN, from the `"Geometric and Physical
    Quantities Improve E(3) Equivariant Message Passing"
    <https://arxiv.org/abs/2110.02905>`_ paper,

    .. math::
        \mathbf{a}_i = \frac{1}{|\mathcal{N}(i)|} \sum_{j \in \mathcal{N}(i)}
        Y(\hat{r}_{ij}) + \sum_k Y(\hat{v}_i^{(k)}),

    with the incoming edges of node :math:`i` and the directions of any declared vectors
    :math:`v^{(k)}` of it: velocity, force, spin ... Nodes without edges, and vectors
    that are zero, have no direction and add to :math:`l = 0` at most.

    Pseudovectors, such as spins, have harmonics of other parities, which cannot be
    added to these: theirs follow, ``1x1e+1x2e+...``, summed among themselves.

    Args:
        lmax (int): The largest degree.
        vectors (sequence of str, or dict): Names of node attributes that are vectors;
            or names with ``"1o"`` (vector) or ``"1e"`` (pseudovector). A vector of the
            graph, such as a dipole :math:`(1, 3)`, counts for all of its nodes.
            (default: none)
        edges (bool): Whether the mean over the edges takes part. Without, these are
            the physical quantities alone, as :class:`~pyg_equivariant.nn.SEGNN` takes
            them, which adds the mean itself. (default: :obj:`True`)
        unit_scalar (bool): Set the component :math:`l = 0` to 1, as the authors' code
            does, so that it is the same for all nodes, isolated ones included.
            (default: :obj:`True`)
        normalization (str): Of the harmonics, ``"component"``, ``"norm"`` or
            ``"integral"``. (default: ``"component"``)

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, edge_index :math:`(2, |E|)`, vectors
          :math:`(|V|, 3)` or :math:`(B, 3)`
        - **output:** node_attr :math:`(|V|, D)`, of the irreps ``irreps_node_attr``

    Examples:
        >>> from torch_geometric.data import Data
        >>> data = Data(pos=torch.rand(3, 3), vel=torch.rand(3, 3))
        >>> data.edge_index = torch.tensor([[0, 1], [1, 2]])
        >>> transform = AddNodeAttributes(lmax=1, vectors=["vel"])
        >>> transform.irreps_node_attr
        1x0e+1x1o
        >>> transform(data).node_attr.shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        lmax: int,
        vectors: Iterable[str] | Mapping[str, str] = (),
        edges: bool = True,
        unit_scalar: bool = True,
        normalization: str = "component",
    ) -> None:
        if isinstance(vectors, str):
            vectors = [vectors]
        if not isinstance(vectors, Mapping):
            vectors = dict.fromkeys(vectors, "1o")
        for name, irrep in vectors.items():
            if irrep not in KINDS:
                raise ValueError(
                    f"vectors[{name!r}] must be '1o' (vector) or '1e' (pseudovector), "
                    f"got {irrep!r}"
                )
        if not vectors and not edges:
            raise ValueError("edges=False needs vectors=..., or nothing is left to add")
        squared_length(0, normalization)  # refuses unknown normalizations
        self.lmax = lmax
        self.vectors = dict(vectors)
        self.edges = edges
        self.unit_scalar = unit_scalar
        self.normalization = normalization
        self._polar = Irreps.spherical_harmonics(lmax)
        # The component l = 0 of a pseudovector would say nothing new.
        axial = Irreps.spherical_harmonics(lmax, 1)[1:]
        self._axial = axial if "1e" in self.vectors.values() else Irreps()
        self.irreps_node_attr = self._polar + self._axial

    def forward(self, data: GraphData) -> GraphData:
        """Return ``data`` with ``node_attr``."""
        self.check_names(data, "vectors", self.vectors)
        stores = [store for store in data.node_stores if "pos" in store]
        if not stores:
            self.position(data.node_stores[0])
        polar = {id(s): self._physical(data, s, "1o", self._polar) for s in stores}
        if self.edges:
            self._add_geometry(data, polar)
        for store in stores:
            attr = polar[id(store)]
            if self.unit_scalar:
                attr[:, 0] = 1.0
            axial = self._physical(data, store, "1e", self._axial)
            store.node_attr = torch.cat([attr, axial], dim=-1)
        return data

    def _add_geometry(self, data: GraphData, attr: dict[int, Tensor]) -> None:
        """Add to the nodes the mean of the harmonics of their incoming edges."""
        total = {key: torch.zeros_like(widen(x)) for key, x in attr.items()}
        count = {key: x.new_zeros(len(x), 1) for key, x in total.items()}
        for edges in self.edges_of(data):
            edge_sh = self._harmonics(self._polar, widen(edges.vec))
            i, key = edges.store.edge_index[1].long(), id(edges.target)
            total[key] = total[key].index_add(0, i, edge_sh)
            count[key] = count[key].index_add(0, i, edge_sh.new_ones(len(i), 1))
        for key in attr:
            mean = total[key] / count[key].clamp(min=1)
            attr[key] = attr[key] + mean.to(attr[key].dtype)

    def _physical(
        self, data: GraphData, store: Any, irrep: str, irreps: Irreps
    ) -> Tensor:
        """The sum of the harmonics of the vectors of one parity."""
        pos = self.position(store)
        attr = pos.new_zeros(len(pos), irreps.dim)
        for name, declared in self.vectors.items():
            if declared == irrep:
                vector = self._vector(data, store, name, len(pos))
                if vector is not None and irreps.dim:
                    attr = attr + self._harmonics(irreps, vector.to(pos.dtype))
        return attr

    def _harmonics(self, irreps: Irreps, vectors: Tensor) -> Tensor:
        return spherical_harmonics(irreps, vectors, normalization=self.normalization)

    def _vector(
        self, data: GraphData, store: Any, name: str, size: int
    ) -> Tensor | None:
        """The vector ``name`` of each node of ``store``; None where it has none."""
        value = getattr(store, name, None)
        value = getattr(data, name, None) if value is None else value
        if value is None:
            return None
        check_tensor(value, name)
        check_device(value, self.position(store), name, "pos")
        if value.is_complex():
            raise TypeError(f"{name} is a vector of real numbers, got {value.dtype}")
        if isinstance(value, Tensor) and value.shape == (size, 3):
            return value
        num_graphs = number_of_graphs(data)
        if isinstance(value, Tensor) and value.shape == (num_graphs, 3):
            batch = graph_of(store)
            return value.expand(size, 3) if batch is None else value[batch]
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value)
        raise ValueError(
            f"AddNodeAttributes needs `{name}` as one vector for each node ({size}, 3) "
            f"or for each graph ({num_graphs}, 3), got {shape}"
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.lmax}, vectors={self.vectors}, "
            f"edges={self.edges}, unit_scalar={self.unit_scalar}, "
            f"normalization={self.normalization!r})"
        )
