"""The convolution of tensor field networks."""

import math
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor, Size

from pyg_equivariant.o3 import IrrepsLike

from ..linear import Linear
from ..module import check_features
from ._depthwise_conv import DepthwiseConv
from ._inputs import known_targets


class TFNConv(DepthwiseConv):
    r"""The convolution of the `"Tensor field networks: Rotation- and
    translation-equivariant neural networks for 3D point clouds"
    <https://arxiv.org/abs/1802.08219>`_ paper: the linear steerable convolution.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W} \Big( \frac{1}{\sqrt{\bar n}}
        \sum_{j \in \mathcal{N}(i)} \mathbf{x}_j \otimes_{R(\mathbf{e}_{ij})}
        Y(\hat r_{ij}) \;\oplus\; \mathbf{x}_i \Big)

    Every path of the tensor product :math:`\otimes` of the features with the harmonics
    of the edge has its own weight :math:`R(\mathbf{e}_{ij})`, a radial network on
    the features of the distance, which acts channel by channel. :math:`\mathbf{W}` then
    mixes paths and channels (self-interaction, with a bias on scalars);
    :math:`\bar n` is the average number of neighbors.

    The other linear convolutions are subsets of its paths:
    :class:`~pyg_equivariant.nn.SchNetConv` is :math:`0 \times 0 \to 0`,
    :class:`~pyg_equivariant.nn.PaiNNConv` adds :math:`0 \times 1 \to 1` and
    :math:`1 \times 0 \to 1`.

    Args:
        irreps_in (str or Irreps): Irreps of the input features.
        irreps_sh (str or Irreps): Irreps of the edge harmonics.
        irreps_out (str or Irreps): Irreps of the output features.
        edge_dim (int): Number of radial features of an edge.
        radial_channels (list of int, optional): Widths of the hidden layers of the
            radial network; empty for a linear map. (default: :obj:`(64,)`)
        self_interaction (bool, optional): Let :math:`\mathbf{x}_i` itself take part.
            (default: :obj:`True`)
        avg_num_neighbors (float, optional): The number :math:`\bar n`.
            (default: :obj:`1.0`)
        radial (torch.nn.Module, optional): A radial network of your own, from
            ``edge_attr`` to ``(|E|, tp.weight_numel)``. With
            :class:`torch.nn.Identity`, ``edge_attr`` are the weights.
            (default: :obj:`None`)
        aggr (str, optional): How messages are joined, ``"add"`` or ``"mean"``.
            (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite (the second may be :obj:`None` without
          self-interaction); edge indices :math:`(2, |E|)`; harmonics
          :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the receiver to the
          sender; radial features :math:`(|E|, D)`. Messages vanish where the radial
          features do: multiply those by an envelope
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = TFNConv("16x0e", "0e+1o", "16x0e+8x1o", edge_dim=20)
        >>> print(conv.tp.product)
        16x0e * 1x0e+1x1o -> 16x0e+16x1o (2 paths, 32 weights)
          16x0e * 1x0e -> 16x0e  uvu  16 weights  coefficient 1.0000
          16x0e * 1x1o -> 16x1o  uvu  16 weights  coefficient 1.7321
        >>> x, edge_index = torch.randn(4, 16), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> conv(x, edge_index, torch.randn(3, 4), torch.rand(3, 20)).shape
        torch.Size([4, 40])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        radial_channels: tuple[int, ...] = (64,),
        self_interaction: bool = True,
        avg_num_neighbors: float = 1.0,
        radial: torch.nn.Module | None = None,
        aggr: str = "add",
        **kwargs: Any,
    ) -> None:
        irreps = irreps_in, irreps_sh, irreps_out, irreps_out
        network = edge_dim, radial_channels, "silu", radial
        super().__init__(*irreps, *network, avg_num_neighbors, aggr, **kwargs)
        self.self_interaction = self_interaction

        # W: mixing of paths and channels
        mixed = self.tp.irreps_out
        if self_interaction:
            mixed = mixed + self.irreps_in
        self.mix = Linear(mixed, self.irreps_out)
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        size: Size = None,
    ) -> Tensor:
        """Convolve.

        Args:
            x: features, or a pair of those of sources and of targets; these are read by
                self-interaction only.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders.
            edge_attr: radial features, which carry the envelope.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Features of ``irreps_out``.
        """
        # Radial part
        weight = self.path_weights(edge_index, edge_attr, self.mix.weight)
        return self.interact(x, edge_index, edge_sh, weight, size)

    def interact(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        weight: Tensor,
        size: Size = None,
    ) -> Tensor:
        """The layer after its radial network, given ``(|E|, tp.weight_numel)``."""
        x = self.checked(x, edge_index, edge_sh, weight, self.mix.weight)
        if self.self_interaction:
            own = known_targets(x[1], "self-interaction needs")
            check_features(own, self.irreps_in, "x", self.mix.weight)
        # Message passing
        # propagate_type: (x: OptPairTensor, edge_sh: Tensor, weight: Tensor)
        out = self.sum_messages(edge_index, x, size, edge_sh=edge_sh, weight=weight)
        out = out / math.sqrt(self.avg_num_neighbors)
        # Self-interaction
        if self.self_interaction:
            out = torch.cat([out, x[1]], dim=-1)
        return self.mix(out)
