"""Plain message passing, which knows of no space."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor, PairTensor

from pyg_equivariant.o3 import Irreps, widen

from ..dense import Dense
from ..edge_embedding import Edges
from ..mlp import MLP
from ..module import describe
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_residual,
    check_scalars,
    check_vector,
)


class MPNNConv(EquivariantConv):
    r"""The layer of the `"Neural Message Passing for Quantum Chemistry"
    <https://arxiv.org/abs/1704.01212>`_ paper, in the plain form of the N-body
    benchmark: EGNN without positions.

    .. math::
        \mathbf{m}_{ij} &= \phi_m\big(\mathbf{h}_i, \mathbf{h}_j,
        \mathbf{a}_{ij}\big) \;\big[\, \sigma\big(\phi_a(|\mathbf{h}_i -
        \mathbf{h}_j|)\big)\big] \\
        \mathbf{h}^{\prime}_i &= \mathbf{h}_i + \phi_h\Big(\mathbf{h}_i,
        \sum_{j \in \mathcal{N}(i)} \mathbf{m}_{ij}\Big)

    With invariant features :math:`\mathbf{h}` (``x``) the result is invariant. Fed with
    coordinates, as in the benchmark, it is equivariant under nothing but permutations.

    Args:
        in_channels (int or tuple): Size of the input features; a pair (of sources, of
            targets) if bipartite.
        hidden_channels (int): Width of the messages and of all networks.
        out_channels (int): Size of the output features.
        edge_dim (int, optional): Size of the edge features :math:`\mathbf{a}_{ij}`.
            (default: :obj:`0`)
        attention (bool, optional): Multiply messages by a learned gate of the absolute
            differences of features, component by component; a pair of inputs needs
            equal sizes then. (default: :obj:`False`)
        residual (bool, optional): Add :math:`\mathbf{h}_i` to its update; by default
            where the sizes agree. (default: :obj:`None`)
        act (str or callable, optional): Activation of all networks.
            (default: :obj:`"silu"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, F_{in})`, or the pair of those of sources and
          targets if bipartite; edge indices :math:`(2, |E|)`; edge features
          :math:`(|E|, D)`; ``edge_weight`` :math:`(|E|)`, an envelope that multiplies
          messages
        - **output:** features :math:`(|V|, F_{out})`

    Examples:
        >>> conv = MPNNConv(16, 32, 16)
        >>> conv(torch.randn(4, 16), torch.tensor([[1, 2, 3], [0, 0, 1]])).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        hidden_channels: int,
        out_channels: int,
        edge_dim: int = 0,
        attention: bool = False,
        residual: bool | None = None,
        act: Any = "silu",
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr="add", **kwargs)
        sizes = (in_channels,) * 2 if isinstance(in_channels, int) else in_channels
        if attention and sizes[0] != sizes[1]:
            raise ValueError(
                f"attention compares features of equal sizes, got {sizes}; pass "
                "attention=False"
            )
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.out_channels = out_channels
        self.edge_dim = edge_dim
        self.attention = attention
        self.residual = check_residual(residual, sizes[1], out_channels)
        self.irreps_in = Irreps([(sizes[1], "0e")])
        self.irreps_out = Irreps([(out_channels, "0e")])
        self._sizes = sizes

        hidden = hidden_channels
        # φ_m: message network
        self.phi_m = MLP([sum(sizes) + edge_dim, hidden, hidden], act, act_last=True)
        # φ_h: feature network
        self.phi_h = MLP([sizes[1] + hidden, hidden, out_channels], act)
        # φ_a: attention network
        self.phi_a = MLP([sizes[1], hidden, 1], act) if attention else None
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj,
        edge_attr: OptTensor = None,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        """Exchange messages.

        Args:
            x: features, or a pair of those of sources and of targets.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_attr: features of edges, if ``edge_dim`` is not 0.
            edge_weight: an envelope that multiplies messages.

        Returns:
            Features ``(|V|, out_channels)``.
        """
        x = as_pair(x, self.flow)
        like = next(self.phi_h.parameters())
        for k in range(2):
            check_scalars(x[k], self._sizes[k], "x", like)
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_vector(edge_weight, "edge_weight", like)
        check_edge_inputs(edge_index, edge_attr=edge_attr, edge_weight=edge_weight)
        # Message passing
        # propagate_type: (x: PairTensor, edge_attr: OptTensor, edge_weight: OptTensor)
        m = self.sum_messages(
            edge_index, x, edge_attr=edge_attr, edge_weight=edge_weight
        )
        # Update
        h = self.phi_h(torch.cat([x[1], m.to(x[1].dtype)], dim=-1))
        return x[1] + h if self.residual else h

    def message(
        self, x_i: Tensor, x_j: Tensor, edge_attr: OptTensor, edge_weight: OptTensor
    ) -> Tensor:
        m = [x_i, x_j] if edge_attr is None else [x_i, x_j, edge_attr]
        m = self.phi_m(torch.cat(m, dim=-1))
        if self.phi_a is not None:
            m = m * self.phi_a((x_i - x_j).abs()).sigmoid()
        return m if edge_weight is None else m * edge_weight.unsqueeze(-1)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: PairTensor,
        edge_attr: OptTensor,
        edge_weight: OptTensor,
        dim_size: int,
    ) -> Tensor:
        j, i = edge_index.long()
        # The first map of φ_m begins at the nodes
        first = self.phi_m.linears[0]
        assert isinstance(first, Dense)
        m = self.phi_m.after_first(first.on_edges(x, edge_index, edge_attr))
        if self.phi_a is not None:
            difference = x[1].index_select(0, i) - x[0].index_select(0, j)
            m = m * self.phi_a(difference.abs()).sigmoid()
        m = widen(m if edge_weight is None else m * edge_weight.unsqueeze(-1))
        return m.new_zeros(dim_size, m.shape[1]).index_add(0, i, m)

    def on_edges(self, x: Tensor, edges: Edges) -> Tensor:
        """The layer on ``edges``."""
        check_ends(x, edges.graph, bipartite=False)
        edge_attr = edges.edge_attr if self.edge_dim else None
        return self(x, edges.edge_index, edge_attr, edges.edge_weight)

    def __repr__(self) -> str:
        return describe(self, "in_channels, hidden_channels, out_channels", "edge_dim")
