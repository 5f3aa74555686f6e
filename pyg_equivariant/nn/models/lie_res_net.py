"""LieConv's residual network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.graph import Graph, lift
from pyg_equivariant.o3 import IrrepsLike, rand_matrix, rand_quaternion

from ..activation import ActivationLike, resolve_activation
from ..conv import LieConv
from ..cutoff import smooth_envelope
from ..dense import Dense
from ..edge_embedding import EdgeEmbedding
from ..masked_batch_norm import MaskedBatchNorm
from ..module import describe
from ._admitted import EdgeFeatures
from ._embedding import check_inputs, one_hot_inputs, one_hot_parts
from ._lie_block import BottleneckBlock
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel


class LieResNet(MolecularModel):
    r"""The network of the `"Generalizing Convolutional Neural Networks for Equivariance
    to Lie Groups on Arbitrary Continuous Data" <https://arxiv.org/abs/2002.12880>`_
    paper.

    .. math::
        \mathbf{x} \leftarrow \mathbf{x} + \mathbf{W}_2\, \phi\big(\text{LieConv}(
        \phi(\mathbf{W}_1\, \phi(\mathbf{x})))\big), \qquad
        \mathbf{x}_i^{(0)} = \mathbf{W} \mathbf{f}(z_i) + \mathbf{b}

    with a batch normalization before each activation :math:`\phi`. The defaults are the
    network that the paper trains on QM9, for ``"T(3)"``: **translations alone leave its
    predictions unchanged**, and random rotations of the training set teach it the rest.
    With ``group="SE(3)"`` an atom becomes ``num_lifts`` elements of the group, drawn
    anew at every call: predictions are random, and their *distribution* is invariant
    under rotations and translations (reflections change it); for given lifts, they are
    invariant if these move along.

    All derivatives are right, in positions too, where the authors' code has none.

    Args:
        hidden_channels: number of scalars of an atom (default: 1536); a quarter of
            them enters convolutions.
        num_layers: number of blocks (default: 6).
        group: ``"T(3)"`` or ``"SE(3)"`` (default: ``"T(3)"``).
        num_lifts: group elements of an atom, 1 for ``"T(3)"`` (default: 1).
        cutoff: radius of the neighborhoods; ``None`` joins all pairs
            (default: ``None``).
        smooth: multiply kernels by a cosine envelope of the distances, so that energies
            are smooth at the cutoff; not with ``fill`` (default: ``False``).
        augment: turn every graph at random in training (default: ``False``).
        kernel_channels, batch_norm, average, fill, nbhd, sample, alpha, act: as in
            :class:`~pyg_equivariant.nn.LieConv`; ``batch_norm`` and ``act`` are those
            of the blocks, too. Batch normalization joins the graphs of a batch in
            training.
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        charge_power: highest power of the charge in the input (default: 2).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"mean"``, as in the paper; ``"extensive"`` for energies of
            materials, which add up).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        irreps_in: irreps of atom features given instead of atomic numbers. As features
            of this network are scalars, others enter by inner products of equal irreps,
            which know nothing of the edges.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of the edge features given as ``edge_attr``; likewise.
        irreps_out: irreps to predict in place of a scalar, such as ``"1x2e"``, see
            :class:`IrrepsHead`; like all predictions of this network, they commute with
            translations alone.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)` or features
          :math:`(|V|, F_{in})`, positions :math:`(|V|, 3)`, graph of each atom
          :math:`(|V|)`, ``quaternion`` :math:`(|V|, S, 4)`
        - **output:** :math:`(B, 1)` for the default head

    Example:
        >>> model = LieResNet(hidden_channels=16, num_layers=2, group="SE(3)")
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 1536,
        num_layers: int = 6,
        group: str = "T(3)",
        num_lifts: int = 1,
        cutoff: float | None = None,
        smooth: bool = False,
        augment: bool = False,
        kernel_channels: tuple[int, ...] = (32, 32, 16),
        batch_norm: bool = True,
        average: bool = True,
        fill: float | None = None,
        nbhd: int | None = None,
        sample: str = "training",
        alpha: float = 0.2,
        act: ActivationLike = "silu",
        species: tuple[int, ...] = (1, 6, 7, 8, 9),
        charge_power: int = 2,
        head: str | Head | None = "mean",
        mean: float = 0.0,
        scale: float = 1.0,
        atomref: Tensor | float | None = None,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        def scalar_head(reduce: str) -> Head:
            return ScalarHead(Dense(hidden_channels, 1), None, reduce)

        check_inputs(irreps_in, irreps_x)
        _check_lifts(group, num_lifts)
        _check_smooth(smooth, fill)
        asked = Asked(irreps_out, cutoff)
        built = make_head(head, scalar_head, hidden_channels, 0, act, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.group = group
        self.num_lifts = num_lifts
        self.smooth = smooth
        self.augment = augment
        self.batch_norm = batch_norm
        self.fill = fill

        parts = one_hot_parts((species, charge_power), irreps_in, irreps_x)
        self.species, self.features, width = parts
        self.embedding = Dense(width, hidden_channels)
        self.edge_features = EdgeFeatures(irreps_edge)
        self.edges = EdgeEmbedding(cutoff, envelope=smooth_envelope(smooth, cutoff))
        inner = max(hidden_channels // 4, 1)
        self.blocks = ModuleList(
            BottleneckBlock(
                hidden_channels,
                LieConv(
                    inner,
                    inner,
                    group,
                    self.edge_features.num_scalars,
                    kernel_channels,
                    act,
                    batch_norm=batch_norm,
                    average=average,
                    fill=fill,
                    nbhd=nbhd,
                    sample=sample,
                    alpha=alpha,
                ),
                act,
            )
            for _ in range(num_layers)
        )
        self.norm = MaskedBatchNorm(hidden_channels) if batch_norm else None
        self.act = resolve_activation(act)
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True``, or with edges between all pairs, unless balls end."""
        return self.fill is None and (self.smooth or self.cutoff is None)

    @property
    def is_extensive(self) -> bool:
        """Not with batch normalization, which joins all that is in a batch."""
        return not self.batch_norm and super().is_extensive

    def represent(  # type: ignore[override]
        self,
        z: Tensor,
        graph: Graph,
        x: Tensor | None = None,
        edge_attr: Tensor | None = None,
        quaternion: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Features:
        """Scalars of every atom.

        Args:
            z: atomic numbers or features.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
            quaternion: rotations of the lifts of each atom ``(|V|, S, 4)``, of any
                length but zero, for ``"SE(3)"``; drawn at random by default.
            generator: source of all that is drawn (default: torch's own).
        """
        x = self.embedding(one_hot_inputs(self.species, self.features, z, x, graph.pos))
        edge_index, a, weight = self._pairs(graph, edge_attr, quaternion, generator)
        lifts = self.num_lifts if quaternion is None else quaternion.shape[1]
        x = x.repeat_interleave(lifts, dim=0) if lifts > 1 else x
        for block in self.blocks:
            x = block(x, edge_index, a, weight, graph.batch_size, generator)
        x = self.act(x if self.norm is None else self.norm(x))
        if lifts > 1:
            x = x.unflatten(0, (-1, lifts)).mean(dim=1)
        return Features(x, None, graph.pos)

    def _pairs(
        self,
        graph: Graph,
        edge_attr: Tensor | None,
        quaternion: Tensor | None,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Pairs of lifted points, their logarithms and features, and an envelope."""
        edges = self.edges.embed(graph)
        weight = edges.edge_weight
        others = self.edge_features.invariants(edge_attr, edges.edge_vec)
        if self.group == "T(3)":
            if quaternion is not None:
                raise ValueError("quaternion came, but this network lifts to T(3)")
            index, a = edges.edge_index, self._turned(graph, -edges.edge_vec, generator)
        else:
            if quaternion is None:
                quaternion = self._draw(graph.pos, generator)
            index, a, _ = lifted = lift(graph, quaternion)
            weight = None if weight is None else lifted.spread(weight, within=1.0)
            others = None if others is None else lifted.spread(others, within=0.0)
        return index, a if others is None else torch.cat([a, others], dim=-1), weight

    def _draw(self, pos: Tensor, generator: torch.Generator | None) -> Tensor:
        """Quaternions of the lifts of every atom."""
        shape, device = (pos.shape[0], self.num_lifts), pos.device
        q = rand_quaternion(*shape, generator=generator, device=device)
        return q.to(pos.dtype)

    def _turned(
        self, graph: Graph, vectors: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Vectors of edges, of every graph turned at random if asked for."""
        if not (self.augment and self.training):
            return vectors
        R = rand_matrix(graph.batch_size, generator=generator, device=vectors.device)
        R = R.to(vectors.dtype)
        target = graph.edge_index[1].long()
        owner = torch.zeros_like(target) if graph.batch is None else graph.batch[target]
        return (R[owner] @ vectors.unsqueeze(-1)).squeeze(-1)

    def __repr__(self) -> str:
        return describe(self, "", "hidden_channels num_layers group cutoff")


def _check_lifts(group: str, num_lifts: int) -> None:
    """Refuse several lifts where a point has one."""
    if num_lifts < 1 or (group == "T(3)" and num_lifts > 1):
        raise ValueError(
            f"got num_lifts={num_lifts} for {group}: a point has one lift to T(3), one "
            "or more to SE(3)"
        )


def _check_smooth(smooth: bool, fill: float | None) -> None:
    """Refuse balls, at whose surfaces energies would jump."""
    if smooth and fill is not None:
        raise ValueError(
            f"smooth=True with fill={fill}: neighbors leave the balls abruptly; pass "
            "fill=None and choose a cutoff"
        )
