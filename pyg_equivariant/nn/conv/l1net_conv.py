"""The convolution of L1Net."""

import math
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor, Size

from pyg_equivariant.o3 import Irreps, IrrepsLike, TensorProductPaths, widen

from ..activation import ActivationLike
from ._depthwise_conv import DepthwiseConv

SHARPNESS = 5.0  # beta of all activations


def sharp_softplus(x: Tensor) -> Tensor:
    r"""Softplus of :math:`\beta = 5`."""
    return F.softplus(x, beta=SHARPNESS)


def sharp_shifted_softplus(x: Tensor) -> Tensor:
    r"""Softplus of :math:`\beta = 5`, lowered to be 0 at 0."""
    # the two cancel near zero, where half precision would keep few digits
    y = F.softplus(widen(x), beta=SHARPNESS) - math.log(2) / SHARPNESS
    return y.to(x.dtype)


class L1NetConv(DepthwiseConv):
    r"""The convolution of the `"Relevance of Rotationally Equivariant Convolutions for
    Predicting Molecular Properties" <https://arxiv.org/abs/2008.08461>`_ paper (L1Net):
    the tensor field convolution whose kernel mixes all channels.

    .. math::
        \mathbf{x}^{\prime}_i = \frac{1}{\sqrt{\bar n}} \sum_{j \in \mathcal{N}(i)}
        \mathbf{x}_j \otimes_{R(\mathbf{e}_{ij})} Y(\hat r_{ij})

    Beside :class:`~pyg_equivariant.nn.TFNConv`, whose paths act channel by channel
    before a mixing, every path has a matrix of channels of its own at every edge, and
    there is no self-interaction. Without bias in :math:`R`, messages vanish where the
    radial features do.

    With irreps that are all even, such as ``"8x0e+8x1e"`` with harmonics ``"0e+1e"``,
    all products of degrees are paths, as in the authors' code, and it commutes with
    rotations only (SE(3)); with ``"8x0e+8x1o"`` and ``"0e+1o"`` with reflections, too.

    Args:
        irreps_in (str or Irreps): Irreps of the input features.
        irreps_sh (str or Irreps): Irreps of the edge harmonics.
        irreps_out (str or Irreps): Irreps of the output features.
        edge_dim (int): Number of radial features of an edge.
        radial_channels (list of int, optional): Widths of the hidden layers of the
            radial network. (default: :obj:`(128, 128)`)
        avg_num_neighbors (float, optional): The number :math:`\bar n`; of the authors
            that of the atoms of a molecule. (default: :obj:`1.0`)
        radial_act (str or Callable, optional): Activation of the radial network.
            (default: a shifted softplus of :math:`\beta = 5`)
        radial (torch.nn.Module, optional): A radial network of your own, from
            ``edge_attr`` to ``(|E|, tp.weight_numel)``. (default: :obj:`None`)
        aggr (str, optional): How messages are joined, ``"add"`` or ``"mean"``.
            (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite (the second may be :obj:`None`); edge
          indices :math:`(2, |E|)`; harmonics :math:`(|E|, \text{irreps\_sh.dim})` of
          the vector from the receiver to the sender, normalized as ``"norm"``; radial
          features :math:`(|E|, D)`
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = L1NetConv("4x0e", "0e+1e", "4x0e+2x1e", edge_dim=8)
        >>> conv.tp.weight_numel
        24
        >>> x, edge_index = torch.randn(4, 4), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> conv(x, edge_index, torch.randn(3, 4), torch.rand(3, 8)).shape
        torch.Size([4, 10])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        radial_channels: tuple[int, ...] = (128, 128),
        avg_num_neighbors: float = 1.0,
        radial_act: ActivationLike = sharp_shifted_softplus,
        radial: Optional[torch.nn.Module] = None,
        aggr: str = "add",
        **kwargs: Any,
    ) -> None:
        irreps = irreps_in, irreps_sh, irreps_out, irreps_out
        network = edge_dim, radial_channels, radial_act, radial
        super().__init__(*irreps, *network, avg_num_neighbors, aggr, **kwargs)
        self.reset_parameters()

    def _product(self, keep: Irreps) -> TensorProductPaths:
        irreps = self.irreps_in, self.irreps_sh, keep
        return TensorProductPaths.fully_connected(*irreps, irrep_normalization="norm")

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
            x: features, or a pair of those of sources and of targets, which are unread.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders,
                normalized as ``"norm"``.
            edge_attr: radial features.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Features of ``irreps_out``.
        """
        # Radial part
        weight = self.path_weights(edge_index, edge_attr, self._like())
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
        x = self.checked(x, edge_index, edge_sh, weight, self._like())
        # Message passing
        # propagate_type: (x: OptPairTensor, edge_sh: Tensor, weight: Tensor)
        out = self.sum_messages(edge_index, x, size, edge_sh=edge_sh, weight=weight)
        return out / math.sqrt(self.avg_num_neighbors)

    def _like(self) -> Tensor:
        """A tensor of the layer's dtype and device."""
        return next(self.parameters(), next(self.tp.buffers()))
