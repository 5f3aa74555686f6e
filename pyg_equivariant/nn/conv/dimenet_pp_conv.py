"""DimeNet++'s convolution of edges."""

from typing import Any

from torch import Tensor

from ..activation import ActivationLike
from ..module import describe
from ._directional_conv import ProjectedConv


class DimeNetPPConv(ProjectedConv):
    r"""The directional message passing from the `"Fast and Uncertainty-Aware
    Directional Message Passing for Non-Equilibrium Molecules"
    <https://arxiv.org/abs/2011.14115>`_ paper.

    .. math::
        \mathbf{a}_{ji} &= \sum_{k \in \mathcal{N}(j) \setminus i}
        \phi\big(\mathbf{W}_\downarrow\, (\phi(\mathbf{W}_{kj} \mathbf{m}_{kj})
        \odot \mathbf{W}_\text{rbf}\, \mathbf{e}_{kj})\big)
        \odot \mathbf{W}_\text{sbf}\, \mathbf{a}_\text{sbf}(r_{kj}, \theta_{kji})

        \mathbf{m}^{\prime}_{ji} &= R\big(\phi(\mathbf{W}\, R(\phi(\mathbf{W}_{ji}
        \mathbf{m}_{ji}) + \phi(\mathbf{W}_\uparrow \mathbf{a}_{ji}))) +
        \mathbf{m}_{ji}\big)

    with activations :math:`\phi` and residual layers :math:`R`. Messages
    :math:`\mathbf{m}_{ji}` live on edges: the nodes of this layer are the edges of a
    molecule, ``x`` holds its messages, and its ``edge_index`` are pairs of edges that
    follow one another, as :func:`~pyg_equivariant.graph.triplets` finds them, whose
    angles ``edge_attr`` describes. On the atoms of a graph, with radial features in
    their place, it is as good a layer. Features are invariant.

    Args:
        channels (int): Size of the messages.
        edge_dim (int): Number of features of an angle.
        radial_dim (int, optional): Number of radial features of an edge of the
            molecule, the factor of its message; none if 0. (default: :obj:`0`)
        int_channels (int, optional): Size of messages while they are summed.
            (default: :obj:`64`)
        basis_channels (int, optional): Width between the two maps of each basis.
            (default: :obj:`8`)
        num_before_skip (int, optional): Residual layers before the message is added.
            (default: :obj:`1`)
        num_after_skip (int, optional): Residual layers after it.
            (default: :obj:`2`)
        act (str or Callable, optional): The activation, zero at zero.
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
        >>> import torch
        >>> from pyg_equivariant.graph import triplets
        >>> edge_index = torch.tensor([[0, 1, 2, 1], [1, 0, 1, 2]])
        >>> pairs = triplets(edge_index)
        >>> conv = DimeNetPPConv(16, edge_dim=42, radial_dim=6)
        >>> angles, radial = torch.randn(pairs.shape[1], 42), torch.randn(4, 6)
        >>> conv(torch.randn(4, 16), pairs, angles, radial).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        channels: int,
        edge_dim: int,
        radial_dim: int = 0,
        int_channels: int = 64,
        basis_channels: int = 8,
        num_before_skip: int = 1,
        num_after_skip: int = 2,
        act: ActivationLike = "silu",
        **kwargs: Any,
    ) -> None:
        dims, widths = (edge_dim, edge_dim, radial_dim), (basis_channels,) * 2
        layers = num_before_skip, num_after_skip
        super().__init__(channels, dims, int_channels, widths, layers, act, **kwargs)
        self.basis_channels = basis_channels
        self.reset_parameters()

    def filters(self, edge_attr: Tensor) -> Tensor:
        """What messages are multiplied by, ``(|E|, int_channels)``."""
        w: Tensor = self.lin_sbf2(self.lin_sbf1(edge_attr))
        return w

    def __repr__(self) -> str:
        return describe(
            self, "channels", "edge_dim radial_dim int_channels basis_channels"
        )
