"""The length of every edge in a radial basis."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.data.datapipes import functional_transform

from pyg_equivariant.nn.edge_embedding import radial_features
from pyg_equivariant.o3 import check_device, check_tensor, safe_norm

from ._graphs import GraphData, GraphTransform


@functional_transform("add_radial_basis")
class AddRadialBasis(GraphTransform):
    r"""Adds radial features of the edges (functional name: ``add_radial_basis``).

    .. math::
        \texttt{edge\_attr}_{ij} = \big(b_1(|\vec{r}_{ij}|), \dots,
        b_K(|\vec{r}_{ij}|)\big)\, f(|\vec{r}_{ij}|)

    Args:
        basis (callable): Maps lengths :math:`(|E|)` to features :math:`(|E|, K)`, such
            as :class:`~pyg_equivariant.nn.GaussianBasis` or
            :class:`~pyg_equivariant.nn.BesselBasis`. The transform keeps a copy.
        cat (bool): Append to the ``edge_attr`` that there is, as PyG's transforms do,
            or replace it. (default: :obj:`True`)
        envelope (callable, optional): The function :math:`f` of lengths, such as
            :class:`~pyg_equivariant.nn.PolynomialCutoff`, which makes a network smooth
            where neighbors come and go. (default: :obj:`None`)

    Shapes:
        - **input:** pos :math:`(|V|, 3)`, edge_index :math:`(2, |E|)`
        - **output:** edge_attr :math:`(|E|, K)`, or :math:`(|E|, D + K)` with :math:`D`
          earlier features

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from pyg_equivariant.nn.radial import BesselBasis
        >>> data = Data(pos=torch.rand(3, 3), edge_index=torch.tensor([[0, 1], [1, 2]]))
        >>> AddRadialBasis(BesselBasis(8, cutoff=5.0))(data).edge_attr.shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        basis: Callable[[Tensor], Tensor],
        cat: bool = True,
        envelope: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if not callable(basis):
            raise TypeError(
                f"basis must map lengths to features, such as BesselBasis(8, cutoff), "
                f"got {type(basis).__name__}"
            )
        if not (envelope is None or callable(envelope)):
            raise TypeError(
                "envelope must map lengths to factors, such as PolynomialCutoff(5.0), "
                f"got {type(envelope).__name__}"
            )
        self.basis = copy.deepcopy(basis)
        self.envelope = envelope
        self.cat = cat

    def forward(self, data: GraphData) -> GraphData:
        """Return ``data`` with ``edge_attr``."""
        for edges in self.edges_of(data):
            length = safe_norm(edges.vec)
            if isinstance(self.basis, torch.nn.Module):
                self.basis.to(length)
            weight = None if self.envelope is None else self.envelope(length)
            features = radial_features(length, self.basis, weight)
            earlier = getattr(edges.store, "edge_attr", None)
            if self.cat and earlier is not None:
                _check_earlier(earlier, features)
                earlier = earlier.reshape(len(features), -1).to(features.dtype)
                features = torch.cat([earlier, features], dim=-1)
            edges.store.edge_attr = features
        return data

    def __repr__(self) -> str:
        cat = "" if self.cat else ", cat=False"
        envelope = "" if self.envelope is None else f", envelope={self.envelope!r}"
        return f"{type(self).__name__}({self.basis!r}{cat}{envelope})"


def _check_earlier(edge_attr: Tensor, features: Tensor) -> None:
    check_tensor(edge_attr, "edge_attr")
    check_device(edge_attr, features, "edge_attr", "pos")
    if edge_attr.shape[:1] != features.shape[:1] or edge_attr.is_complex():
        raise ValueError(
            f"expected one row of real edge_attr for each of {len(features)} edges, "
            f"got {edge_attr.dtype} of shape {tuple(edge_attr.shape)}"
        )
