"""Steerable edge attributes: the spherical harmonics of the edge directions."""

from __future__ import annotations

from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.kernels import spherical_harmonics
from pyg_equivariant.o3 import Irreps, squared_length

from ._graphs import GraphData, GraphTransform


@functional_transform("add_spherical_harmonics")
class AddSphericalHarmonics(GraphTransform):
    r"""Adds harmonics of the edges (functional name: ``add_spherical_harmonics``).

    .. math::
        \texttt{edge\_sh}_{ij} = \bigoplus_{l=0}^{l_\text{max}}
        Y_l(\vec{r}_{ij} / |\vec{r}_{ij}|)

    The steerable edge attributes of SEGNN and TFN, irreps ``1x0e+1x1o+1x2e+...``.

    Args:
        lmax (int): The largest degree.
        normalization (str): ``"component"``, ``"norm"`` or ``"integral"``; see
            :func:`~pyg_equivariant.nn.spherical_harmonics`.
            (default: ``"component"``)

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, edge_index :math:`(2, |E|)`
        - **output:** edge_sh :math:`(|E|, (l_\text{max} + 1)^2)`

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> data = Data(pos=torch.rand(3, 3), edge_index=torch.tensor([[0, 1], [1, 2]]))
        >>> AddSphericalHarmonics(lmax=2)(data).edge_sh.shape
        torch.Size([2, 9])
    """

    def __init__(self, lmax: int, normalization: str = "component") -> None:
        self.lmax = lmax
        self.normalization = normalization
        self.irreps_sh = Irreps.spherical_harmonics(lmax)
        squared_length(0, normalization)  # refuses unknown normalizations

    def forward(self, data: GraphData) -> GraphData:
        """Return ``data`` with ``edge_sh``."""
        for edges in self.edges_of(data):
            edges.store.edge_sh = spherical_harmonics(
                self.irreps_sh, edges.vec, normalization=self.normalization
            )
        return data

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.lmax}, normalization={self.normalization!r})"
        )
