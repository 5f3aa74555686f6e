"""Neural message passing: enn-s2s."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import NNConv
from torch_geometric.nn.aggr import Set2Set
from torch_geometric.nn.inits import reset
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import IrrepsLike

from ..activation import ActivationLike, resolve_activation
from ..cutoff import smooth_envelope
from ..dense import Dense
from ..edge_embedding import EdgeEmbedding
from ..mlp import MLP
from ..module import describe
from ..pool import Atoms
from ._admitted import EdgeFeatures
from ._embedding import check_inputs, one_hot_inputs, one_hot_parts
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel


class NMP(MolecularModel):
    r"""The network of the `"Neural Message Passing for Quantum Chemistry"
    <https://arxiv.org/abs/1704.01212>`_ paper, enn-s2s: an edge network, and Set2Set.

    .. math::
        \mathbf{x}_i \leftarrow \operatorname{GRU}\big(\phi(\text{NNConv}(\mathbf{x},
        \mathbf{e})_i),\, \mathbf{x}_i\big), \qquad \mathbf{m}_i = \sum_j
        \mathbf{A}(\mathbf{e}_{ij})\, \mathbf{x}_j, \qquad
        \mathbf{e}_{ij} = r_{ij} \oplus \text{bond}_{ij}

    Layers are PyG's own, :class:`torch_geometric.nn.conv.NNConv` and
    :class:`torch_geometric.nn.aggr.Set2Set`; the same weights act in every step, as in
    PyG's example ``qm9_nn_conv.py``, whose sizes are the defaults. It reads distances,
    and nothing else of the positions: its features are invariant.

    Args:
        hidden_channels: number of scalars of an atom (default: 64).
        num_layers: steps of message passing (default: 3).
        edge_channels: width of the edge network (default: 128).
        processing_steps: of Set2Set (default: 3).
        cutoff: radius of the neighborhoods; ``None`` joins all pairs
            (default: ``None``).
        smooth: multiply messages by a cosine envelope of the distances, so that
            energies are smooth at the cutoff (default: ``False``).
        aggr: how messages are joined, ``"add"``, or ``"mean"`` as in PyG's example
            (default: ``"add"``).
        act: activation of all networks (default: ``"relu"``; forces want a smooth one,
            such as ``"silu"``).
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        head: what to predict: ``"set2set"``, as in the paper, or as in
            :func:`~pyg_equivariant.nn.models.make_head` (default: ``"set2set"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        irreps_in: irreps of atom features given instead of atomic numbers. As features
            of this network are scalars, others enter by inner products of equal irreps,
            which know nothing of the edges.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of the edge features given as ``edge_attr``, such as
            ``"4x0e"`` for kinds of bonds; likewise.
        irreps_out: irreps to predict in place of a scalar, such as ``"1x2e"``; or the
            formula of a Cartesian tensor, such as ``"ij=ji"`` for a polarizability. How
            atoms are joined is said by ``head``: ``"sum"``, ``"mean"`` or ``"node"``.
            See :class:`IrrepsHead`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, positions :math:`(|V|, 3)`, graph of
          each atom :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Example:
        >>> model = NMP(hidden_channels=16, num_layers=2)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 64,
        num_layers: int = 3,
        edge_channels: int = 128,
        processing_steps: int = 3,
        cutoff: float | None = None,
        smooth: bool = False,
        aggr: str = "add",
        act: ActivationLike = "relu",
        species: tuple[int, ...] = (1, 6, 7, 8, 9),
        head: str | Head | None = "set2set",
        mean: float = 0.0,
        scale: float = 1.0,
        atomref: Tensor | float | None = None,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        hidden = hidden_channels

        def scalar_head(reduce: str) -> Head:
            return ScalarHead(MLP([hidden, hidden, 1], act), None, reduce)

        check_inputs(irreps_in, irreps_x)
        if head == "set2set" and irreps_out is None:
            head = Set2SetHead(hidden, processing_steps, act)
        built = make_head(
            head, scalar_head, hidden, 0, act, asked=Asked(irreps_out, cutoff)
        )
        super().__init__(cutoff, built, mean, scale, atomref)
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.smooth = smooth
        self.aggr = aggr

        parts = one_hot_parts((species,), irreps_in, irreps_x)
        self.species, self.features, width = parts
        self.embedding = Dense(width, hidden)
        self.edge_features = EdgeFeatures(irreps_edge)
        self.edges = EdgeEmbedding(cutoff, envelope=smooth_envelope(smooth, cutoff))
        widths = [1 + self.edge_features.num_scalars, edge_channels, hidden**2]
        self.conv = NNConv(hidden, hidden, EdgeNetwork(widths, act), aggr=aggr)
        self.act = resolve_activation(act)
        self.update = Update(hidden, hidden)
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True`` and sums, or with edges between all pairs."""
        return self.cutoff is None or (self.smooth and self.aggr == "add")

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Scalars of every atom.

        Args:
            z: atomic numbers or features.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        x = self.embedding(one_hot_inputs(self.species, self.features, z, x, graph.pos))
        x = self.act(x)
        edges = self.edges.embed(graph)
        bonds = self.edge_features.invariants(edge_attr, edges.edge_vec)
        weight = edges.edge_weight
        if weight is None:
            weight = torch.ones_like(edges.edge_length)
        e = torch.stack([edges.edge_length, weight], dim=-1)
        e = e if bonds is None else torch.cat([bonds, e], dim=-1)
        for _ in range(self.num_layers):
            m = self.act(self.conv(x, edges.edge_index.long(), e))
            x = self.update(m.to(x.dtype), x)
        return Features(x, None, graph.pos)

    def __repr__(self) -> str:
        return describe(self, "", "hidden_channels num_layers cutoff")


class EdgeNetwork(torch.nn.Module):
    """A network on edge features, times an envelope that comes last among them.

    Args:
        channels: sizes of the network.
        act: its activation.
    """

    def __init__(self, channels: list[int], act: ActivationLike) -> None:
        super().__init__()
        self.mlp = MLP(channels, act)

    def forward(self, edge_attr: Tensor) -> Tensor:
        """Matrices of messages, flat."""
        out: Tensor = self.mlp(edge_attr[:, :-1])
        return out * edge_attr[:, -1:]


class Update(torch.nn.GRUCell):
    """PyTorch's gated recurrent unit, in operations of which all derivatives exist."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state, given the message ``input`` and the state ``hx``."""
        assert hx is not None
        linear = torch.nn.functional.linear
        given = linear(input, self.weight_ih, self.bias_ih).chunk(3, dim=-1)
        kept = linear(hx, self.weight_hh, self.bias_hh).chunk(3, dim=-1)
        reset, update = (
            (a + b).sigmoid() for a, b in zip(given[:2], kept, strict=False)
        )
        new = (given[2] + reset * kept[2]).tanh()
        return new + update * (hx - new)


class Set2SetHead(Head):
    r"""One scalar of every molecule, from a set of atoms that attention goes through.

    .. math::
        y = \text{post}\big(\text{Set2Set}(\{\mathbf{x}_i\})\big)

    Args:
        channels: number of scalars of an atom.
        processing_steps: how often attention looks at all atoms.
        act: activation of the network after it.

    Example:
        >>> Set2SetHead(8).reduce
        'sum'
    """

    reduce = "sum"  # of references of atoms, which join the prediction

    def __init__(
        self, channels: int, processing_steps: int = 3, act: ActivationLike = "relu"
    ) -> None:
        super().__init__()
        self.pool = Set2Set(channels, processing_steps)
        self.post = MLP([2 * channels, channels, 1], act)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.pool)
        self.post.reset_parameters()

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict ``(num_graphs, 1)``."""
        x, index = features.x, atoms.batch
        if index is None:
            index = torch.zeros(x.shape[0], dtype=torch.long, device=x.device)
        return self.post(self.pool(x, index.long(), dim_size=atoms.batch_size))
