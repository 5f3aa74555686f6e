"""The layer of radial fields, which has no features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor, PairTensor

from pyg_equivariant.graph import edge_vectors
from pyg_equivariant.kernels import check_nodes
from pyg_equivariant.o3 import Irreps, check_tensor, safe_norm, widen

from ..edge_embedding import Edges
from ..mlp import MLP
from ..module import check_features, describe
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_places,
    check_scalars,
    check_vector,
    of_targets,
)


class RadialFieldConv(EquivariantConv):
    r"""The layer of the `"Equivariant Flows: sampling configurations for multi-body
    systems with symmetric energies" <https://arxiv.org/abs/1910.00753>`_ paper, as the
    authors of EGNN made it for moving particles.

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{x}_i + \frac{1}{|\mathcal{N}(i)|}
        \sum_{j \in \mathcal{N}(i)} (\mathbf{x}_i - \mathbf{x}_j)\,
        \tanh \phi\big(\|\mathbf{x}_i - \mathbf{x}_j\|, \mathbf{a}_{ij}\big)
        \;\big[+ \psi(\|\mathbf{v}_i\|)\, \mathbf{v}_i\big]

    Every particle is drawn along the lines to the others; there are no features.
    Positions :math:`\mathbf{x}` (``pos``) turn and shift with the input.

    Args:
        hidden_channels (int): Width of the networks :math:`\phi` and :math:`\psi`.
        edge_dim (int, optional): Size of the edge features :math:`\mathbf{a}_{ij}`.
            (default: :obj:`0`)
        velocity (bool, optional): Add the velocity term, with ``vel`` given in the
            forward pass. (default: :obj:`False`)
        act (str or callable, optional): Activation of both networks.
            (default: :obj:`"silu"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** positions :math:`(|V|, 3)`, or the pair of those of sources and
          targets if bipartite; edge indices :math:`(2, |E|)`; edge features
          :math:`(|E|, D)`; velocities :math:`(|V|, 3)`, of the targets if bipartite;
          ``edge_vec`` :math:`(|E|, 3)` from the receiver to the sender, in place of
          differences of positions; ``edge_weight`` :math:`(|E|)`, an envelope, with
          which the mean divides by :math:`\sqrt{1 + n_i^2}`, of its sum :math:`n_i`
        - **output:** positions :math:`(|V|, 3)`

    Examples:
        >>> conv = RadialFieldConv(16)
        >>> conv(torch.randn(4, 3), torch.tensor([[1, 2, 3], [0, 0, 1]])).shape
        torch.Size([4, 3])
    """

    def __init__(
        self,
        hidden_channels: int,
        edge_dim: int = 0,
        velocity: bool = False,
        act: Any = "silu",
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr="add", **kwargs)
        self.hidden_channels = hidden_channels
        self.edge_dim = edge_dim
        self.velocity = velocity
        self.irreps_in = self.irreps_out = Irreps("1x1o")
        # φ: field along an edge
        self.phi = MLP([1 + edge_dim, hidden_channels], act, act_last=True)
        self.lin_phi = torch.nn.Linear(hidden_channels, 1, bias=False)
        # ψ: velocity network
        self.psi = MLP([1, hidden_channels, 1], act) if velocity else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        reset(self.phi)
        reset(self.psi)
        torch.nn.init.xavier_uniform_(self.lin_phi.weight, gain=0.001)

    def forward(
        self,
        pos: Tensor | PairTensor,
        edge_index: Adj,
        edge_attr: OptTensor = None,
        vel: OptTensor = None,
        edge_vec: OptTensor = None,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        """Move points.

        Args:
            pos: positions, or a pair of those of sources and of targets.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_attr: features of edges, if ``edge_dim`` is not 0.
            vel: velocities of the targets, if ``velocity`` is set.
            edge_vec: vectors from the receivers to the senders, in place of differences
                of positions.
            edge_weight: an envelope, which makes the layer smooth at a cutoff.

        Returns:
            The positions after the step.
        """
        pos, vel = as_pair(pos, self.flow, "pos"), of_targets(vel)
        self._check(pos, vel)
        if edge_vec is None:
            check_edge_inputs(edge_index)
            edge_vec = edge_vectors(pos, self.directed(edge_index))
        self._check_edges(edge_index, edge_attr, edge_vec, edge_weight)
        # Message passing
        size = pos[0].shape[0], pos[1].shape[0]
        edges = {"edge_attr": edge_attr, "edge_vec": edge_vec}
        edges["edge_weight"] = edge_weight
        # propagate_type: (x: PairTensor, edge_attr: OptTensor, edge_vec: Tensor, edge_weight: OptTensor)  # noqa: E501
        out = self.sum_messages(edge_index, pos, size, **edges)
        total, count = widen(out[:, :3]), widen(out[:, 3:])
        if edge_weight is None:
            moved = total / count.clamp(min=1)
        else:  # smooth where the last neighbor leaves
            moved = total / (1 + count.square()).sqrt()
        new_pos = pos[1] + moved.to(pos[1].dtype)
        if self.psi is not None and vel is not None:
            new_pos = new_pos + self.psi(safe_norm(vel, keepdim=True)) * vel
        return new_pos

    def message(
        self, edge_attr: OptTensor, edge_vec: Tensor, edge_weight: OptTensor
    ) -> Tensor:
        length = safe_norm(edge_vec, keepdim=True)
        given = [length] if edge_attr is None else [length, edge_attr]
        field = self.lin_phi(self.phi(torch.cat(given, dim=-1))).tanh()
        terms = [-edge_vec * field, torch.ones_like(field)]  # along x_i - x_j
        m = torch.cat(terms, dim=-1)
        return m if edge_weight is None else m * edge_weight.unsqueeze(-1)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: PairTensor,
        edge_attr: OptTensor,
        edge_vec: Tensor,
        edge_weight: OptTensor,
        dim_size: int,
    ) -> Tensor:
        check_nodes(edge_index, x[0].shape[0], dim_size)
        m = widen(self.message(edge_attr, edge_vec, edge_weight))
        return m.new_zeros(dim_size, 4).index_add(0, edge_index[1].long(), m)

    def on_edges(self, x: Tensor, edges: Edges, vel: OptTensor = None) -> Tensor:
        """The layer on ``edges``; vectors ``x`` say how far each node has moved from
        where the edges begin, and so they do in the result.
        """
        check_ends(x, edges.graph, bipartite=False)
        check_features(x, self.irreps_in)
        check_places(x, edges.pos, edges.edge_index)
        check_scalars(edges.edge_vec, 3, "edge_vec", x)
        check_edge_inputs(edges.edge_index, edge_vec=edges.edge_vec)
        j, i = edges.edge_index.long()
        edge_vec = edges.edge_vec + x.index_select(0, j) - x.index_select(0, i)
        edge_attr = edges.edge_attr if self.edge_dim else None
        given = (edges.edge_index, edge_attr, vel, edge_vec, edges.edge_weight)
        return self(edges.pos + x, *given) - edges.pos

    def _check(self, pos: PairTensor, vel: OptTensor) -> None:
        if self.velocity != (vel is not None):
            raise ValueError(
                f"velocity={self.velocity}, but vel is "
                f"{'missing' if vel is None else 'given'}"
            )
        for t in pos:
            check_tensor(t, "pos")
            check_scalars(t, 3, "pos", self.lin_phi.weight)
        if vel is not None:
            check_scalars(vel, 3, "vel", self.lin_phi.weight)
            if vel.shape != pos[1].shape:
                raise ValueError(
                    f"expected vel of shape {tuple(pos[1].shape)}, as pos, got "
                    f"{tuple(vel.shape)}"
                )

    def _check_edges(
        self,
        edge_index: Adj,
        edge_attr: OptTensor,
        edge_vec: Tensor,
        edge_weight: OptTensor,
    ) -> None:
        like = self.lin_phi.weight
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_scalars(edge_vec, 3, "edge_vec", like)
        check_vector(edge_weight, "edge_weight", like)
        edges = {"edge_attr": edge_attr, "edge_vec": edge_vec}
        check_edge_inputs(edge_index, **edges, edge_weight=edge_weight)

    def __repr__(self) -> str:
        return describe(self, "hidden_channels", "edge_dim")
