"""Allegro."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import Identity, Module, ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.kernels import neighbor_sum
from pyg_equivariant.o3 import Irrep, Irreps, IrrepsLike

from ..activation import SecondMomentActivation
from ..conv import AllegroConv
from ..conv.nequip_conv import ROOT_TWO_SILU
from ..cutoff import PolynomialCutoff
from ..edge_embedding import EdgeEmbedding, Edges
from ..mlp import RadialMLP
from ..module import describe
from ..radial import BesselBasis
from ._admitted import EdgeFeatures
from ._allegro_tracks import (
    LINEAR,
    LatentTrack,
    NormalizedBesselBasis,
    PublishedTrack,
    TrackSize,
    published_act,
)
from ._edge_steering import EdgeSteering
from ._species import SpeciesIndex
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel

SCALARS = "sum", "extensive", "mean", "node"
NETWORKS = "two_body", "latent", "weights", "readout"


class Allegro(MolecularModel):
    r"""The network of the `"Learning local equivariant representations for large-scale
    atomistic dynamics" <https://arxiv.org/abs/2204.05249>`_ paper.

    .. math::
        \mathbf{x}_{ij} \leftarrow \text{AllegroConv}(\mathbf{x}_{ij}), \qquad
        \mathbf{h}_{ij} \leftarrow \text{MLP}\big(\mathbf{h}_{ij} \oplus
        \mathbf{x}^{0e}_{ij}\big), \qquad
        E_i = \sigma_{s_i} \frac{1}{\sqrt{2 \bar n}} \sum_{j \in \mathcal{N}(i)}
        \text{MLP}(\mathbf{h}_{ij}) + \mu_{s_i}

    Every directed edge carries tensors :math:`\mathbf{x}_{ij}` and invariants
    :math:`\mathbf{h}_{ij}`, which weight the harmonics in the environment of its
    center; invariants of the products go into a network that makes the next ones.
    Nothing is sent from atom to atom: an energy depends on the neighbors within the
    cutoff alone, whatever the number of layers. All vanishes smoothly at the cutoff, so
    that the energy of an atom alone is exactly :math:`\mu_s`.

    The default is the form of the authors' code since version 0.4, where the invariants
    of all layers stand side by side; ``published=True`` is that of the paper and of
    version 0.2: one vector of invariants, updated under the envelope, and paths mixed
    by linear maps. Its sums over edges are divided by :math:`\sqrt{\bar n}`.

    Args:
        hidden_channels: invariants of an edge (default: 64).
        tensor_channels: copies of every irrep of an edge (default: 16).
        lmax: largest degree of tensors and harmonics (default: 2).
        num_layers: number of tensor products (default: 2).
        num_radial: number of Bessel functions (default: 8).
        cutoff: radius of the neighborhoods (default: 5.0).
        parity: tensors of both parities for every degree (default: ``True``); with
            ``False`` those of the harmonics, with ``None`` without any: the network
            then commutes with rotations, not with reflections.
        channel_weights: paths are weighted channel by channel; otherwise by one number
            for all channels. Not if ``published`` (default: ``True``).
        embedding_channels: length of the vectors of both species of an edge together
            (default: ``hidden_channels``, made even). Not if ``published``.
        two_body_channels: hidden widths of the first network (default: ``(64,)``, or
            ``(128, 256, 512)`` if ``published``).
        latent_channels: hidden widths of those of the layers (default: ``(64,)``, or
            twice ``hidden_channels`` if ``published``).
        weight_channels: hidden widths of those that make weights of the environment, if
            ``published`` (default: ``()``).
        readout_channels: hidden widths of the readout (default: ``(32,)``, or
            ``(128,)`` if ``published``).
        linear: networks without activations, among ``"two_body"``, ``"latent"``,
            ``"weights"`` and ``"readout"`` (default: none, or the last two if
            ``published``).
        residual: the :math:`\alpha` of updates, one or one for each layer; ``None`` for
            updates that replace. Only if ``published`` (default: 0.5).
        envelope_exponent: the ``p`` of :class:`~pyg_equivariant.nn.PolynomialCutoff`
            (default: 6).
        trainable_radial: train the frequencies of the Bessel functions (default:
            ``False``).
        avg_num_neighbors: divides sums over neighbors, under a root; one number, or one
            for each of ``species`` as the center (default: 12.0).
        published: the form of the paper (default: ``False``).
        e3nn_constants: whether activations have e3nn's constants, if ``published``
            (default: ``False``).
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`. Heads
            of scalars leave the last layer scalars alone (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`; one
            ``scale`` for each atomic number is the :math:`\sigma_s`, ``atomref`` are
            the :math:`\mu_s`.
        irreps_in: irreps of features of the atoms, given in place of atomic numbers,
            any. All but ``0e`` enter by inner products of equal irreps, and those of
            both ends join the harmonics of an edge.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of edge features given as ``edge_attr``: invariants join the
            radial features, all but ``0e`` the harmonics of the edge.
        irreps_out: irreps to predict in place of a scalar, see :class:`IrrepsHead`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, positions :math:`(|V|, 3)`, graph of
          each atom :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Raises:
        ValueError: if an atom is of another species than those given.

    Example:
        >>> import torch
        >>> model = Allegro(hidden_channels=16, tensor_channels=4, species=(1, 8))
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 64,
        tensor_channels: int = 16,
        lmax: int = 2,
        num_layers: int = 2,
        num_radial: int = 8,
        cutoff: float = 5.0,
        parity: bool | None = True,
        channel_weights: bool = True,
        embedding_channels: int | None = None,
        two_body_channels: Sequence[int] | None = None,
        latent_channels: Sequence[int] | None = None,
        weight_channels: Sequence[int] = (),
        readout_channels: Sequence[int] | None = None,
        linear: Collection[str] | None = None,
        residual: float | Sequence[float] | None = 0.5,
        envelope_exponent: int = 6,
        trainable_radial: bool = False,
        avg_num_neighbors: float | Sequence[float] = 12.0,
        published: bool = False,
        e3nn_constants: bool = False,
        species: Sequence[int] = (1, 6, 7, 8, 9),
        head: str | Head | None = "sum",
        mean: float = 0.0,
        scale: float | Tensor = 1.0,
        atomref: Tensor | float | None = None,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"expected one layer or more, got num_layers={num_layers}")
        if linear is None:
            linear = ("weights", "readout") if published else ()
        if not set(linear) <= set(NETWORKS):
            raise ValueError(f"linear names some of {NETWORKS}, got {linear}")
        if two_body_channels is None:
            two_body_channels = (128, 256, 512) if published else (64,)
        if latent_channels is None:
            latent_channels = (hidden_channels,) * 2 if published else (64,)
        if readout_channels is None:
            readout_channels = (128,) if published else (32,)
        given = irreps_in if irreps_x is None else irreps_x
        steering = EdgeSteering(given, irreps_edge)
        irreps_sh = Irreps.spherical_harmonics(lmax)
        joined = irreps_sh + steering.irreps_out
        if parity is None:
            joined = Irreps([(mul, (ir.l, 1)) for mul, ir in joined])
        narrow = irreps_out is None and head in SCALARS
        irreps = _layers(joined, lmax, num_layers, parity, narrow)
        irreps = [
            Irreps([(tensor_channels, ir) for _, ir in layer]) for layer in irreps
        ]
        features = hidden_channels * (1 if published else num_layers + 1)
        widths = [features, *readout_channels]
        act = _act("readout" in linear, published, e3nn_constants)
        scalars = Irreps([(widths[-1], "0e")])
        irreps_last = scalars if narrow else scalars + irreps[-1]

        def scalar_head(reduce: str) -> Head:
            return ScalarHead(RadialMLP([widths[-1], 1], act), None, reduce)

        asked = Asked(irreps_out, cutoff, irreps_last)
        channels = irreps_last.count("0e"), irreps_last.count("1o")
        built = make_head(head, scalar_head, *channels, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.hidden_channels = hidden_channels
        self.tensor_channels = tensor_channels
        self.lmax = lmax
        self.num_layers = num_layers
        self.num_radial = num_radial
        self.published = published
        self.irreps_sh = irreps_sh
        self.irreps_last = irreps_last
        self.narrow = narrow

        species = tuple(species)
        self.species = None if irreps_in is not None else SpeciesIndex(species)
        self.edge_features = EdgeFeatures(irreps_edge)
        self.steering = steering
        basis: Module = BesselBasis(
            num_radial, cutoff, cutoff / math.pi, trainable_radial
        )
        if published:
            basis = NormalizedBesselBasis(num_radial, cutoff, trainable_radial)
        envelope = PolynomialCutoff(cutoff, envelope_exponent)
        self.edges = EdgeEmbedding(cutoff, basis, envelope, irreps_sh)
        convs = [
            AllegroConv(
                before,
                joined,
                after,
                0,
                channel_weights=channel_weights,
                mix=published,
                radial=Identity(),
            )
            for before, after in pairwise(irreps)
        ]
        self.convs = ModuleList(convs)
        hidden = two_body_channels, latent_channels, weight_channels
        linears = tuple(name in linear for name in NETWORKS[:3])
        size = TrackSize(
            hidden_channels,
            tensor_channels * len(joined),
            tuple(conv.product.irreps_out.count("0e") for conv in convs),
            num_radial + self.edge_features.num_scalars,
            None if irreps_in is not None else species,
            hidden,
            linears,
            (irreps_in, irreps_x),
        )
        self.track: LatentTrack | PublishedTrack
        if published:
            alphas = _residual(residual, num_layers)
            self.track = PublishedTrack(size, e3nn_constants, alphas)
        else:
            even = 2 * (-(-hidden_channels // 2))
            self.track = LatentTrack(size, embedding_channels or even)
        self.readout = RadialMLP(widths, act) if readout_channels else Identity()
        self.act = act if readout_channels else Identity()
        self._set_neighbors(avg_num_neighbors, species)
        self.reset_parameters()

    def _set_neighbors(
        self, avg_num_neighbors: float | Sequence[float], species: tuple[int, ...]
    ) -> None:
        """One number, or one for each species."""
        table = _each(avg_num_neighbors, 1)
        known = 1 if self.species is None else len(species)
        if len(table) not in (1, known) or not min(table, default=0) > 0:
            raise ValueError(
                "avg_num_neighbors is a positive number, or one for each of "
                f"{known} species, got {avg_num_neighbors}"
            )
        self.avg_num_neighbors = tuple(table)

    @property
    def num_hops(self) -> int:
        """One, the number of edges over which an atom is felt."""
        return 1

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Features of every atom.

        Args:
            z: atomic numbers, or features if built with ``irreps_in``.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        edges = self.edges.embed(graph, by_pair=edge_attr is None)
        edges = self.edge_features.radial(edge_attr, edges)
        species = None if self.species is None else self.species(z)
        kinds = z if species is None or self.published else species
        track, own, weight = self.track.begin(kinds, x, edges)
        edges = self.steering(x if self.species is not None else z, edge_attr, edges)
        v = self._first(own, edges)
        root = self._root(species, graph.pos)
        for k, conv in enumerate(self.convs):
            environment = self._environment(conv, weight, edges) / root
            v = conv.join(v, environment, edges.edge_index)
            scalars = v[:, : conv.product.irreps_out.count("0e")]
            if conv.mix is not None and not (self.narrow and k + 1 == self.num_layers):
                v = conv.mix(v)
            weight = self.track.go_on(k, track, scalars, edges)
        h = self.act(self.readout(torch.cat(track, dim=-1)))
        return self._features(h, v, edges, root)

    def _first(self, weight: Tensor, edges: Edges) -> Tensor:
        """The harmonics of every edge, weighted for every channel."""
        conv = self.convs[0]
        one = weight.new_ones(1, self.tensor_channels)
        return conv.tp(one, edges.edge_sh, weight)

    def _environment(self, conv: AllegroConv, weight: Tensor, edges: Edges) -> Tensor:
        count = edges.pos.shape[0]
        return conv.environment(edges.edge_index, edges.edge_sh, weight, (count, count))

    def _root(self, species: Tensor | None, like: Tensor) -> Tensor | float:
        """The root of the average number of neighbors, where it depends on the atom."""
        if len(self.avg_num_neighbors) == 1 or species is None:
            return math.sqrt(self.avg_num_neighbors[0])
        table = like.new_tensor(self.avg_num_neighbors).sqrt()
        return table.index_select(0, species).unsqueeze(-1)

    def _features(
        self, h: Tensor, v: Tensor, edges: Edges, root: Tensor | float
    ) -> Features:
        """What the edges of every atom sum up to."""
        given = h if self.narrow else torch.cat([h, v.to(h.dtype)], dim=-1)
        total = neighbor_sum(given, edges.edge_index, edges.pos.shape[0])
        total = total / (root if self.published else root * math.sqrt(2))
        if self.narrow:
            return Features(total, None, edges.pos)
        return Features.of_irreps(total, self.irreps_last, edges.pos)

    def __repr__(self) -> str:
        return describe(
            self, "hidden_channels", "tensor_channels lmax num_layers cutoff"
        )


def _layers(
    joined: Irreps, lmax: int, num_layers: int, parity: bool | None, narrow: bool
) -> list[Irreps]:
    """Irreps of an edge before the first layer and after each: those that lead on."""
    allowed = list(dict.fromkeys(ir for _, ir in joined))
    if parity:
        both = [Irrep(l, p) for l in range(lmax + 1) for p in (1, -1)]
        allowed = [*both, *(ir for ir in allowed if ir not in both)]
    out = [[ir for _, ir in joined]]
    for k in range(num_layers):
        reached = {ir for a in out[-1] for _, b in joined for ir in a * b}
        wanted = allowed[:1] if narrow and k == num_layers - 1 else allowed
        out.append([ir for ir in wanted if ir in reached])
    for k in reversed(range(1, num_layers)):
        needed = {
            a
            for a in out[k]
            for _, b in joined
            if any(ir in out[k + 1] for ir in a * b)
        }
        out[k] = [ir for ir in out[k] if ir in needed]
    # the harmonics themselves are sorted
    first = sorted(out[0])
    return [Irreps([(1, ir) for ir in layer]) for layer in (first, *out[1:])]


def _act(linear: bool, published: bool, e3nn_constants: bool) -> SecondMomentActivation:
    if linear:
        return LINEAR
    return published_act(e3nn_constants) if published else ROOT_TWO_SILU


def _residual(
    residual: float | Sequence[float] | None, num_layers: int
) -> tuple[float, ...] | None:
    """One coefficient for each layer."""
    if residual is None:
        return None
    alphas = _each(residual, num_layers)
    if len(alphas) != num_layers:
        raise ValueError(
            f"residual is one number, or one for each of {num_layers} layers, got "
            f"{residual}"
        )
    return tuple(alphas)


def _each(values: float | Sequence[float], count: int) -> list[float]:
    """Numbers, for which one may stand."""
    if isinstance(values, (int, float)):
        return [float(values)] * count
    return [float(value) for value in values]
