"""NequIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import Identity, ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import SecondMomentActivation
from ..conv import NequIPConv
from ..conv.nequip_conv import ROOT_TWO_SILU
from ..cutoff import PolynomialCutoff
from ..edge_embedding import EdgeEmbedding
from ..gate import Gate
from ..mlp import RadialMLP
from ..module import describe
from ..radial import BesselBasis
from ._admitted import EdgeFeatures
from ._embedding import FeatureEmbedding, first_irreps, node_embedding
from ._species import SpeciesIndex
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel

SCALARS = "sum", "extensive", "mean", "node"


class NequIP(MolecularModel):
    r"""The network of the `"E(3)-equivariant graph neural networks for data-efficient
    and accurate interatomic potentials" <https://arxiv.org/abs/2101.03164>`_ paper.

    .. math::
        \mathbf{x} \leftarrow \text{Gate}\big(\text{NequIPConv}(\mathbf{x})\big), \qquad
        \mathbf{x}_i^{(0)} = \mathbf{t}_{s_i}, \qquad
        E_i = \sigma_{s_i}\, \mathbf{w}^\top \mathbf{x}_i + \mu_{s_i}

    The vector :math:`\mathbf{t}_s` of a species enters, and makes the matrices of the
    self-connections from the second layer on. Without biases and without a
    self-connection in the first layer, the energy of an atom alone is exactly
    :math:`\mu_s`. The default is the form that the authors' code has had since version
    0.16; ``published=True`` is that of the paper and of versions up to 0.6.

    Args:
        hidden_channels: copies of every irrep of an atom, or copies for each degree
            (default: 32).
        lmax: largest degree of features and harmonics (default: 2).
        num_layers: number of convolutions (default: 4).
        num_radial: number of Bessel functions (default: 8).
        cutoff: radius of the neighborhoods (default: 5.0).
        parity: features of both parities for every degree (default: ``True``);
            otherwise those of the harmonics, ``0e+1o+2e...``.
        irreps_hidden: irreps of an atom, scalars first, in place of all of these.
        radial_channels: hidden widths of the radial networks (default: ``(128,)``, or
            ``(64, 64)`` if ``published``).
        readout_channels: hidden widths of the readout (default: ``()``; if
            ``published``, half the scalars, with nothing between two linear maps).
        embedding_channels: length of the vector of a species (default: as many as there
            are scalars).
        envelope_exponent: the ``p`` of :class:`~pyg_equivariant.nn.PolynomialCutoff`
            (default: 6).
        trainable_radial: train the frequencies of the Bessel functions (default:
            ``False``).
        avg_num_neighbors: divides sums over neighbors, under a root (default: 12.0).
        published: one-hot species in self-connections, in the first layer, too; all
            irreps in the last. Without ``parity``, the published code lets vector
            features have no parity: the network then commutes with rotations, not with
            reflections (default: ``False``).
        e3nn_constants: as in :class:`~pyg_equivariant.nn.Gate`, and in the radial
            networks if ``published`` (default: ``False``).
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`. Heads
            of scalars leave the last layer scalars alone, unless ``published``
            (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`; one
            ``scale`` for each atomic number is the :math:`\sigma_s`, ``atomref`` are
            the :math:`\mu_s`.
        irreps_in: irreps of features of the atoms, given in place of atomic numbers,
            any. All but ``0e`` enter by inner products of equal irreps, too.
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
        >>> model = NequIP(hidden_channels=8, num_layers=2, species=(1, 8))
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int | Sequence[int] = 32,
        lmax: int = 2,
        num_layers: int = 4,
        num_radial: int = 8,
        cutoff: float = 5.0,
        parity: bool = True,
        irreps_hidden: IrrepsLike | None = None,
        radial_channels: Sequence[int] | None = None,
        readout_channels: Sequence[int] | None = None,
        embedding_channels: int | None = None,
        envelope_exponent: int = 6,
        trainable_radial: bool = False,
        avg_num_neighbors: float = 12.0,
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
        if irreps_hidden is None:
            irreps_hidden = _irreps(hidden_channels, lmax, parity, published)
        hidden = Irreps(irreps_hidden)
        scalars = hidden.count("0e")
        if scalars == 0:
            raise ValueError(f"atoms enter as scalars 0e, got irreps_hidden={hidden}")
        irreps_sh = Irreps.spherical_harmonics(lmax)
        edge_features = EdgeFeatures(irreps_edge)
        given = irreps_in if irreps_x is None else irreps_x
        vector = embedding_channels or scalars
        first = first_irreps(hidden, given, vector)
        irreps_edge_sh = irreps_sh + edge_features.irreps_steerable
        if published and not parity:
            irreps_edge_sh = Irreps([(mul, (ir.l, 1)) for mul, ir in irreps_edge_sh])
        narrow = not published and irreps_out is None and head in SCALARS
        irreps = _layers(first, hidden, irreps_edge_sh, num_layers, narrow)

        def scalar_head(reduce: str) -> Head:
            readout = _readout(scalars, readout_channels, published)
            return ScalarHead(readout, None, reduce)

        asked = Asked(irreps_out, cutoff, irreps[-1])
        vectors = irreps[-1].count("1o")
        built = make_head(head, scalar_head, scalars, vectors, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.irreps_hidden = hidden
        self.irreps_last = irreps[-1]
        self.irreps_sh = irreps_sh
        self.num_layers = num_layers
        self.num_radial = num_radial
        self.published = published

        self.species = None if irreps_in is not None else SpeciesIndex(species)
        count = len(species)
        self.embedding = node_embedding(count, first, irreps_in, irreps_x)
        basis = BesselBasis(num_radial, cutoff, "nequip", trainable_radial)
        envelope = PolynomialCutoff(cutoff, envelope_exponent)
        self.edges = EdgeEmbedding(cutoff, basis, envelope, irreps_sh)
        self.edge_features = edge_features
        acts = [
            Gate.from_irreps(out, act_gate="silu", e3nn_constants=e3nn_constants)
            for out in irreps[1:]
        ]
        if radial_channels is None:
            radial_channels = (64, 64) if published else (128,)
        num_attr = 1 if self.species is None else count if published else vector
        self.convs = ModuleList(
            NequIPConv(
                before,
                irreps_edge_sh,
                act.irreps_in,
                num_radial + edge_features.num_scalars,
                tuple(radial_channels),
                num_attr,
                self_connection=published or k > 0,
                avg_num_neighbors=avg_num_neighbors,
                act=_radial_act(published, e3nn_constants),
            )
            for k, (before, act) in enumerate(zip(irreps[:-1], acts, strict=True))
        )
        self.acts = ModuleList(acts)
        self.reset_parameters()

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
        edges = self.edge_features.steered(edge_attr, edges)
        species = None if self.species is None else self.species(z)
        attr = self._attributes()
        x = self.embedding(z if species is None else species, x, graph.pos)
        for conv, act in zip(self.convs, self.acts, strict=True):
            weight = edges.spread(conv.radial(edges.edge_attr))
            given = edges.edge_index, edges.edge_sh, weight, species, attr
            x = act(conv.interact(x, *given))
        return Features.of_irreps(x, self.irreps_last, graph.pos)

    def _attributes(self) -> Tensor | None:
        """The vectors that tell self-connections of a species, if not one-hot."""
        if self.species is None or self.published:
            return None
        embedding = self.embedding
        if isinstance(embedding, FeatureEmbedding):
            assert embedding.species is not None
            embedding = embedding.species
        return embedding.weight

    def __repr__(self) -> str:
        return describe(self, "irreps_hidden", "num_layers num_radial cutoff")


def _irreps(
    channels: int | Sequence[int], lmax: int, parity: bool, published: bool
) -> Irreps:
    """Irreps of an atom, in the order of the authors' code."""
    muls = [channels] * (lmax + 1) if isinstance(channels, int) else list(channels)
    if len(muls) != lmax + 1:
        raise ValueError(
            f"hidden_channels is one number, or one for each degree up to lmax={lmax}, "
            f"got {channels}"
        )
    degrees = list(enumerate(muls))
    if not parity:
        return Irreps([(mul, (l, 1 if published else (-1) ** l)) for l, mul in degrees])
    if not published:
        return Irreps([(mul, (l, p)) for l, mul in degrees for p in (1, -1)])
    scalars = [(muls[0], (0, p)) for p in (1, -1)]
    others = [(mul, (l, p)) for p in (1, -1) for l, mul in degrees[1:]]
    return Irreps(scalars + others)


def _layers(
    first: Irreps, hidden: Irreps, irreps_sh: Irreps, num_layers: int, narrow: bool
) -> list[Irreps]:
    """Irreps before the first layer and after each: those that are reached."""
    out = [first]
    for k in range(num_layers):
        reached = {ir for _, a in out[-1] for _, b in irreps_sh for ir in a * b}
        wanted = hidden
        if narrow and k == num_layers - 1:
            wanted = hidden.filter(keep="0e")
        out.append(wanted.filter(keep=lambda block, r=reached: block.ir in r))
    return out


def _radial_act(published: bool, e3nn_constants: bool) -> SecondMomentActivation:
    """The activation of the radial networks."""
    constant: Any = "e3nn" if e3nn_constants else None
    return SecondMomentActivation("silu", constant) if published else ROOT_TWO_SILU


def _readout(
    scalars: int, channels: Sequence[int] | None, published: bool
) -> RadialMLP:
    """From the scalars of an atom to its energy."""
    if channels is None:
        channels = (max(scalars // 2, 1),) if published else ()
    act = SecondMomentActivation(Identity(), 1.0) if published else ROOT_TWO_SILU
    return RadialMLP([scalars, *channels, 1], act)
