"""PaiNN's interaction and mixing."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, PairTensor

from pyg_equivariant import o3
from pyg_equivariant.kernels import Convolution
from pyg_equivariant.o3 import safe_norm, safe_normalize, widen

from ..cutoff import CosineCutoff
from ..dense import Dense
from ..edge_embedding import Edges
from ..mlp import MLP
from ..module import describe
from ._equivariant_conv import EquivariantConv
from ._inputs import (
    as_pair,
    check_edge_inputs,
    check_ends,
    check_equivariant_aggr,
    check_rows,
    check_scalars,
    check_vector,
    complete,
    join_envelopes,
)


class PaiNNConv(EquivariantConv):
    r"""The message and update of the `"Equivariant message passing for the prediction
    of tensorial properties and molecular spectra" <https://arxiv.org/abs/2102.03150>`_
    paper (PaiNN).

    Interaction, with :math:`\phi` atom-wise and a filter :math:`W` of the distance:

    .. math::
        \Delta \mathbf{s}_i &= \sum_{j \in \mathcal{N}(i)}
        \phi_s(\mathbf{s}_j) \odot W_s(r_{ij}) \\
        \Delta \vec{\mathbf{v}}_i &= \sum_{j \in \mathcal{N}(i)}
        \phi_{vs}(\mathbf{s}_j) \odot W_{vs}(r_{ij})\, \frac{\vec r_{ij}}{r_{ij}}
        + \vec{\mathbf{v}}_j \odot \phi_{vv}(\mathbf{s}_j) \odot W_{vv}(r_{ij})

    Mixing, on every atom:

    .. math::
        \Delta \mathbf{s}_i &= \mathbf{a}_{ss}
        + \mathbf{a}_{sv} \odot
        \langle \mathbf{U} \vec{\mathbf{v}}_i, \mathbf{V} \vec{\mathbf{v}}_i \rangle \\
        \Delta \vec{\mathbf{v}}_i &= \mathbf{a}_{vv} \odot \mathbf{U}\vec{\mathbf{v}}_i,
        \qquad (\mathbf{a}_{ss}, \mathbf{a}_{vv}, \mathbf{a}_{sv}) =
        a\big(\mathbf{s}_i, \|\mathbf{V} \vec{\mathbf{v}}_i\|\big)

    where :math:`W(r) = (\mathbf{A}\, \mathbf{e}(r) + \mathbf{b})\, f(r)` acts on radial
    features :math:`\mathbf{e}` (``edge_attr``), :math:`f` is the cosine envelope and
    :math:`\|\vec v\| = \sqrt{|\vec v|^2 + \epsilon}`. The three terms of the message
    are the paths :math:`0 \times 0 \to 0`, :math:`0 \times 1 \to 1` and
    :math:`1 \times 0 \to 1` of a tensor product with harmonics up to :math:`l=1`.
    Scalars are invariant and vectors rotate.

    Args:
        channels (int): Number of scalar and of vector channels :math:`F`.
        edge_dim (int): Number of radial features of an edge.
        cutoff (float, optional): Radius of the envelope :math:`f`, in the unit of
            ``edge_vec``; none if :obj:`None`. (default: :obj:`None`)
        eps (float, optional): The number :math:`\epsilon`. (default: :obj:`1e-8`)
        aggr (str, optional): How messages are joined, ``"add"`` or ``"mean"``.
            (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** scalars :math:`(|V|, F)`, vectors :math:`(|V|, 3, F)` (pairs of
          these, of sources and of targets, if bipartite); edge indices
          :math:`(2, |E|)`; edge vectors :math:`(|E|, 3)`, from the receiver to the
          sender; radial features :math:`(|E|, D)`; ``edge_weight`` :math:`(|E|)`, a
          further envelope that multiplies messages
        - **output:** scalars :math:`(|V|, F)` and vectors :math:`(|V|, 3, F)`, of the
          targets if bipartite

    Examples:
        >>> conv = PaiNNConv(16, edge_dim=20, cutoff=5.0)
        >>> x, vec = torch.randn(4, 16), torch.zeros(4, 3, 16)
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> x, vec = conv(x, vec, edge_index, torch.randn(3, 3), torch.rand(3, 20))
        >>> x.shape, vec.shape
        (torch.Size([4, 16]), torch.Size([4, 3, 16]))
    """

    def __init__(
        self,
        channels: int,
        edge_dim: int,
        cutoff: float | None = None,
        eps: float = 1e-8,
        aggr: str = "add",
        **kwargs: Any,
    ) -> None:
        check_equivariant_aggr(aggr)
        super().__init__(aggr=aggr, node_dim=0, **kwargs)
        self.channels = channels
        self.edge_dim = edge_dim
        self.cutoff = cutoff
        self.eps = eps
        self.irreps_in = self.irreps_out = o3.Irreps(
            [(channels, "0e"), (channels, "1o")]
        )

        # φ: atom-wise network
        self.phi = MLP([channels, channels, 3 * channels], init="xavier")
        # W: filter, f: its envelope
        self.filter = Dense(edge_dim, 3 * channels)
        self.envelope = None if cutoff is None else CosineCutoff(cutoff)
        # Σ: the paths of the message, summed over neighbors without forming messages
        self.convolve = Convolution(_paths(channels))
        # V, U: vector mixing
        self.mix = Dense(channels, 2 * channels, bias=False)
        # a: mixing network
        self.a = MLP([2 * channels, channels, 3 * channels], init="xavier")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        reset(self.aggr_module)
        self.phi.reset_parameters()
        torch.nn.init.xavier_uniform_(self.filter.weight)
        torch.nn.init.zeros_(self.filter.bias)
        torch.nn.init.xavier_uniform_(self.mix.weight)
        self.a.reset_parameters()

    def forward(
        self,
        x: Tensor | PairTensor,
        vec: Tensor | PairTensor,
        edge_index: Adj,
        edge_vec: Tensor,
        edge_attr: Tensor,
        edge_weight: OptTensor = None,
    ) -> tuple[Tensor, Tensor]:
        """Exchange messages, then mix at every node.

        Args:
            x: scalars, or a pair of those of sources and of targets.
            vec: vectors, or a pair like ``x``.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_vec: vectors from the receivers to the senders.
            edge_attr: radial features.
            edge_weight: a further envelope that multiplies messages.

        Returns:
            Scalars and vectors.
        """
        like = self.mix.weight
        check_scalars(edge_attr, self.edge_dim, "edge_attr", like)
        check_scalars(edge_vec, 3, "edge_vec", like)
        check_vector(edge_weight, "edge_weight", like)
        edges = {"edge_vec": edge_vec, "edge_attr": edge_attr}
        check_edge_inputs(edge_index, **edges, edge_weight=edge_weight)
        # Radial part
        w = self.filter(edge_attr)  # [num_edges, 3 F]
        f = None if self.envelope is None else self.envelope(safe_norm(edge_vec))
        f = join_envelopes(f, edge_weight)
        # Interaction and mixing
        edge_dir = safe_normalize(edge_vec)
        x, vec = self.interact(x, vec, edge_index, edge_dir, w, f)
        return self.update_nodes(x, vec)

    def interact(
        self,
        x: Tensor | PairTensor,
        vec: Tensor | PairTensor,
        edge_index: Adj,
        edge_dir: Tensor,
        w: Tensor,
        f: OptTensor = None,
    ) -> tuple[Tensor, Tensor]:
        """The interaction alone, given edge directions and filters ``(|E|, 3 F)``.

        The envelope ``f``, ``(|E|,)``, multiplies the filters.
        """
        x, vec = as_pair(x, self.flow), as_pair(vec, self.flow, "vec", 3)
        self._check(x, vec)
        check_scalars(w, 3 * self.channels, "w", self.mix.weight)
        check_scalars(edge_dir, 3, "edge_dir", self.mix.weight)
        check_vector(f, "f", self.mix.weight)
        # Atom-wise part
        h = (self.phi(x[0]), None)  # [num_nodes, 3 F]
        # Message passing
        edges = {"w": w, "f": f, "edge_dir": edge_dir}
        size = (x[0].shape[0], x[1].shape[0])
        # propagate_type: (x: OptPairTensor, vec: OptPairTensor, w: Tensor, f: OptTensor, edge_dir: Tensor)  # noqa: E501
        out = self.sum_messages(edge_index, h, size, vec=(vec[0], None), **edges)
        return x[1] + out[:, 0], vec[1] + out[:, 1:]

    def _check(self, x: PairTensor, vec: PairTensor) -> None:
        for k in range(2):
            check_scalars(x[k], self.channels, "x", self.mix.weight)
            check_scalars(vec[k], self.channels, "vec", self.mix.weight)
            check_rows(vec[k], x[k].shape[0], "vec")
            if vec[k].shape[1] != 3:
                raise ValueError(
                    f"expected vec (|V|, 3, {self.channels}), got shape "
                    f"{tuple(vec[k].shape)}"
                )

    def message(
        self, x_j: Tensor, vec_j: Tensor, w: Tensor, f: OptTensor, edge_dir: Tensor
    ) -> Tensor:
        w = w if f is None else w * f.unsqueeze(-1)
        s, vs, vv = (x_j * w).unsqueeze(1).chunk(3, dim=-1)  # [num_edges, 1, F]
        v = vs * edge_dir.unsqueeze(-1) + vv * vec_j
        return torch.cat([s, v], dim=1)  # [num_edges, 4, F]

    def message_and_aggregate(
        self,
        edge_index: Tensor,
        x: OptPairTensor,
        vec: OptPairTensor,
        w: Tensor,
        f: OptTensor,
        edge_dir: Tensor,
        dim_size: int,
    ) -> Tensor:
        s, vs, vv = x[0].chunk(3, dim=-1)
        gated = (vv.unsqueeze(1) * vec[0]).flatten(1)
        joined = torch.cat([s, vs, gated], dim=-1)  # [num_nodes, 5 F]
        edge_sh = torch.cat([torch.ones_like(edge_dir[:, :1]), edge_dir], dim=-1)
        edge_sh = edge_sh if f is None else edge_sh * f.unsqueeze(-1)
        out = self.convolve(joined, edge_sh, w, edge_index, dim_size)
        return out.unflatten(-1, (4, self.channels))

    def on_edges(self, x: Tensor, edges: Edges) -> Tensor:
        check_ends(x, edges.graph, bipartite=False)
        scalars, vec = complete(x, self.irreps_in).split(
            [self.channels, 3 * self.channels], dim=-1
        )
        weight = edges.edge_weight if self.envelope is None else None
        given = (edges.edge_index, edges.edge_vec, edges.edge_attr, weight)
        scalars, vec = self(scalars, vec.unflatten(-1, (3, -1)), *given)
        return torch.cat([scalars, vec.flatten(1)], dim=-1)

    def update_nodes(self, x: Tensor, vec: Tensor) -> tuple[Tensor, Tensor]:
        """The mixing alone."""
        v, u = self.mix(vec).chunk(2, dim=-1)  # [num_nodes, 3, F]
        length = (widen(v).square().sum(dim=1) + self.eps).sqrt().to(v.dtype)
        ss, vv, sv = self.a(torch.cat([x, length], dim=-1)).chunk(3, dim=-1)
        return x + ss + sv * (u * v).sum(dim=1), vec + vv.unsqueeze(1) * u

    def __repr__(self) -> str:
        return describe(self, "channels", "edge_dim cutoff")


def _paths(channels: int) -> o3.TensorProductPaths:
    """The paths of the message, on gated features, as plain products."""
    F, three = channels, 3.0  # the coefficients of the last two are 1 / sqrt(3)
    return o3.TensorProductPaths(
        o3.Irreps(f"{F}x0e+{F}x0e+{F}x1o"),
        o3.Irreps("0e+1o"),
        o3.Irreps(f"{F}x0e+{F}x1o"),
        (
            o3.Path(0, 0, 0, "uvu"),
            o3.Path(1, 1, 1, "uvu", path_weight=three),
            o3.Path(2, 0, 1, "uvu", path_weight=three),
        ),
        irrep_normalization="none",
        path_normalization="none",
    )
