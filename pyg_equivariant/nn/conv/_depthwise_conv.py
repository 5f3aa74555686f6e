"""What the linear steerable convolutions share: one product, weighted at every edge."""

from typing import Any, Optional

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor

from pyg_equivariant.kernels import Convolution
from pyg_equivariant.o3 import Irreps, IrrepsLike, TensorProductPaths

from ..activation import ActivationLike
from ..edge_embedding import Edges
from ..mlp import RadialMLP
from ..module import check_features, describe
from ..tensor_product import TensorProduct
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_equivariant_aggr,
    check_positive,
    check_scalars,
)


class DepthwiseConv(EquivariantConv):
    r"""Base of convolutions by the depth-wise tensor product with harmonics.

    .. math::
        \sum_{j \in \mathcal{N}(i)} R(\mathbf{e}_{ij})\;
        \mathbf{x}_j \otimes Y(\hat r_{ij})

    What is mixed before and after, and what a node keeps of itself, is the layer's.

    Args:
        irreps_in: of the input features.
        irreps_sh: of the harmonics.
        irreps_out: of the output features.
        keep: irreps of the messages.
        edge_dim: number of radial features.
        radial_channels: widths of the hidden layers of the radial network.
        act: activation of the radial network.
        radial: a radial network in its place.
        avg_num_neighbors: by which sums over neighbors are divided.
        aggr: how messages are joined.
        **kwargs: of PyG's ``MessagePassing``.
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        keep: IrrepsLike,
        edge_dim: int,
        radial_channels: tuple[int, ...],
        act: ActivationLike,
        radial: Optional[torch.nn.Module],
        avg_num_neighbors: float,
        aggr: str,
        **kwargs: Any,
    ) -> None:
        check_equivariant_aggr(aggr)
        check_positive(avg_num_neighbors, "avg_num_neighbors")
        super().__init__(aggr=aggr, node_dim=0, **kwargs)
        self.irreps_in = Irreps(irreps_in)
        self.irreps_sh = Irreps(irreps_sh)
        self.irreps_out = Irreps(irreps_out)
        self.edge_dim = edge_dim
        self.avg_num_neighbors = avg_num_neighbors

        # ⊗: the paths, weighted at every edge
        product = self._product(Irreps(keep))
        self.tp = TensorProduct(product, internal_weights=False)
        # Σ ⊗: the same, summed over neighbors without forming messages
        self.convolve = Convolution(product)
        # R: radial network
        if radial is None:
            channels = [edge_dim, *radial_channels, product.weight_numel]
            radial = RadialMLP(channels, act)
        self.radial = radial

    def _product(self, keep: Irreps) -> TensorProductPaths:
        """The paths; a layer that mixes channels in them has others."""
        return TensorProductPaths.depthwise(self.irreps_in, self.irreps_sh, keep=keep)

    def path_weights(self, edge_index: Adj, edge_attr: Tensor, like: Tensor) -> Tensor:
        """The weights of the paths at every edge, ``(|E|, tp.weight_numel)``."""
        if isinstance(self.radial, RadialMLP):
            check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
            check_edge_inputs(edge_index, edge_attr=edge_attr)
        weight: Tensor = self.radial(edge_attr)
        return weight

    def checked(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        weight: Tensor,
        like: Tensor,
    ) -> OptPairTensor:
        """Features of sources and of targets, all known to fit each other."""
        x = as_pair(x, self.flow)
        check_features(x[0], self.irreps_in, "x", like)
        check_features(edge_sh, self.irreps_sh, "edge_sh", like)
        check_scalars(weight, self.tp.weight_numel, "weight", like)
        check_edge_inputs(edge_index, edge_sh=edge_sh, weight=weight)
        return x

    def message(self, x_j: Tensor, edge_sh: Tensor, weight: Tensor) -> Tensor:
        return self.tp(x_j, edge_sh, weight)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: OptPairTensor,
        edge_sh: Tensor,
        weight: Tensor,
        dim_size: int,
    ) -> Tensor:
        return self.convolve(x[0], edge_sh, weight, edge_index, dim_size)

    def on_edges(self, x: Tensor | OptPairTensor, edges: Edges) -> Tensor:
        check_ends(x, edges.graph)
        return self(x, edges.edge_index, edges.edge_sh, edges.edge_attr)

    def __repr__(self) -> str:
        return describe(self, "irreps_in -> irreps_out", "irreps_sh edge_dim")
