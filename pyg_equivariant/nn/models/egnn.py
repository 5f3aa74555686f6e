"""EGNN."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import IrrepsLike

from ..activation import ActivationLike
from ..conv import EGNNConv
from ..cutoff import smooth_envelope
from ..edge_embedding import EdgeEmbedding
from ..mlp import MLP
from ..module import describe
from ._admitted import EdgeFeatures
from ._embedding import check_inputs, one_hot_inputs, one_hot_parts, scalars_or_irreps
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel


class EGNN(MolecularModel):
    r"""The network of the `"E(n) Equivariant Graph Neural Networks"
    <https://arxiv.org/abs/2102.09844>`_ paper.

    .. math::
        \mathbf{h}, \mathbf{x} \leftarrow \text{EGNNConv}(\mathbf{h}, \mathbf{x}),
        \qquad \mathbf{h}_i^{(0)} = \mathbf{W} \mathbf{f}(z_i) + \mathbf{b}

    The defaults are those of the paper's QM9 experiment: all pairs of atoms, attention,
    positions that stay, species times powers of the charge as input. With
    ``in_channels``, ``velocity=True``, ``update_pos=True`` and ``head="pos"`` it is the
    network of the N-body experiment, called as ``model(x, pos, batch, edge_index,
    vel=vel, edge_attr=edge_attr)``.

    Args:
        hidden_channels: number of scalars of an atom (default: 128).
        num_layers: number of layers (default: 7).
        cutoff: radius of the neighborhoods; ``None`` joins all pairs
            (default: ``None``).
        smooth: multiply messages by a cosine envelope of the distances at the start,
            so that energies are smooth at the cutoff (default: ``False``, as in the
            paper).
        attention, update_pos, velocity, tanh, clamp, residual, pos_aggr: as in
            :class:`~pyg_equivariant.nn.EGNNConv` (defaults: with attention, positions
            that stay).
        normalize: as there; forces of energies that depend on moved positions are
            then not exact derivatives (default: ``False``).
        norm_diff: as there (default: ``False``).
        act: activation of all networks (default: ``"silu"``).
        edge_dim: size of the edge features given as ``edge_attr`` (default: 0).
        in_channels: size of atom features given instead of atomic numbers; ``None`` for
            atomic numbers (default: ``None``).
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        charge_power: highest power of the charge in the input (default: 2).
        out_channels: size of a last linear map of the scalars, as in the authors'
            general code; ``None`` for none (default: ``None``).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"sum"``, which a network follows as in the paper;
            ``"extensive"`` for energies of materials, which add up).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        irreps_in: irreps of atom features given instead of atomic numbers, in place of
            ``in_channels``. As features of this network are scalars, others enter by
            inner products of equal irreps, which know nothing of the edges.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of the edge features given as ``edge_attr``, in place of
            ``edge_dim``; likewise.
        irreps_out: irreps to predict in place of a scalar, such as ``"1x2e"``; or the
            formula of a Cartesian tensor, such as ``"ij=ji"`` for a polarizability. How
            atoms are joined is said by ``head``: ``"sum"``, ``"mean"`` or ``"node"``.
            See :class:`IrrepsHead`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)` or features
          :math:`(|V|, F_{in})`, positions :math:`(|V|, 3)`, graph of each atom
          :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Example:
        >>> model = EGNN(hidden_channels=16, num_layers=2)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        num_layers: int = 7,
        cutoff: float | None = None,
        smooth: bool = False,
        attention: bool = True,
        update_pos: bool = False,
        velocity: bool = False,
        tanh: bool = False,
        normalize: bool = False,
        clamp: float | None = None,
        residual: bool = True,
        pos_aggr: str = "mean",
        act: ActivationLike = "silu",
        edge_dim: int = 0,
        in_channels: int | None = None,
        species: tuple[int, ...] = (1, 6, 7, 8, 9),
        charge_power: int = 2,
        out_channels: int | None = None,
        head: str | Head | None = "sum",
        mean: float = 0.0,
        scale: float = 1.0,
        atomref: Tensor | float | None = None,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
        norm_diff: bool = False,
    ) -> None:
        irreps_in = scalars_or_irreps("in_channels", in_channels, irreps_in)
        irreps_edge = scalars_or_irreps("edge_dim", edge_dim or None, irreps_edge)
        check_inputs(irreps_in, irreps_x)
        hidden = hidden_channels
        out = hidden if out_channels is None else out_channels

        def scalar_head(reduce: str) -> Head:
            post = None if reduce == "node" else MLP([hidden, hidden, 1], act)
            width = 1 if reduce == "node" else hidden
            return ScalarHead(MLP([out, hidden, width], act), post, reduce)

        vec_channels = 1 if update_pos else 0
        sizes = out, vec_channels, act, update_pos
        built = make_head(head, scalar_head, *sizes, Asked(irreps_out, cutoff))
        super().__init__(cutoff, built, mean, scale, atomref)
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.smooth = smooth
        self.update_pos = update_pos
        self.velocity = velocity
        self.edge_dim = edge_dim
        self.in_channels = in_channels
        self.out_channels = out_channels

        parts = one_hot_parts((species, charge_power), irreps_in, irreps_x)
        self.species, self.features, width = parts
        self.embedding = torch.nn.Linear(width, hidden)
        self.edge_features = EdgeFeatures(irreps_edge)
        envelope = smooth_envelope(smooth, cutoff)
        self.edges = EdgeEmbedding(cutoff, envelope=envelope)
        self.convs = ModuleList(
            EGNNConv(
                hidden,
                hidden,
                hidden,
                self.edge_features.num_scalars,
                attention=attention,
                tanh=tanh,
                normalize=normalize,
                norm_diff=norm_diff,
                clamp=clamp,
                update_pos=update_pos,
                velocity=velocity,
                residual=residual,
                pos_aggr=pos_aggr,
                act=act,
            )
            for _ in range(num_layers)
        )
        self.out = (
            None if out_channels is None else torch.nn.Linear(hidden, out_channels)
        )
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True``, or with edges between all pairs."""
        return self.smooth or self.cutoff is None

    def represent(  # type: ignore[override]
        self,
        z: Tensor,
        graph: Graph,
        vel: Tensor | None = None,
        edge_attr: Tensor | None = None,
        x: Tensor | None = None,
    ) -> Features:
        """Scalars of every atom, and where it moves.

        Args:
            z: atomic numbers or features.
            graph: the edges.
            vel: velocities ``(|V|, 3)``, if built with ``velocity=True``.
            edge_attr: edge features ``(|E|, edge_dim)``.
            x: features beside atomic numbers, if built with ``irreps_x``.
        """
        x = self.embedding(one_hot_inputs(self.species, self.features, z, x, graph.pos))
        # The envelope is of where atoms start, which decides on edges.
        edges, pos = self.edges.embed(graph), graph.pos
        edge_attr = self.edge_features.invariants(edge_attr, edges.edge_vec)
        for conv in self.convs:
            edge_vec = edges.edge_vec
            if self.update_pos:
                edge_vec = graph.moved_to(pos).edge_vec()
            given = (edges.edge_index, edge_attr, vel, edge_vec, edges.edge_weight)
            x, pos = conv(x, pos, *given)
        if self.out is not None:
            x = self.out(x)
        if not self.update_pos:
            return Features(x, None, pos)
        return Features(x, (pos - graph.pos).unsqueeze(-1), pos, start=graph.pos)

    def __repr__(self) -> str:
        return describe(self, "", "hidden_channels num_layers cutoff")
