"""SphereNet's convolution of edges."""

from typing import Any

from torch import Tensor

from ..activation import ActivationLike
from ..dense import OrthogonalDense
from ._directional_conv import ProjectedConv


class SphereNetConv(ProjectedConv):
    r"""The spherical message passing from the `"Spherical Message Passing for 3D
    Molecular Graphs" <https://arxiv.org/abs/2102.05013>`_ paper.

    .. math::
        \mathbf{a}_{ji} &= \sum_{k \in \mathcal{N}(j) \setminus i}
        \phi\big(\mathbf{W}_\downarrow\, (\phi(\mathbf{W}_{kj} \mathbf{m}_{kj})
        \odot \mathbf{W}_\text{rbf}\, \mathbf{e}_{kj})\big)
        \odot \mathbf{W}_\text{sbf}\, \mathbf{a}_\text{sbf}(r_{kj}, \theta_{kji})
        \odot \mathbf{W}_\text{t}\, \mathbf{a}_\text{t}(r_{kj}, \theta_{kji},
        \varphi_{kji})

        \mathbf{m}^{\prime}_{ji} &= R\big(\phi(\mathbf{W}\, R(\phi(\mathbf{W}_{ji}
        \mathbf{m}_{ji}) + \phi(\mathbf{W}_\uparrow \mathbf{a}_{ji}))) +
        \mathbf{m}_{ji}\big)

    :class:`~pyg_equivariant.nn.DimeNetPPConv` with a factor of the torsion
    :math:`\varphi`, of the plane of :math:`k, j, i` against that of another neighbor of
    :math:`j`. Messages live on edges: the nodes of this layer are the edges of a
    molecule, ``x`` holds its messages, and its ``edge_index`` are pairs of edges that
    follow one another, as :func:`~pyg_equivariant.graph.triplets` finds them; of each
    ``edge_attr`` holds features of the angle, then those of the torsion. Features are
    invariant under rotations; torsions change under reflections (SE(3) only).

    Args:
        channels (int): Size of the messages.
        edge_dim (int): Number of features of an angle.
        torsion_dim (int): Number of features of a torsion.
        radial_dim (int, optional): Number of radial features of an edge of the
            molecule, the factor of its message; none if 0. (default: :obj:`0`)
        int_channels (int, optional): Size of messages while they are summed.
            (default: :obj:`64`)
        basis_channels (tuple of int, optional): Widths between the two maps of each
            basis: of lengths, angles and torsions. (default: :obj:`(8, 8, 8)`)
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
          :math:`(2, |E|)`; features of angles and torsions :math:`(|E|, D + T)`; radial
          features ``radial`` :math:`(|V_s|, R)`
        - **output:** messages :math:`(|V|, F)` or :math:`(|V_t|, F)`

    Examples:
        >>> import torch
        >>> from pyg_equivariant.graph import triplets
        >>> edge_index = torch.tensor([[0, 1, 2, 1], [1, 0, 1, 2]])
        >>> pairs = triplets(edge_index)
        >>> conv = SphereNetConv(16, edge_dim=18, torsion_dim=54)
        >>> conv(torch.randn(4, 16), pairs, torch.randn(pairs.shape[1], 72)).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        channels: int,
        edge_dim: int,
        torsion_dim: int,
        radial_dim: int = 0,
        int_channels: int = 64,
        basis_channels: tuple[int, int, int] = (8, 8, 8),
        num_before_skip: int = 1,
        num_after_skip: int = 2,
        act: ActivationLike = "silu",
        **kwargs: Any,
    ) -> None:
        of_lengths, of_angles, of_torsions = basis_channels
        dims = edge_dim + torsion_dim, edge_dim, radial_dim
        widths, layers = (of_lengths, of_angles), (num_before_skip, num_after_skip)
        super().__init__(channels, dims, int_channels, widths, layers, act, **kwargs)
        self.torsion_dim = torsion_dim
        self.basis_channels = tuple(basis_channels)

        # W_t: in two steps
        self.lin_t1 = OrthogonalDense(torsion_dim, of_torsions, bias=False)
        self.lin_t2 = OrthogonalDense(of_torsions, int_channels, bias=False)
        self.reset_parameters()

    def filters(self, edge_attr: Tensor) -> Tensor:
        """What messages are multiplied by, ``(|E|, int_channels)``."""
        sizes = [self.edge_dim - self.torsion_dim, self.torsion_dim]
        return self.filters_of(*edge_attr.split(sizes, dim=-1))

    def filters_of(self, angles: Tensor, torsions: Tensor) -> Tensor:
        """The filters, given features of angles and of torsions apart."""
        w: Tensor = self.lin_sbf2(self.lin_sbf1(angles))
        return w * self.lin_t2(self.lin_t1(torsions))

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.channels}, "
            f"edge_dim={self.edge_dim - self.torsion_dim}, "
            f"torsion_dim={self.torsion_dim}, radial_dim={self.radial_dim}, "
            f"int_channels={self.int_channels}, basis_channels={self.basis_channels})"
        )
