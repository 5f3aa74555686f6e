"""Steerable edge attributes: the spherical harmonics of the edge directions."""

from __future__ import annotations

from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.kernels import spherical_harmonics
from pyg_equivariant.nn import SphericalHarmonics
from pyg_equivariant.o3 import HarmonicsLike, Irreps, squared_length

from ._graphs import GraphData, GraphTransform


@functional_transform("add_spherical_harmonics")
class AddSphericalHarmonics(GraphTransform):
    r"""Adds harmonics of the edges (functional name: ``add_spherical_harmonics``).

    .. math::
        \texttt{edge\_sh}_{ij} = \bigoplus_{l=0}^{l_\text{max}}
        Y_l(\vec{r}_{ij} / |\vec{r}_{ij}|)

    The steerable edge attributes of SEGNN and TFN, irreps ``1x0e+1x1o+1x2e+...``.

    Args:
        irreps_sh (str or Irreps, optional): Irreps of the harmonics, such as
            ``"0e+1o+2e"``. Give them or ``lmax``.
        normalization (str): ``"component"``, ``"norm"`` or ``"integral"``; see
            :func:`~pyg_equivariant.nn.spherical_harmonics`.
            (default: ``"component"``)
        lmax (int, optional): The largest of the degrees :math:`0, 1, \dots`; by name
            only, for ``nn.SphericalHarmonics(2)`` is degree 2 alone.

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, edge_index :math:`(2, |E|)`
        - **output:** edge_sh :math:`(|E|, \text{irreps\_sh.dim})`

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> data = Data(pos=torch.rand(3, 3), edge_index=torch.tensor([[0, 1], [1, 2]]))
        >>> AddSphericalHarmonics(lmax=2)(data).edge_sh.shape
        torch.Size([2, 9])
    """

    def __init__(
        self,
        irreps_sh: HarmonicsLike | None = None,
        normalization: str = "component",
        *,
        lmax: int | None = None,
    ) -> None:
        harmonics = SphericalHarmonics(_chosen(irreps_sh, lmax), irreps_in="1o")
        self.irreps_sh = harmonics.irreps_out
        self.normalization = normalization
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
            f"{type(self).__name__}('{self.irreps_sh}', "
            f"normalization={self.normalization!r})"
        )


def _chosen(irreps_sh: HarmonicsLike | None, lmax: int | None) -> HarmonicsLike:
    """The harmonics that one of the two means."""
    if isinstance(irreps_sh, int):
        raise TypeError(
            f"AddSphericalHarmonics({irreps_sh}) could mean all degrees up to "
            f"{irreps_sh} or, as in e3nn, degree {irreps_sh} alone; write "
            f"lmax={irreps_sh} for the first, irreps_sh="
            f"'{irreps_sh}{'eo'[irreps_sh % 2]}' for the second"
        )
    if irreps_sh is not None and lmax is None:
        return irreps_sh
    if irreps_sh is None and lmax is not None:
        return Irreps.spherical_harmonics(lmax)
    raise ValueError(
        f"give irreps_sh, such as '0e+1o+2e', or lmax, such as 2, got "
        f"irreps_sh={irreps_sh!r} and lmax={lmax!r}"
    )
