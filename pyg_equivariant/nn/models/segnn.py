"""Steerable E(3) equivariant graph neural network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike, TensorProductPaths, check_last

from ..conv import SEGNNConv
from ..cutoff import smooth_envelope
from ..edge_embedding import EdgeEmbedding
from ..instance_norm import EquivariantInstanceNorm
from ..mlp import MLP
from ..module import check_dtype, check_features
from ..pool import Atoms
from ..steerable_linear import SteerableLinear
from ..steerable_mlp import SteerableMLP
from ._species import SpeciesFeatures
from .features import Features
from .heads import Head, ScalarHead
from .make_head import make_head
from .molecular import MolecularModel


class SEGNN(MolecularModel):
    r"""The network of the `"Geometric and Physical Quantities Improve E(3) Equivariant
    Message Passing" <https://arxiv.org/abs/2110.02905>`_ paper.

    .. math::
        \mathbf{x} \leftarrow \text{norm}\big(\text{SEGNNConv}(\mathbf{x};
        Y(\hat r_{ij}), \mathbf{a}_i)\big), \qquad
        \mathbf{x}_i^{(0)} = \mathbf{W}_{\mathbf{a}_i} \mathbf{f}_i, \qquad
        \mathbf{a}_i = \frac{1}{|\mathcal{N}(i)|} \sum_{j \in \mathcal{N}(i)}
        Y(\hat r_{ij}) + \text{node\_attr}_i

    The trivial component of :math:`\mathbf{a}_i` is then set to 1, as in the authors'
    code. The defaults are those of the QM9 experiment. Steerable quantities such as
    velocities enter as features (``irreps_in``), and their harmonics as ``node_attr``:
    ``model(x, pos, batch, edge_index, edge_attr=..., node_attr=...)``.

    Args:
        hidden_channels: width; the hidden irreps hold as many copies of every degree as
            make the weights of a layer those of a linear layer of this width
            (default: 128).
        lmax: largest degree of the features (default: 2).
        lmax_attr: largest degree of the attributes (default: 3).
        num_layers: number of layers (default: 7).
        cutoff: radius of the neighborhoods; ``None`` joins all pairs (default: 2.0).
        smooth: multiply messages by a cosine envelope, so that energies are smooth at
            the cutoff (default: ``False``, as in the paper).
        norm: ``"instance"``, over all atoms of a graph, or ``None``, which keeps the
            energies of far molecules apart (default: ``"instance"``).
        normalization: of the harmonics, ``"component"`` or ``"integral"`` as in the
            N-body experiment (default: ``"component"``).
        distance: the invariant of an edge: its ``"squared"`` length or its ``"length"``
            as in the N-body experiment (default: ``"squared"``).
        edge_dim: number of further invariants given as ``edge_attr`` (default: 0).
        irreps_in: irreps of atom features given instead of atomic numbers; ``None`` for
            atomic numbers (default: ``None``).
        irreps_hidden: hidden irreps, in any order, in place of ``hidden_channels``.
        irreps_pool: irreps of an atom handed to the head; by default as many scalars
            as there are hidden irreps, and the hidden vectors if the head needs any.
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        num_message_layers, num_update_layers, gate, e3nn_constants: as in
            :class:`~pyg_equivariant.nn.SEGNNConv`.
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"mean"``, which a network follows, as in the authors' code for
            every target; ``"extensive"`` for energies of materials, which add up).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)` or features
          :math:`(|V|, \text{irreps\_in.dim})`, positions :math:`(|V|, 3)`, graph of
          each atom :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Example:
        >>> model = SEGNN(hidden_channels=16, num_layers=2, cutoff=5.0)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        lmax: int = 2,
        lmax_attr: int = 3,
        num_layers: int = 7,
        cutoff: float | None = 2.0,
        smooth: bool = False,
        norm: str | None = "instance",
        normalization: str = "component",
        distance: str = "squared",
        edge_dim: int = 0,
        irreps_in: IrrepsLike | None = None,
        irreps_hidden: IrrepsLike | None = None,
        irreps_pool: IrrepsLike | None = None,
        species: tuple[int, ...] = (1, 6, 7, 8, 9),
        num_message_layers: int = 2,
        num_update_layers: int = 2,
        gate: str = "message",
        e3nn_constants: bool = False,
        head: str | Head | None = "mean",
        mean: float = 0.0,
        scale: float = 1.0,
        atomref: Tensor | None = None,
    ) -> None:
        irreps_sh = Irreps.spherical_harmonics(lmax_attr)
        if irreps_hidden is None:
            irreps_hidden = balanced_irreps(hidden_channels, lmax, irreps_sh)
        hidden = Irreps(irreps_hidden)
        if irreps_pool is None:
            irreps_pool = _irreps_pool(head, hidden)
        pooled = Irreps(irreps_pool)
        super().__init__(cutoff, _head(head, pooled), mean, scale, atomref)
        if norm not in ("instance", None):
            raise ValueError(f"norm is 'instance' or None, got {norm!r}")
        if distance not in ("squared", "length"):
            raise ValueError(f"distance is 'squared' or 'length', got {distance!r}")
        self.species = SpeciesFeatures(species) if irreps_in is None else None
        self.irreps_in = Irreps(
            [(len(species), "0e")] if irreps_in is None else irreps_in
        )
        self.irreps_hidden = hidden
        self.irreps_sh = irreps_sh
        self.irreps_pool = pooled
        self.num_layers = num_layers
        self.smooth = smooth
        self.distance = distance
        self.edge_dim = edge_dim

        envelope = smooth_envelope(smooth, cutoff)
        self.edges = EdgeEmbedding(cutoff, None, envelope, irreps_sh, normalization)
        self.embedding = SteerableLinear(self.irreps_in, irreps_sh, hidden)
        self.convs = ModuleList(
            SEGNNConv(
                hidden,
                irreps_sh,
                hidden,
                edge_dim=1 + edge_dim,
                num_message_layers=num_message_layers,
                num_update_layers=num_update_layers,
                gate=gate,
                e3nn_constants=e3nn_constants,
            )
            for _ in range(num_layers)
        )
        self.norms = ModuleList(
            EquivariantInstanceNorm(hidden) for _ in range(num_layers if norm else 0)
        )
        self.pre_pool = None
        if head is not None:
            self.pre_pool = SteerableMLP(
                hidden, irreps_sh, hidden, pooled, e3nn_constants=e3nn_constants
            )
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True``, or with edges between all pairs."""
        return self.smooth or self.cutoff is None

    @property
    def num_hops(self) -> int:
        """One more than layers: what atoms start from depends on their edges, too."""
        return super().num_hops + 1

    @property
    def is_extensive(self) -> bool:
        """With ``head="extensive"`` and ``norm=None``."""
        return super().is_extensive and len(self.norms) == 0

    def represent(  # type: ignore[override]
        self,
        z: Tensor,
        graph: Graph,
        edge_attr: Tensor | None = None,
        node_attr: Tensor | None = None,
    ) -> Features:
        """Scalars and vectors of every atom.

        Args:
            z: atomic numbers or features.
            graph: the edges.
            edge_attr: further invariants of the edges ``(|E|, edge_dim)``.
            node_attr: added to the mean of the edge harmonics, such as the harmonics of
                velocities, ``(|V|, irreps_sh.dim)``.
        """
        edges = self.edges.embed(graph)
        if node_attr is not None:
            check_features(node_attr, self.irreps_sh, "node_attr", graph.pos)
        self._check_invariants(edge_attr, graph)
        attr = edges.node_attr(node_attr)
        squared = self.distance == "squared"
        distance = edges.edge_vec.square().sum(-1) if squared else edges.edge_length
        invariants = distance.unsqueeze(-1)
        if edge_attr is not None:
            invariants = torch.cat([invariants, edge_attr], dim=-1)

        x = z if self.species is None else self.species(z)
        x = self.embedding(x, attr)
        for k, conv in enumerate(self.convs):
            given = (edges.edge_index, edges.edge_sh, attr, invariants)
            x = conv(x, *given, edge_weight=edges.edge_weight)
            if k < len(self.norms):
                x = self.norms[k](x, graph.batch, graph.batch_size)
        irreps = self.irreps_hidden
        if self.pre_pool is not None:
            x, irreps = self.pre_pool(x, attr), self.irreps_pool
        return Features.of_irreps(x, irreps, graph.pos)

    def _check_invariants(self, edge_attr: Tensor | None, graph: Graph) -> None:
        if edge_attr is None:
            if self.edge_dim:
                raise ValueError(
                    f"edge_attr is missing: expected {self.edge_dim} numbers on its "
                    "last dimension"
                )
            return
        check_last(edge_attr, self.edge_dim, "edge_attr")
        check_dtype(edge_attr, graph.pos, "edge_attr")
        if edge_attr.shape != (graph.edge_index.shape[1], self.edge_dim):
            raise ValueError(
                f"expected one row of edge_attr for each of "
                f"{graph.edge_index.shape[1]} edges of edge_index, got shape "
                f"{tuple(edge_attr.shape)}"
            )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_hidden}, "
            f"irreps_sh={self.irreps_sh}, num_layers={self.num_layers}, "
            f"cutoff={self.cutoff})"
        )


def _head(head: str | Head | None, pooled: Irreps) -> Head | None:
    if head == "vector":
        return _SteerableVectorHead()
    width = pooled.count("0e")

    def scalar_head(reduce: str) -> Head:
        post = MLP([width, width, 1])
        return ScalarHead(torch.nn.Identity(), post, reduce)

    return make_head(head, scalar_head, width, pooled.count("1o"))


class _SteerableVectorHead(Head):
    """The vector that the last steerable layer gives."""

    invariant = False

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        if features.vec is None:
            raise ValueError("this head was built for vectors, but there are none")
        return features.vec.squeeze(-1)


def _irreps_pool(head: str | Head | None, hidden: Irreps) -> Irreps:
    """What the steerable layers hand over to the head."""
    scalars = (hidden.num_irreps, "0e")
    if head == "vector":
        return Irreps("1x1o")
    if head in (None, "sum", "extensive", "mean", "node", "spatial_extent"):
        return Irreps([scalars])
    return Irreps([scalars, (hidden.count("1o"), "1o")])


def balanced_irreps(channels: int, lmax: int, irreps_attr: IrrepsLike) -> Irreps:
    """Equal copies of all degrees, with as many weights as a linear layer has.

    The smallest ``n`` such that the fully connected product of ``n x (0e+1o+2e...)``
    with the attributes, onto the same irreps, has ``channels**2`` weights or more.

    Example:
        >>> balanced_irreps(128, 2, "0e+1o+2e+3o")
        36x0e+36x1o+36x2e
    """
    sh = Irreps.spherical_harmonics(lmax)
    single = TensorProductPaths.fully_connected(
        sh, Irreps(irreps_attr), sh
    ).weight_numel
    n = 1
    while n * n * single < channels * channels:
        n += 1
    return Irreps([(n, ir) for _, ir in sh])
