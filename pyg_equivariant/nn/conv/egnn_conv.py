"""The E(n) equivariant layer."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor, PairTensor

from pyg_equivariant.graph import edge_vectors
from pyg_equivariant.o3 import Irreps, check_real, check_tensor, safe_norm, widen

from ..dense import Dense
from ..edge_embedding import Edges
from ..mlp import MLP
from ..module import check_dtype, describe
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_places,
    check_positive,
    check_residual,
    check_rows,
    check_scalars,
    check_vector,
    complete,
    of_targets,
)


class EGNNConv(EquivariantConv):
    r"""The layer of the `"E(n) Equivariant Graph Neural Networks"
    <https://arxiv.org/abs/2102.09844>`_ paper.

    .. math::
        \mathbf{m}_{ij} &= \phi_e\big(\mathbf{h}_i, \mathbf{h}_j,
        \|\mathbf{x}_i - \mathbf{x}_j\|^2, \mathbf{a}_{ij}\big) \\
        \mathbf{x}^{\prime}_i &= \mathbf{x}_i + \frac{1}{|\mathcal{N}(i)|}
        \sum_{j \in \mathcal{N}(i)} (\mathbf{x}_i - \mathbf{x}_j)\,
        \phi_x(\mathbf{m}_{ij}) \;\big[+ \phi_v(\mathbf{h}_i)\, \mathbf{v}_i\big] \\
        \mathbf{h}^{\prime}_i &= \mathbf{h}_i + \phi_h\Big(\mathbf{h}_i,
        \sum_{j \in \mathcal{N}(i)} \mathbf{m}_{ij}\Big)

    Features :math:`\mathbf{h}` (``x``) are invariant; positions :math:`\mathbf{x}`
    (``pos``) turn and shift with the input. The sum, not the mean, is taken over
    messages, and the mean over displacements, as in the authors' code.

    Args:
        in_channels (int or tuple): Size of the input features; a pair (of sources, of
            targets) if bipartite.
        hidden_channels (int): Width of the messages and of all networks.
        out_channels (int): Size of the output features.
        edge_dim (int, optional): Size of the edge features :math:`\mathbf{a}_{ij}`.
            (default: :obj:`0`)
        attention (bool, optional): Multiply messages by a learned gate
            :math:`\sigma(\mathbf{w}^\top \mathbf{m}_{ij} + b)`. (default: :obj:`False`)
        tanh (bool, optional): End :math:`\phi_x` with a tanh. (default: :obj:`False`)
        normalize (bool, optional): Divide :math:`\mathbf{x}_i - \mathbf{x}_j` by
            its length (plus 1e-8, and without gradient through the length), as in the
            authors' recommended code. (default: :obj:`False`)
        norm_diff (bool, optional): Divide it by its length plus 1 instead, with all
            derivatives, as in the code of the authors' N-body experiment.
            (default: :obj:`False`)
        clamp (float, optional): Largest length of the displacement along one edge.
            The authors' experiments clip every component to :math:`\pm 100`, which is
            not equivariant where it acts; the length is clipped here.
            (default: :obj:`None`)
        update_pos (bool, optional): If :obj:`False`, positions stay.
            (default: :obj:`True`)
        velocity (bool, optional): Add the velocity term, with ``vel`` given in the
            forward pass. (default: :obj:`False`)
        residual (bool, optional): Add :math:`\mathbf{h}_i` to its update; by default
            where the sizes agree. (default: :obj:`None`)
        pos_aggr (str, optional): ``"mean"`` or ``"sum"`` over displacements.
            (default: :obj:`"mean"`)
        act (str or callable, optional): Activation of all networks.
            (default: :obj:`"silu"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, F_{in})` and positions :math:`(|V|, 3)` (any
          dimension), or pairs of these, of sources and of targets, if bipartite; edge
          indices :math:`(2, |E|)`; edge features :math:`(|E|, D)`; velocities
          :math:`(|V|, 3)`, of the targets if bipartite; ``edge_vec`` :math:`(|E|, 3)`
          from the receiver to the sender, in place of differences of positions, for
          periodic systems; ``edge_weight`` :math:`(|E|)`, an envelope that multiplies
          messages and displacements and makes the layer smooth at a cutoff;
          a mean then divides by :math:`\sqrt{1 + n_i^2}`, of the sum :math:`n_i` of
          the envelope
        - **output:** features :math:`(|V|, F_{out})`, positions :math:`(|V|, 3)`

    Examples:
        >>> conv = EGNNConv(16, 32, 16)
        >>> x, pos = torch.randn(4, 16), torch.randn(4, 3)
        >>> x, pos = conv(x, pos, torch.tensor([[1, 2, 3], [0, 0, 1]]))
        >>> x.shape, pos.shape
        (torch.Size([4, 16]), torch.Size([4, 3]))
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        hidden_channels: int,
        out_channels: int,
        edge_dim: int = 0,
        attention: bool = False,
        tanh: bool = False,
        normalize: bool = False,
        clamp: float | None = None,
        update_pos: bool = True,
        velocity: bool = False,
        residual: bool | None = None,
        pos_aggr: str = "mean",
        act: Any = "silu",
        norm_diff: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(aggr="add", **kwargs)
        sizes = (in_channels,) * 2 if isinstance(in_channels, int) else in_channels
        check_positive(clamp, "clamp")
        if pos_aggr not in ("mean", "sum"):
            raise ValueError(f"pos_aggr is 'mean' or 'sum', got {pos_aggr!r}")
        if velocity and not update_pos:
            raise ValueError(
                "velocity=True moves positions, but update_pos=False keeps them"
            )
        if normalize and norm_diff:
            raise ValueError(
                "normalize=True and norm_diff=True are two ways to divide by a length; "
                "pass one of them"
            )
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.out_channels = out_channels
        self.edge_dim = edge_dim
        self.attention = attention
        self.tanh = tanh
        self.normalize = normalize
        self.norm_diff = norm_diff
        self.clamp = clamp
        self.update_pos = update_pos
        self.velocity = velocity
        self.residual = check_residual(residual, sizes[1], out_channels)
        self.pos_aggr = pos_aggr
        vectors = [(1, "1o")] if update_pos else []
        self.irreps_in = Irreps([(sizes[1], "0e"), *vectors])
        self.irreps_out = Irreps([(out_channels, "0e"), *vectors])
        self._sizes = sizes

        hidden = hidden_channels
        # φ_e: message network
        self.phi_e = MLP(
            [sum(sizes) + 1 + edge_dim, hidden, hidden], act, act_last=True
        )
        # φ_h: feature network
        self.phi_h = MLP([sizes[1] + hidden, hidden, out_channels], act)
        # φ_x: displacement network
        self.phi_x = MLP([hidden, hidden], act, act_last=True) if update_pos else None
        self.lin_x = torch.nn.Linear(hidden, 1, bias=False) if update_pos else None
        # φ_v: velocity network
        self.phi_v = MLP([sizes[1], hidden, 1], act) if velocity else None
        self.gate = torch.nn.Linear(hidden, 1) if attention else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for module in (self.phi_e, self.phi_h, self.phi_x, self.phi_v, self.gate):
            reset(module)
        if self.lin_x is not None:
            torch.nn.init.xavier_uniform_(self.lin_x.weight, gain=0.001)

    def forward(
        self,
        x: Tensor | PairTensor,
        pos: Tensor | PairTensor,
        edge_index: Adj,
        edge_attr: OptTensor = None,
        vel: OptTensor = None,
        edge_vec: OptTensor = None,
        edge_weight: OptTensor = None,
    ) -> tuple[Tensor, Tensor]:
        """Exchange messages, and move points.

        Args:
            x: features, or a pair of those of sources and of targets.
            pos: positions, or a pair like ``x``.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_attr: features of edges, if ``edge_dim`` is not 0.
            vel: velocities of the targets, if ``velocity`` is set.
            edge_vec: vectors from the receivers to the senders, in place of differences
                of positions, for periodic systems.
            edge_weight: an envelope that multiplies messages and displacements.

        Returns:
            Features and positions.
        """
        x, pos = as_pair(x, self.flow), as_pair(pos, self.flow, "pos")
        vel = of_targets(vel)
        self._check(x, pos, vel)
        if edge_vec is None:
            check_edge_inputs(edge_index)
            edge_vec = edge_vectors(pos, self.directed(edge_index))
        self._check_edges(edge_index, edge_attr, edge_vec, edge_weight, pos[1])
        # Message passing
        edges = {"edge_attr": edge_attr, "edge_vec": edge_vec}
        # propagate_type: (x: PairTensor, edge_attr: OptTensor, edge_vec: Tensor, edge_weight: OptTensor)  # noqa: E501
        out = self.sum_messages(edge_index, x, edge_weight=edge_weight, **edges)
        sizes = [self.hidden_channels, out.shape[-1] - self.hidden_channels - 1, 1]
        m, displacement, count = out.split(sizes, dim=-1)
        # Positions
        new_pos = pos[1]
        if self.update_pos:
            count = widen(count)
            if self.pos_aggr == "mean" and edge_weight is None:
                displacement = displacement / count.clamp(min=1)
            elif self.pos_aggr == "mean":  # smooth where the last neighbor leaves
                displacement = displacement / (1 + count.square()).sqrt()
            new_pos = new_pos + displacement.to(new_pos.dtype)
        if self.phi_v is not None:
            new_pos = new_pos + self.phi_v(x[1]) * vel
        # Features
        h = self.phi_h(torch.cat([x[1], m.to(x[1].dtype)], dim=-1))
        return (x[1] + h if self.residual else h), new_pos

    def message(
        self,
        x_i: Tensor,
        x_j: Tensor,
        edge_attr: OptTensor,
        edge_vec: Tensor,
        edge_weight: OptTensor,
    ) -> Tensor:
        square = edge_vec.square().sum(dim=-1, keepdim=True)
        m = [x_i, x_j, square] if edge_attr is None else [x_i, x_j, square, edge_attr]
        m = self.phi_e(torch.cat(m, dim=-1))
        return torch.cat(self._terms(m, edge_vec, edge_weight), dim=-1)

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: PairTensor,
        edge_attr: OptTensor,
        edge_vec: Tensor,
        edge_weight: OptTensor,
        dim_size: int,
    ) -> Tensor:
        square = edge_vec.square().sum(dim=-1, keepdim=True)
        # The first map of φ_e begins at the nodes
        first = self.phi_e.linears[0]
        assert isinstance(first, Dense)
        m = self.phi_e.after_first(first.on_edges(x, edge_index, square, edge_attr))
        terms, i = self._terms(m, edge_vec, edge_weight), edge_index[1].long()
        wide = [widen(t) for t in terms]
        sums = [t.new_zeros(dim_size, t.shape[1]).index_add(0, i, t) for t in wide]
        return torch.cat(sums, dim=-1)

    def on_edges(self, x: Tensor, edges: Edges, vel: OptTensor = None) -> Tensor:
        """The layer on ``edges``; vectors that follow the scalars of ``x`` say how far
        each node has moved from where the edges begin, and so they do in the result.
        """
        check_ends(x, edges.graph, bipartite=False)
        x = complete(x, self.irreps_in)
        check_places(x, edges.pos, edges.edge_index)
        check_scalars(edges.edge_vec, 3, "edge_vec", x)
        check_edge_inputs(edges.edge_index, edge_vec=edges.edge_vec)
        h, moved = x[:, : self._sizes[1]], x[:, self._sizes[1] :]
        pos, edge_vec = edges.pos, edges.edge_vec
        if self.update_pos:
            j, i = edges.edge_index.long()
            pos = pos + moved
            edge_vec = edge_vec + moved.index_select(0, j) - moved.index_select(0, i)
        edge_attr = edges.edge_attr if self.edge_dim else None
        given = (edges.edge_index, edge_attr, vel, edge_vec, edges.edge_weight)
        h, new_pos = self(h, pos, *given)
        return torch.cat([h, new_pos - edges.pos], dim=-1) if self.update_pos else h

    def _terms(
        self, m: Tensor, edge_vec: Tensor, edge_weight: OptTensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What every edge adds to messages, displacements and their number."""
        if self.gate is not None:
            m = m * self.gate(m).sigmoid()
        displacement = self.displacement(m, -edge_vec)  # along x_i - x_j
        if edge_weight is None:
            return m, displacement, torch.ones_like(edge_vec[:, :1])
        one = edge_weight.unsqueeze(-1)
        return m * one, displacement * one, one

    def displacement(self, m: Tensor, diff: Tensor) -> Tensor:
        """The term of one edge in the update of positions."""
        if self.phi_x is None or self.lin_x is None:
            return diff[:, :0]
        if self.normalize:
            length = safe_norm(widen(diff), keepdim=True).detach()
            inverse = torch.where(length > 0, 1 / (length + 1e-8), 0.0)
            diff = (diff * inverse).to(diff.dtype)
        elif self.norm_diff:
            diff = diff / (safe_norm(diff, keepdim=True) + 1)
        scale = self.lin_x(self.phi_x(m))
        if self.tanh:
            scale = scale.tanh()
        displacement = diff * scale
        if self.clamp is not None:
            wide = widen(displacement)
            length = safe_norm(wide, keepdim=True)
            shorter = wide * (self.clamp / length.clamp(min=self.clamp))
            displacement = shorter.to(displacement.dtype)
        return displacement

    def _check(self, x: PairTensor, pos: PairTensor, vel: OptTensor) -> None:
        if self.velocity != (vel is not None):
            raise ValueError(
                f"velocity={self.velocity}, but vel is "
                f"{'missing' if vel is None else 'given'}"
            )
        like = next(self.phi_h.parameters())
        for t in pos:
            check_tensor(t, "pos")
        for k in range(2):
            check_scalars(x[k], self._sizes[k], "x", like)
            check_scalars(pos[k], pos[1].shape[-1], "pos", like)
            check_rows(pos[k], x[k].shape[0], "pos")
        if vel is not None:
            check_real(vel, "vel")
            check_dtype(vel, like, "vel")
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
        pos: Tensor,
    ) -> None:
        like = next(self.phi_h.parameters())
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_scalars(edge_vec, pos.shape[-1], "edge_vec", like)
        check_vector(edge_weight, "edge_weight", like)
        edges = {"edge_attr": edge_attr, "edge_vec": edge_vec}
        check_edge_inputs(edge_index, **edges, edge_weight=edge_weight)

    def __repr__(self) -> str:
        return describe(self, "in_channels, hidden_channels, out_channels", "edge_dim")
