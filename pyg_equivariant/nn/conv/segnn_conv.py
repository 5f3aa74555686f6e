"""The steerable E(3) equivariant layer."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor, PairTensor

from pyg_equivariant.kernels import NodeFirst, neighbor_sum
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..edge_embedding import Edges
from ..module import check_features, describe
from ..steerable_mlp import SteerableMLP, steerable_gate
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_equivariant_aggr,
    check_places,
    check_residual,
    check_rows,
    check_scalars,
    check_vector,
    of_targets,
)


class SEGNNConv(EquivariantConv):
    r"""The layer of the `"Geometric and Physical Quantities Improve E(3) Equivariant
    Message Passing" <https://arxiv.org/abs/2110.02905>`_ paper: the non-linear
    steerable convolution.

    .. math::
        \mathbf{m}_{ij} &= \phi_m\big(\mathbf{x}_i \oplus \mathbf{x}_j \oplus
        \mathbf{e}_{ij}\,;\, \mathbf{a}_{ij}\big) \\
        \mathbf{x}^{\prime}_i &= \mathbf{x}_i + \phi_x\Big(\mathbf{x}_i \oplus
        \sum_{j \in \mathcal{N}(i)} \mathbf{m}_{ij}\,;\, \mathbf{a}_i\Big)

    :math:`\phi_m, \phi_x` are steerable MLPs
    (:class:`~pyg_equivariant.nn.SteerableMLP`), steered by the harmonics
    :math:`\mathbf{a}_{ij}` of the edge and by the node attribute :math:`\mathbf{a}_i`.
    Invariants :math:`\mathbf{e}_{ij}`, such as :math:`\|x_j - x_i\|^2`, enter as plain
    scalar channels.

    The ablations of the paper are configurations: *SE (non-linear)* is
    ``num_update_layers=0, gate="aggregate"``, *SE (linear)* has
    ``num_message_layers=1`` besides; there the gate acts on the sum of messages,

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{x}_i + \sigma\Big(
        \sum_{j \in \mathcal{N}(i)} \mathbf{m}_{ij}\Big).

    Args:
        irreps_in (str or Irreps): Irreps of the input features.
        irreps_sh (str or Irreps): Irreps of the attributes of edges.
        irreps_out (str or Irreps): Irreps of the output features.
        irreps_hidden (str or Irreps, optional): Irreps within the MLPs and of the
            messages. (default: ``irreps_out``)
        edge_dim (int, optional): Number of invariants :math:`\mathbf{e}_{ij}`.
            (default: :obj:`0`)
        num_message_layers (int, optional): Depth of :math:`\phi_m`.
            (default: :obj:`2`)
        num_update_layers (int, optional): Depth of :math:`\phi_x`; 0 for none.
            (default: :obj:`2`)
        gate (str, optional): Where the non-linearity that ends :math:`\phi_m` acts:
            on each ``"message"`` or on their ``"aggregate"``.
            (default: :obj:`"message"`)
        residual (bool, optional): Add :math:`\mathbf{x}_i`; by default where the irreps
            agree. (default: :obj:`None`)
        e3nn_constants (bool, optional): See :class:`~pyg_equivariant.nn.Gate`.
            (default: :obj:`False`)
        aggr (str, optional): How messages are joined, ``"add"`` or ``"mean"``.
            (default: :obj:`"add"`)
        irreps_node_attr (str or Irreps, optional): Irreps of the attributes of nodes.
            (default: ``irreps_sh``)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite; edge indices :math:`(2, |E|)`;
          harmonics :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the
          receiver to the sender; node attributes
          :math:`(|V|, \text{irreps\_node\_attr.dim})` (of the targets), read by
          :math:`\phi_x` only; invariants :math:`(|E|, D)`; ``edge_weight``
          :math:`(|E|)`, an envelope that multiplies messages and makes the layer smooth
          at a cutoff
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = SEGNNConv("8x0e+4x1o", "0e+1o", "8x0e+4x1o", edge_dim=1)
        >>> x, node_attr = conv.irreps_in.randn(4, -1), conv.irreps_sh.randn(4, -1)
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> edge_sh, edge_attr = conv.irreps_sh.randn(3, -1), torch.rand(3, 1)
        >>> conv(x, edge_index, edge_sh, node_attr, edge_attr).shape
        torch.Size([4, 20])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        irreps_hidden: IrrepsLike | None = None,
        edge_dim: int = 0,
        num_message_layers: int = 2,
        num_update_layers: int = 2,
        gate: str = "message",
        residual: bool | None = None,
        e3nn_constants: bool = False,
        aggr: str = "add",
        irreps_node_attr: IrrepsLike | None = None,
        **kwargs: Any,
    ) -> None:
        check_equivariant_aggr(aggr)
        super().__init__(aggr=aggr, node_dim=0, **kwargs)
        if gate not in ("message", "aggregate"):
            raise ValueError(f"gate is 'message' or 'aggregate', got {gate!r}")
        self.irreps_in = Irreps(irreps_in)
        self.irreps_sh = Irreps(irreps_sh)
        self.irreps_node_attr = Irreps(
            irreps_sh if irreps_node_attr is None else irreps_node_attr
        )
        self.irreps_out = Irreps(irreps_out)
        self.irreps_hidden = Irreps(
            irreps_out if irreps_hidden is None else irreps_hidden
        )
        self.residual = check_residual(residual, self.irreps_in, self.irreps_out)
        if num_update_layers == 0 and self.irreps_hidden != self.irreps_out:
            raise ValueError(
                "without update layers the messages are the output: irreps_hidden "
                f"{self.irreps_hidden} must be irreps_out {self.irreps_out}"
            )
        self.edge_dim = edge_dim
        self.num_message_layers = num_message_layers
        self.num_update_layers = num_update_layers
        self.gate = gate

        hidden = self.irreps_hidden
        edges = Irreps([(edge_dim, "0e")] if edge_dim else [])
        message_in = self.irreps_in + self.irreps_in + edges
        # σ: gate of the aggregate
        self.act = None
        if gate == "aggregate":
            self.act = steerable_gate(hidden, e3nn_constants)
        # φ_m: message network
        self.phi_m = SteerableMLP(
            message_in,
            self.irreps_sh,
            hidden,
            hidden if self.act is None else self.act.irreps_in,
            num_message_layers,
            act_last=self.act is None,
            e3nn_constants=e3nn_constants,
        )
        # φ_x: update network
        self.phi_x = None
        if num_update_layers:
            self.phi_x = SteerableMLP(
                self.irreps_in + hidden,
                self.irreps_node_attr,
                hidden,
                self.irreps_out,
                num_update_layers,
                e3nn_constants=e3nn_constants,
            )
        # W_a of the first layer of φ_m, for all edges of a graph at once
        first = self.phi_m.first.tp.product
        self.first_on_edges = NodeFirst(first, len(self.irreps_in))
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | PairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        node_attr: OptTensor = None,
        edge_attr: OptTensor = None,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        """Exchange messages, and update every node.

        Args:
            x: features, or a pair of those of sources and of targets.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders.
            node_attr: attributes of the targets, read by the update.
            edge_attr: invariant features of edges, if ``edge_dim`` is not 0.
            edge_weight: an envelope that multiplies messages.

        Returns:
            Features of ``irreps_out``.
        """
        x, like = as_pair(x, self.flow), self.phi_m.first.weight
        attr = of_targets(node_attr)
        for features in x:
            check_features(features, self.irreps_in, like=like)
        check_features(edge_sh, self.irreps_sh, "edge_sh", like)
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_vector(edge_weight, "edge_weight", like)
        edges = {"edge_sh": edge_sh, "edge_attr": edge_attr, "edge_weight": edge_weight}
        check_edge_inputs(edge_index, **edges)
        self._check_attr(attr, x[1])
        # Message passing
        # propagate_type: (x: PairTensor, edge_sh: Tensor, edge_attr: OptTensor, edge_weight: OptTensor)  # noqa: E501
        out = self.sum_messages(edge_index, x, **edges)
        # Update
        if self.act is not None:
            out = self.act(out)
        if self.phi_x is not None:
            out = self.phi_x(torch.cat([x[1], out], dim=-1), attr)
        return x[1] + out if self.residual else out

    def _check_attr(self, attr: OptTensor, x: Tensor) -> None:
        """Refuse attributes of nodes that the update could not read."""
        if attr is None or self.phi_x is None:
            return
        irreps = self.irreps_node_attr
        check_features(attr, irreps, "node_attr", self.phi_x.first.weight)
        check_rows(attr, x.shape[0], "node_attr")
        if attr.dim() != 2:
            raise ValueError(
                f"expected node_attr (|V|, {irreps.dim}), got shape {tuple(attr.shape)}"
            )

    def message(
        self,
        x_i: Tensor,
        x_j: Tensor,
        edge_sh: Tensor,
        edge_attr: OptTensor,
        edge_weight: OptTensor,
    ) -> Tensor:
        parts = [x_i, x_j] if edge_attr is None else [x_i, x_j, edge_attr]
        m = self.phi_m(torch.cat(parts, dim=-1), edge_sh)
        return m if edge_weight is None else m * edge_weight.unsqueeze(-1)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: PairTensor,
        edge_sh: Tensor,
        edge_attr: OptTensor,
        edge_weight: OptTensor,
        dim_size: int,
    ) -> Tensor:
        weight = self.phi_m.first.weight
        m = self.first_on_edges(x[1], x[0], edge_attr, edge_sh, weight, edge_index)
        m = self.phi_m.after_first(m, edge_sh)
        return neighbor_sum(m, edge_index, dim_size, edge_weight)

    def on_edges(
        self, x: Tensor | PairTensor, edges: Edges, node_attr: OptTensor = None
    ) -> Tensor:
        r"""The layer on ``edges``, with the attributes :math:`\mathbf{a}_i` of
        :meth:`~pyg_equivariant.nn.Edges.node_attr` unless others are given.
        """
        edge_attr = edges.edge_attr if self.edge_dim else None
        check_ends(x, edges.graph)
        source, target = as_pair(x, self.flow)
        for features in (source, target):
            check_features(features, self.irreps_in, like=self.phi_m.first.weight)
        check_places(target, edges.pos, edges.edge_index, source.shape[0])
        check_features(edges.edge_sh, self.irreps_sh, "edge_sh", target)
        check_vector(edges.edge_weight, "edge_weight", target)
        rest = {"edge_sh": edges.edge_sh, "edge_weight": edges.edge_weight}
        check_edge_inputs(edges.edge_index, **rest)
        attr = edges.node_attr() if node_attr is None else node_attr
        given = (edges.edge_index, edges.edge_sh, attr, edge_attr)
        return self(x, *given, edges.edge_weight)

    def __repr__(self) -> str:
        return describe(
            self, "irreps_in -> irreps_out", "irreps_sh irreps_hidden edge_dim"
        )
