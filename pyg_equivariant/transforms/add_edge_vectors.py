"""The vector and the length of every edge."""

from __future__ import annotations

from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.o3 import safe_norm

from ._graphs import GraphData, GraphTransform


@functional_transform("add_edge_vectors")
class AddEdgeVectors(GraphTransform):
    r"""Adds vector and length of every edge (functional name: ``add_edge_vectors``).

    .. math::
        \vec{r}_{ij} = \vec{r}_j - \vec{r}_i + \mathbf{s}_{ij} \mathbf{A}, \qquad
        (j, i) = \texttt{edge\_index},

    from the target to the source, as :func:`~pyg_equivariant.graph.edge_vectors` says,
    with the periodic translation where the data have ``edge_shift`` and ``cell``.

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, edge_index :math:`(2, |E|)`
        - **output:** edge_vec :math:`(|E|, 3)`, edge_length :math:`(|E|)`

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> pos = torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]])
        >>> data = AddEdgeVectors()(Data(pos=pos, edge_index=torch.tensor([[1], [0]])))
        >>> data.edge_vec, data.edge_length
        (tensor([[0., 3., 4.]]), tensor([5.]))
    """

    def forward(self, data: GraphData) -> GraphData:
        """Return ``data`` with ``edge_vec`` and ``edge_length``."""
        for edges in self.edges_of(data):
            edges.store.edge_vec = edges.vec
            edges.store.edge_length = safe_norm(edges.vec)
        return data
