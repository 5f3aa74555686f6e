"""Steerable E(3) equivariant graph neural network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike, TensorProductPaths, check_real

from ..conv import SEGNNConv
from ..cutoff import smooth_envelope
from ..edge_embedding import EdgeEmbedding, Edges
from ..instance_norm import EquivariantInstanceNorm
from ..module import check_dtype, describe
from ..steerable_linear import SteerableLinear
from ..steerable_mlp import SteerableMLP
from ._admitted import AdmittedFeatures, EdgeFeatures
from ._embedding import check_inputs, one_hot_inputs, scalars_or_irreps
from ._segnn_head import irreps_of_pool, segnn_head
from ._species import SpeciesFeatures
from .features import Features
from .heads import Head
from .make_head import Asked
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
        irreps_x: irreps of features given as ``x`` beside atomic numbers, any, as those
            of ``irreps_in``. Irreps from which no path leads to a hidden one enter by
            inner products.
        irreps_edge: irreps of the edge features given as ``edge_attr``, in place of
            ``edge_dim``: invariants join the distance, all but ``0e`` the harmonics.
        irreps_node_attr: irreps of physical attributes given as ``node_attr``, such as
            ``"1x1e"`` for magnetic moments, which steer beside the harmonics; by
            default ``node_attr`` holds harmonics, which are added to theirs.
        irreps_out: irreps to predict in place of a scalar, such as ``"1x2e"``; or the
            formula of a Cartesian tensor, such as ``"ij=ji"`` for a polarizability. How
            atoms are joined is said by ``head``: ``"sum"``, ``"mean"`` or ``"node"``.
            See :class:`IrrepsHead`.

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
        atomref: Tensor | float | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_node_attr: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        irreps_edge = scalars_or_irreps("edge_dim", edge_dim or None, irreps_edge)
        check_inputs(irreps_in, irreps_x)
        irreps_sh = Irreps.spherical_harmonics(lmax_attr)
        if irreps_hidden is None:
            irreps_hidden = balanced_irreps(hidden_channels, lmax, irreps_sh)
        hidden = Irreps(irreps_hidden)
        direct = irreps_out is not None and irreps_pool is None
        if irreps_pool is None:
            irreps_pool = hidden if direct else irreps_of_pool(head, hidden)
        pooled = Irreps(irreps_pool)
        built = segnn_head(head, Asked(irreps_out, cutoff, pooled))
        super().__init__(cutoff, built, mean, scale, atomref)
        if norm not in ("instance", None):
            raise ValueError(f"norm is 'instance' or None, got {norm!r}")
        if distance not in ("squared", "length"):
            raise ValueError(f"distance is 'squared' or 'length', got {distance!r}")
        self.irreps_hidden = hidden
        self.irreps_sh = irreps_sh
        self.irreps_pool = pooled
        self.num_layers = num_layers
        self.smooth = smooth
        self.distance = distance
        self.edge_dim = edge_dim

        envelope = smooth_envelope(smooth, cutoff)
        self.edges = EdgeEmbedding(cutoff, None, envelope, irreps_sh, normalization)
        self.edge_features = EdgeFeatures(irreps_edge)
        irreps_edge_attr = irreps_sh + self.edge_features.irreps_steerable
        physical = Irreps(irreps_node_attr or ())
        self.physical = AdmittedFeatures(physical, physical, "node_attr", products=())
        attr = irreps_edge_attr + physical
        # f: species, features or both
        self.species = SpeciesFeatures(species) if irreps_in is None else None
        self.features = _features(irreps_in, irreps_x, attr, hidden)
        one_hot = [] if self.species is None else [(len(species), "0e")]
        self.irreps_in = Irreps(one_hot) + self.features.irreps_out
        self.embedding = SteerableLinear(self.irreps_in, attr, hidden)
        self.convs = ModuleList(
            SEGNNConv(
                hidden,
                irreps_edge_attr,
                hidden,
                edge_dim=1 + self.edge_features.num_scalars,
                num_message_layers=num_message_layers,
                num_update_layers=num_update_layers,
                gate=gate,
                e3nn_constants=e3nn_constants,
                irreps_node_attr=attr,
            )
            for _ in range(num_layers)
        )
        self.norms = ModuleList(
            EquivariantInstanceNorm(hidden) for _ in range(num_layers if norm else 0)
        )
        self.pre_pool = None
        if head is not None and not direct:
            self.pre_pool = SteerableMLP(
                hidden, attr, hidden, pooled, e3nn_constants=e3nn_constants
            )
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True``, or with edges between all pairs."""
        return self.smooth or self.cutoff is None

    @property
    def num_hops(self) -> int:
        """One more than layers, as atoms start from what depends on their edges."""
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
        x: Tensor | None = None,
    ) -> Features:
        """Features of every atom.

        Args:
            z: atomic numbers or features.
            graph: the edges.
            edge_attr: edge features, if built with ``edge_dim`` or ``irreps_edge``.
            node_attr: physical attributes, if built with ``irreps_node_attr``;
                otherwise added to the mean of the edge harmonics, such as the harmonics
                of velocities, ``(|V|, irreps_sh.dim)``.
            x: features beside atomic numbers, if built with ``irreps_x``.
        """
        edges = self.edges.embed(graph)
        invariants = self._invariants(edges, edge_attr)
        edges = self.edge_features.steered(edge_attr, edges)
        attr = self._node_attr(edges, node_attr)
        x = self.embedding(
            one_hot_inputs(self.species, self.features, z, x, graph.pos), attr
        )
        for k, conv in enumerate(self.convs):
            given = (edges.edge_index, edges.edge_sh, attr, invariants)
            x = conv(x, *given, edge_weight=edges.edge_weight)
            if k < len(self.norms):
                x = self.norms[k](x, graph.batch, graph.batch_size)
        irreps = self.irreps_hidden
        if self.pre_pool is not None:
            x, irreps = self.pre_pool(x, attr), self.irreps_pool
        return Features.of_irreps(x, irreps, graph.pos)

    def _invariants(self, edges: Edges, edge_attr: Tensor | None) -> Tensor:
        """The distance of every edge, and its other invariants."""
        squared = self.distance == "squared"
        distance = edges.edge_vec.square().sum(-1) if squared else edges.edge_length
        others = self.edge_features.invariants(edge_attr, edges.edge_vec)
        parts = [distance.unsqueeze(-1), *([] if others is None else [others])]
        return torch.cat(parts, dim=-1)

    def _node_attr(self, edges: Edges, node_attr: Tensor | None) -> Tensor:
        """The attribute of every node, with what is known of it besides."""
        pos = edges.pos
        if self.physical.irreps_in.dim:
            parts = [edges.node_attr(), self.physical(node_attr, pos, pos.shape[0])]
            return torch.cat(parts, dim=-1)
        if node_attr is not None:
            check_real(node_attr, "node_attr")
            shape = (pos.shape[0], self.irreps_sh.dim)
            if node_attr.shape != shape:
                raise ValueError(
                    f"expected harmonics {self.irreps_sh} as node_attr {shape}, got "
                    f"{tuple(node_attr.shape)}; "
                    "physical attributes of other irreps, such as pseudovectors, take "
                    "a network built with irreps_node_attr='1x1e'"
                )
            check_dtype(node_attr, pos, "node_attr")
            missing = edges.edge_sh.shape[1] - self.irreps_sh.dim
            node_attr = torch.nn.functional.pad(node_attr, (0, missing))
        return edges.node_attr(node_attr)

    def __repr__(self) -> str:
        return describe(self, "irreps_hidden", "irreps_sh num_layers cutoff")


def _features(
    irreps_in: IrrepsLike | None, irreps_x: IrrepsLike | None, attr: Irreps, out: Irreps
) -> AdmittedFeatures:
    """Features as they are, where a path leads from them to a hidden irrep."""
    given = Irreps((irreps_in or ()) if irreps_x is None else irreps_x)
    reached = [
        ir
        for _, ir in given
        if any(product in out for _, steer in attr for product in ir * steer)
    ]
    others = given.filter(drop=reached)
    name = "x" if irreps_in is None else "z"
    return AdmittedFeatures(given, reached, name, products=others)


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
