"""LieConv: convolution over a group."""

from itertools import pairwise
from typing import Any, Optional

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import Adj, OptTensor, PairTensor

from pyg_equivariant import o3
from pyg_equivariant.kernels import Convolution, is_plain_call

from ..activation import ActivationLike, resolve_activation
from ..dense import Dense
from ..edge_embedding import Edges
from ..masked_batch_norm import MaskedBatchNorm
from ..module import describe
from ._ball import Ball
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_scalars,
    check_vector,
)

GROUP_DIMS = {"T(3)": 3, "SE(3)": 6}


class LieConv(EquivariantConv):
    r"""The group convolution from the `"Generalizing Convolutional Neural Networks for
    Equivariance to Lie Groups on Arbitrary Continuous Data"
    <https://arxiv.org/abs/2002.12880>`_ paper.

    .. math::
        \mathbf{x}^{\prime}_i = \frac{1}{|\mathcal{B}(i)|} \Big( \mathbf{W}
        \sum_{j \in \mathcal{B}(i)} \mathbf{x}_j \otimes
        \mathbf{k}\big(\log(u_j^{-1} u_i)\big) + \mathbf{b} \Big)

    Nodes are elements :math:`u` of a group, and features are functions on it. The
    kernel :math:`\mathbf{k}` is a network on the Lie algebra. For ``"T(3)"`` the
    logarithm is :math:`\vec{r}_i - \vec{r}_j`; for ``"SE(3)"`` it has six numbers, see
    :func:`~pyg_equivariant.graph.lift`, and nodes are lifted points. Neighborhoods
    :math:`\mathcal{B}(i)` are what edges join, and :math:`i` itself, without an edge.

    The layer commutes with the group from the left: :math:`u \mapsto g u` for all nodes
    changes nothing. That is translations only for ``"T(3)"``, and rotations change what
    it gives; for ``"SE(3)"`` it is equivariance in distribution, where lifts are drawn
    at random.

    With ``fill``, neighborhoods are balls of radius :math:`r`, whose distance is

    .. math::
        \alpha\, |\vec{r}_i - \vec{r}_j| \quad \text{for T(3)}, \qquad
        \alpha\, |\omega| + (1 - \alpha)\, |\tau| \quad \text{for SE(3)},

    and in training :math:`r` follows the share of the nodes of a graph that they hold.
    With ``nbhd``, in training, only a random subset of a ball enters, whose mean
    estimates that of the ball.

    Args:
        in_channels (int): Size of the input features.
        out_channels (int): Size of the output features.
        group (str, optional): ``"T(3)"`` or ``"SE(3)"``. (default: :obj:`"T(3)"`)
        edge_dim (int, optional): Number of further features of an edge, which the
            kernel reads beside the logarithm. (default: :obj:`0`)
        kernel_channels (tuple, optional): Widths of the network :math:`\mathbf{k}`, of
            which the last is its output. (default: :obj:`(32, 32, 16)`)
        act (str or callable, optional): Its activation. (default: :obj:`"silu"`)
        batch_norm (bool, optional): Normalize in it, over all pairs of a batch; see
            :class:`~pyg_equivariant.nn.MaskedBatchNorm`. (default: :obj:`True`)
        average (bool, optional): Divide by the number of neighbors, the bias too, as
            the authors do. (default: :obj:`True`)
        fill (float, optional): Share of a graph that balls are to hold; :obj:`None`
            takes all edges. (default: :obj:`None`)
        nbhd (int, optional): Size of the random subsets; :obj:`None` takes all.
            (default: :obj:`None`)
        sample (str, optional): When to draw them: ``"training"``, or ``"always"`` as
            the authors do; evaluation is random then, too.
            (default: :obj:`"training"`)
        alpha (float, optional): The factor :math:`\alpha`. (default: :obj:`0.2`)
        aggr (str, optional): How messages are joined. (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** node features :math:`(|V|, F_{in})`, or a pair
          :math:`((|V_s|, F_{in}), (|V_t|, F_{in}))` if bipartite; edge indices
          :math:`(2, |E|)`; ``edge_attr`` :math:`(|E|, 3 + D)` or :math:`(|E|, 6 + D)`,
          logarithms and then further features; ``edge_weight`` :math:`(|E|)`, an
          envelope that multiplies messages and their number
        - **output:** node features :math:`(|V|, F_{out})` or :math:`(|V_t|, F_{out})`

    Examples:
        >>> conv = LieConv(16, 32)
        >>> x, pos = torch.randn(4, 16), torch.randn(4, 3)
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> conv(x, edge_index, pos[edge_index[1]] - pos[edge_index[0]]).shape
        torch.Size([4, 32])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        group: str = "T(3)",
        edge_dim: int = 0,
        kernel_channels: tuple[int, ...] = (32, 32, 16),
        act: ActivationLike = "silu",
        batch_norm: bool = True,
        average: bool = True,
        fill: Optional[float] = None,
        nbhd: Optional[int] = None,
        sample: str = "training",
        alpha: float = 0.2,
        aggr: str = "add",
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr=aggr, node_dim=0, **kwargs)
        if group not in GROUP_DIMS:
            raise ValueError(f"group is one of {', '.join(GROUP_DIMS)}, got {group!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.group = group
        self.edge_dim = edge_dim
        self.kernel_channels = tuple(kernel_channels)
        self.batch_norm = batch_norm
        self.average = average
        self.irreps_in = o3.Irreps([(in_channels, "0e")])
        self.irreps_out = o3.Irreps([(out_channels, "0e")])

        # k: kernel network
        widths = [GROUP_DIMS[group] + edge_dim, *kernel_channels]
        self.act = resolve_activation(act)
        self.linears = ModuleList(Dense(a, b) for a, b in pairwise(widths))
        self.norms = ModuleList(
            MaskedBatchNorm(b) for b in kernel_channels if batch_norm
        )
        # B: neighborhoods
        self.ball = Ball(fill, nbhd, sample, alpha)
        # Σ ⊗: channels times numbers of the kernel, summed without forming messages
        self.convolve = Convolution(_outer_product(in_channels, widths[-1]))
        # W
        self.lin = torch.nn.Linear(widths[-1] * in_channels, out_channels)
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj,
        edge_attr: Tensor,
        edge_weight: OptTensor = None,
        num_graphs: int = 1,
        generator: Optional[torch.Generator] = None,
    ) -> Tensor:
        """Convolve.

        Args:
            x: node features.
            edge_index: pairs of different nodes.
            edge_attr: logarithms of pairs, and further features.
            edge_weight: an envelope.
            num_graphs: number of graphs, of which ``fill`` takes a share.
            generator: source of random subsets (default: torch's own).
        """
        x, like = as_pair(x, self.flow), self.lin.weight
        count = GROUP_DIMS[self.group]
        for features in x:
            check_scalars(features, self.in_channels, "x", like)
        check_scalars(edge_attr, count + self.edge_dim, "edge_attr", like)
        check_vector(edge_weight, "edge_weight", like)
        check_edge_inputs(edge_index, edge_attr=edge_attr, edge_weight=edge_weight)
        # Neighborhoods
        target, num_nodes = self.directed(edge_index)[1].long(), x[1].shape[0]
        pairs = target, edge_attr[:, :count]
        inside, own = self.ball(*pairs, num_nodes, num_graphs, generator)
        edges = edge_index, edge_attr, edge_weight, target
        if inside is not None:
            edges = self._inside(inside, *edges)
        edge_index, edge_attr, edge_weight, target = edges
        # Kernel, at the unit element last
        k = self.kernel(edge_attr, edge_weight, own)  # [num_edges + 1, kernel_dim]
        # Message passing
        # propagate_type: (x: PairTensor, k: Tensor, edge_weight: OptTensor)
        sums = self.sum_messages(edge_index, x, k=k[:-1], edge_weight=edge_weight)
        total = sums[:, : self.lin.in_features].unflatten(1, (-1, self.in_channels))
        alone = (own * x[1]).unsqueeze(-2)
        total = torch.addcmul(total, k[-1:].unsqueeze(-1).to(total.dtype), alone)
        out = self.lin(total.flatten(1).to(x[1].dtype))
        if not self.average:
            return out
        number = sums[:, self.lin.in_features :]
        if not number.shape[1]:  # no messages were formed
            number = self._number(target, edge_weight, own)
        return out / (number + own).clamp(min=1).to(out.dtype)

    def kernel(self, edge_attr: Tensor, edge_weight: OptTensor, own: Tensor) -> Tensor:
        """The kernel at every edge, and in a last row at the unit element.

        Args:
            edge_attr: logarithms of pairs, and further features.
            edge_weight: how much edges count in statistics.
            own: how much each node counts that is its own neighbor ``(|V|, 1)``.
        """
        k = torch.cat([edge_attr, edge_attr.new_zeros(1, edge_attr.shape[1])])
        mask = None
        if self.batch_norm and self.training:
            if edge_weight is None:
                edge_weight = own.new_ones(edge_attr.shape[0])
            mask = torch.cat([edge_weight, own.sum().view(1).to(edge_weight.dtype)])
        for n, linear in enumerate(self.linears):
            k = linear(k)
            if self.batch_norm:
                k = self.norms[n](k.to(self.lin.weight.dtype), mask)
            k = self.act(k)
        return k

    def _number(self, target: Tensor, edge_weight: OptTensor, own: Tensor) -> Tensor:
        """How many edges arrive at every node ``(|V|, 1)``."""
        one = own.new_ones(target.shape[0]) if edge_weight is None else edge_weight
        number = own.new_zeros(own.shape[0]).index_add(0, target, one.to(own.dtype))
        return number.unsqueeze(-1)

    def _inside(
        self,
        inside: Tensor,
        edge_index: Adj,
        edge_attr: Tensor,
        edge_weight: OptTensor,
        target: Tensor,
    ) -> tuple[Adj, Tensor, OptTensor, Tensor]:
        """Edges without those beyond a ball, or with these at weight zero."""
        dense = isinstance(edge_index, Tensor) and edge_index.layout == torch.strided
        if dense and not self.explain and is_plain_call(edge_index, edge_attr):
            weight = None if edge_weight is None else edge_weight[inside]
            return edge_index[:, inside], edge_attr[inside], weight, target[inside]
        one = inside.to(self.lin.weight.dtype)
        weight = one if edge_weight is None else one * edge_weight
        return edge_index, edge_attr, weight, target

    def message(self, x_j: Tensor, k: Tensor, edge_weight: OptTensor) -> Tensor:
        message = (k.unsqueeze(-1) * x_j.unsqueeze(-2)).flatten(1)
        one = torch.ones_like(message[:, :1])
        message = torch.cat([message, one], dim=-1)
        return message if edge_weight is None else message * edge_weight.unsqueeze(-1)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: PairTensor,
        k: Tensor,
        edge_weight: OptTensor,
        dim_size: int,
    ) -> Tensor:
        if edge_weight is not None:
            k = k * edge_weight.unsqueeze(-1)
        sums = self.convolve(x[0], k.to(x[0].dtype), None, edge_index, dim_size)
        return o3.widen(sums)

    def on_edges(self, x: Tensor | PairTensor, edges: Edges) -> Tensor:
        """The layer of ``"T(3)"`` on ``edges``."""
        check_ends(x, edges.graph)
        if self.group != "T(3)":
            raise ValueError(
                f"a layer of {self.group} acts on lifted points, not on the points of "
                "these edges; lift them with pyg_equivariant.graph.lift and call it "
                "with edge_attr=lifted.logarithm"
            )
        like = self.lin.weight
        read = {"edge_vec": edges.edge_vec}
        check_scalars(edges.edge_vec, 3, "edge_vec", like)
        if self.edge_dim:
            read["edge_attr"] = edges.edge_attr
            check_scalars(edges.edge_attr, self.edge_dim, "edge_attr", like)
        check_edge_inputs(edges.edge_index, **read)
        edge_attr = -edges.edge_vec
        if self.edge_dim:
            edge_attr = torch.cat([edge_attr, edges.edge_attr], dim=-1)
        given = edges.edge_index, edge_attr, edges.edge_weight
        return self(x, *given, edges.graph.batch_size)

    def __repr__(self) -> str:
        return describe(self, "in_channels, out_channels", "group edge_dim")


def _outer_product(channels: int, count: int) -> o3.TensorProductPaths:
    """All channels times each of ``count`` numbers."""
    return o3.TensorProductPaths(
        o3.Irreps([(channels, "0e")]),
        o3.Irreps([(1, "0e")] * count),
        o3.Irreps([(channels, "0e")] * count),
        tuple(o3.Path(0, m, m, "uvu", False) for m in range(count)),
        irrep_normalization="none",
        path_normalization="none",
    )
