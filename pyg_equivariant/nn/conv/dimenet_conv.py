"""DimeNet's convolution of edges."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptPairTensor, OptTensor

from pyg_equivariant import o3
from pyg_equivariant.kernels import Convolution

from ..activation import ActivationLike
from ..dense import Dense, OrthogonalDense
from ..module import describe
from ._directional_conv import DirectionalConv, optional


class DimeNetConv(DirectionalConv):
    r"""The directional message passing from the `"Directional Message Passing for
    Molecular Graphs" <https://arxiv.org/abs/2003.03123>`_ paper.

    .. math::
        \mathbf{a}_{ji} &= \mathbf{W} \sum_{k \in \mathcal{N}(j) \setminus i}
        \mathbf{W}_\text{sbf}\, \mathbf{a}_\text{sbf}(r_{kj}, \theta_{kji}) \otimes
        \big(\phi(\mathbf{W}_{kj} \mathbf{m}_{kj}) \odot \mathbf{W}_\text{rbf}\,
        \mathbf{e}_{kj}\big)

        \mathbf{m}^{\prime}_{ji} &= R\big(\phi(\mathbf{W}_\text{s}\, R(\phi(
        \mathbf{W}_{ji} \mathbf{m}_{ji}) + \mathbf{a}_{ji})) + \mathbf{m}_{ji}\big)

    with activations :math:`\phi` and residual layers :math:`R`; the bilinear map
    follows the sum, with which it commutes. Messages :math:`\mathbf{m}_{ji}` live on
    edges: the nodes of this layer are the edges of a molecule, ``x`` holds its
    messages, and its ``edge_index`` are pairs of edges that follow one another, as
    :func:`~pyg_equivariant.graph.triplets` finds them, whose angles ``edge_attr``
    describes. Features are invariant.

    Args:
        channels (int): Size of the messages.
        edge_dim (int): Number of features of an angle.
        radial_dim (int, optional): Number of radial features of an edge of the
            molecule, the factor of its message; none if 0. (default: :obj:`0`)
        num_bilinear (int, optional): Size of the angles in the bilinear map.
            (default: :obj:`8`)
        num_before_skip (int, optional): Residual layers before the message is added.
            (default: :obj:`1`)
        num_after_skip (int, optional): Residual layers after it.
            (default: :obj:`2`)
        act (str or Callable, optional): The activation.
            (default: :obj:`"silu"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** messages of the :math:`|V|` edges of a molecule :math:`(|V|, F)`,
          or a pair :math:`((|V_s|, F), (|V_t|, F))` if bipartite; edge indices
          :math:`(2, |E|)`; features of angles :math:`(|E|, D)`; radial features
          ``radial`` :math:`(|V_s|, R)`
        - **output:** messages :math:`(|V|, F)` or :math:`(|V_t|, F)`

    Examples:
        >>> from pyg_equivariant.graph import triplets
        >>> edge_index = torch.tensor([[0, 1, 2, 1], [1, 0, 1, 2]])
        >>> pairs = triplets(edge_index)
        >>> conv = DimeNetConv(16, edge_dim=42)
        >>> conv(torch.randn(4, 16), pairs, torch.randn(pairs.shape[1], 42)).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        channels: int,
        edge_dim: int,
        radial_dim: int = 0,
        num_bilinear: int = 8,
        num_before_skip: int = 1,
        num_after_skip: int = 2,
        act: ActivationLike = "silu",
        **kwargs: Any,
    ) -> None:
        sizes = channels, edge_dim, radial_dim
        super().__init__(*sizes, num_before_skip, num_after_skip, act, **kwargs)
        self.num_bilinear = num_bilinear

        # W_rbf, W_sbf
        self.lin_rbf = None
        if radial_dim:
            self.lin_rbf = OrthogonalDense(radial_dim, channels, bias=False)
        self.lin_sbf = OrthogonalDense(edge_dim, num_bilinear, bias=False)
        # Σ: paths 0 x 0 -> 0, summed over neighbors without forming messages
        product = o3.TensorProductPaths(
            o3.Irreps([(channels, "0e")]),
            o3.Irreps([(1, "0e")] * num_bilinear),
            o3.Irreps([(channels, "0e")] * num_bilinear),
            tuple(o3.Path(0, k, k, "uvu", False) for k in range(num_bilinear)),
            path_normalization="none",
        )
        self.convolve = Convolution(product)
        # W: the bilinear map
        self.bilinear = Dense(num_bilinear * channels, channels, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        torch.nn.init.normal_(self.bilinear.weight, std=2 / self.channels)

    def filters(self, edge_attr: Tensor) -> Tensor:
        """What messages are multiplied by, ``(|E|, num_bilinear)``."""
        w: Tensor = self.lin_sbf(edge_attr)
        return w

    def sources(self, x: Tensor, radial: OptTensor) -> Tensor:
        return optional(self.lin_rbf, radial, self.act(self.lin_kj(x)))

    def joined(self, x: Tensor) -> Tensor:
        out: Tensor = self.bilinear(x)
        return out

    def message(self, x_j: Tensor, w: Tensor) -> Tensor:
        return (w.unsqueeze(-1) * x_j.unsqueeze(-2)).flatten(-2)

    def message_and_aggregate(
        self, edge_index: Tensor, x: OptPairTensor, w: Tensor, dim_size: int
    ) -> Tensor:
        return self.convolve(x[0], w, None, edge_index, dim_size)

    def __repr__(self) -> str:
        return describe(self, "channels", "edge_dim radial_dim num_bilinear")
