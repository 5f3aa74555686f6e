"""MACE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import SecondMomentActivation
from ..conv import MACEConv
from ..cutoff import PolynomialCutoff
from ..edge_embedding import EdgeEmbedding, Edges
from ..module import describe
from ..zbl import ZBLRepulsion
from ._admitted import EdgeFeatures
from ._embedding import first_irreps, node_embedding
from ._mace_parts import (
    MACEReadout,
    by_layer,
    message_irreps,
    radial_functions,
    transform_of,
)
from ._species import SpeciesEmbedding, SpeciesIndex
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel

SCALARS = "sum", "extensive", "mean", "node"


class MACE(MolecularModel):
    r"""The network of the `"MACE: Higher Order Equivariant Message Passing Neural
    Networks for Fast and Accurate Force Fields" <https://arxiv.org/abs/2206.07697>`_
    paper.

    .. math::
        \mathbf{x}^{(t)} = \text{MACEConv}(\mathbf{x}^{(t-1)}), \qquad
        \mathbf{x}_i^{(0)} = \mathbf{t}_{s_i}, \qquad
        E_i = \sum_{t < T} \mathbf{w}_t^\top \mathbf{x}^{(t)}_i
        + \text{MLP}(\mathbf{x}^{(T)}_i) + \text{ZBL}_i

    The vector :math:`\mathbf{t}_s` of a species enters. Two layers are enough, for each
    knows several neighbors at once. Without biases, and without a residual in the first
    layer, the energy of an atom alone is exactly its reference, ``atomref``. The
    authors' ``ScaleShiftMACE`` has a ``scale`` and a shift of each atom, which joins
    ``atomref``; their plain ``MACE`` has none of both.

    Args:
        hidden_channels: copies of every irrep of an atom (default: 128).
        lmax: largest degree of harmonics and messages (default: 3).
        num_layers: number of layers (default: 2).
        lmax_hidden: largest degree of the features between layers, no larger than
            ``lmax`` (default: 1).
        correlation: how many neighbors are known at once, from 1 to 4, or one number
            for each layer (default: 3).
        num_radial: number of radial functions (default: 8).
        cutoff: radius of the neighborhoods (default: 5.0).
        irreps_hidden: irreps of an atom, all of one multiplicity, in place of
            ``hidden_channels`` and ``lmax_hidden``. With ``0o`` among them, messages
            have both parities from the second layer on.
        radial_channels: hidden widths of the radial networks (default:
            ``(64, 64, 64)``).
        readout_channels: hidden widths of the last readout (default: ``(16,)``).
        residual_first: let the first layer keep the features of an atom itself, as all
            others do: the authors' ``RealAgnosticResidualInteractionBlock`` (default:
            ``False``).
        zbl: add the repulsion of nuclei, :class:`~pyg_equivariant.nn.ZBLRepulsion`, for
            energies in eV and lengths in angstrom (default: ``False``).
        density: divide sums over neighbors by a learned density in place of
            ``avg_num_neighbors``: the authors' ``RealAgnosticDensity`` blocks; or one
            truth value for each layer (default: ``False``).
        distance_transform: what radial functions read in place of the distance,
            ``"agnesi"``: :class:`~pyg_equivariant.nn.AgnesiTransform`, ``"soft"``:
            :class:`~pyg_equivariant.nn.SoftTransform`, in angstrom (default: ``None``).
        radial_basis: ``"bessel"`` or ``"gaussian"`` (default: ``"bessel"``).
        envelope: what the envelope multiplies, the radial ``"features"`` or the
            ``"weights"`` made of them, the authors' ``apply_cutoff=False`` (default:
            ``"features"``).
        envelope_exponent: the ``p`` of :class:`~pyg_equivariant.nn.PolynomialCutoff`,
            and of the repulsion's (default: 5).
        avg_num_neighbors: divides sums over neighbors (default: 12.0).
        e3nn_constants: activations with e3nn's constants, see
            :class:`~pyg_equivariant.nn.SecondMomentActivation` (default: ``False``).
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`. Heads
            of scalars leave the last layer scalars alone (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
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
        >>> model = MACE(hidden_channels=8, lmax=2, species=(1, 8))
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        lmax: int = 3,
        num_layers: int = 2,
        lmax_hidden: int = 1,
        correlation: int | Sequence[int] = 3,
        num_radial: int = 8,
        cutoff: float = 5.0,
        irreps_hidden: IrrepsLike | None = None,
        radial_channels: Sequence[int] = (64, 64, 64),
        readout_channels: Sequence[int] = (16,),
        residual_first: bool = False,
        zbl: bool = False,
        density: bool | Sequence[bool] = False,
        distance_transform: str | None = None,
        radial_basis: str = "bessel",
        envelope: str = "features",
        envelope_exponent: int = 5,
        avg_num_neighbors: float = 12.0,
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
            degrees = Irreps.spherical_harmonics(min(lmax_hidden, lmax))
            irreps_hidden = Irreps([(hidden_channels, ir) for _, ir in degrees])
        hidden = Irreps(irreps_hidden)
        if hidden.count("0e") == 0:
            raise ValueError(f"atoms enter as scalars 0e, got irreps_hidden={hidden}")
        narrow = irreps_out is None and isinstance(head, str) and head in SCALARS
        if zbl and (not narrow or irreps_in is not None):
            raise ValueError(
                "zbl=True is an energy of atomic numbers: expected a head of scalars "
                f"{SCALARS}, and no irreps_in or irreps_out, got {head=}"
            )
        if distance_transform is not None and irreps_in is not None:
            raise ValueError(
                f"{distance_transform=} reads atomic numbers, but irreps_in stands in "
                f"their place: {irreps_in}"
            )
        if envelope not in ("features", "weights"):
            raise ValueError(f"envelope is 'features' or 'weights', got {envelope!r}")
        last = hidden.filter(keep="0e") if narrow else hidden
        layers = [hidden] * (num_layers - 1) + [last]
        irreps = Irreps([block for layer in layers for block in layer])
        constant: Any = "e3nn" if e3nn_constants else None
        act = SecondMomentActivation("silu", constant)

        def scalar_head(reduce: str) -> Head:
            widths = [layer.count("0e") for layer in layers]
            readout = MACEReadout(widths, readout_channels, act, int(zbl))
            return ScalarHead(readout, None, reduce)

        asked = Asked(irreps_out, cutoff, irreps)
        sizes = irreps.count("0e"), irreps.count("1o")
        built = make_head(head, scalar_head, *sizes, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.irreps_hidden = hidden
        self.irreps_all = irreps
        self.lmax = lmax
        self.num_layers = num_layers
        self.correlation = correlation

        self.species = None if irreps_in is not None else SpeciesIndex(species)
        first = first_irreps(hidden, irreps_in if irreps_x is None else irreps_x)
        self.embedding = node_embedding(len(species), first, irreps_in, irreps_x)
        self.envelope = envelope
        irreps_sh = Irreps.spherical_harmonics(lmax)
        self.edges = EdgeEmbedding(
            cutoff,
            radial_functions(radial_basis, num_radial, cutoff),
            PolynomialCutoff(cutoff, envelope_exponent),
            irreps_sh,
        )
        self.transform = transform_of(distance_transform)
        self.edge_features = EdgeFeatures(irreps_edge)
        self.zbl = ZBLRepulsion(envelope_exponent) if zbl else None
        self.convs = ModuleList(
            MACEConv(
                hidden if k else first,
                irreps_sh + self.edge_features.irreps_steerable,
                layer,
                num_radial + self.edge_features.num_scalars,
                1 if self.species is None else len(species),
                degree,
                tuple(radial_channels),
                residual=residual_first or k > 0,
                irreps_message=message_irreps(hidden, lmax, both=k > 0),
                avg_num_neighbors=avg_num_neighbors,
                act=act,
                density=divided,
            )
            for k, (layer, degree, divided) in enumerate(
                zip(
                    layers,
                    by_layer(correlation, num_layers, "correlation"),
                    by_layer(density, num_layers, "density"),
                    strict=True,
                )
            )
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew; mean, scale and atomref stay."""
        super().reset_parameters()
        if isinstance(self.embedding, SpeciesEmbedding):
            with torch.no_grad():
                self.embedding.weight.div_(math.sqrt(len(self.embedding.weight)))

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
        edges = self._embed(z, graph, by_pair=edge_attr is None)
        edges = self.edge_features.radial(edge_attr, edges)
        edges = self.edge_features.steered(edge_attr, edges)
        species = None if self.species is None else self.species(z)
        x = self.embedding(z if species is None else species, x, graph.pos)
        layers = []
        for conv in self.convs:
            weight, density = self._radial(conv, edges)
            given = edges.edge_index, edges.edge_sh, weight, species
            x = conv.multiply(*conv.interact(x, *given, density=density), species)
            layers.append(x)
        everything = torch.cat(layers, dim=-1)
        features = Features.of_irreps(everything, self.irreps_all, graph.pos)
        return self._repel(features, z, edges)

    def _embed(self, z: Tensor, graph: Graph, by_pair: bool) -> Edges:
        """Edges whose radial features know the species, if there is a transform."""
        apart, transform = self.envelope == "weights", self.transform
        if transform is None:
            return self.edges.embed(graph, by_pair, apart=apart)

        def distance(edge_index: Tensor, edge_length: Tensor) -> Tensor:
            found: Tensor = transform(z, edge_index, edge_length)
            return found

        return self.edges.embed(graph, by_pair, distance, apart)

    def _radial(self, conv: MACEConv, edges: Edges) -> tuple[Tensor, Tensor | None]:
        """The weights of the paths at every edge, and its density."""
        found = conv.radial(edges.edge_attr), conv.edge_density(edges.edge_attr)
        if self.envelope == "weights":
            assert edges.edge_weight is not None
            factor = edges.edge_weight.unsqueeze(-1)
            found = found[0] * factor, None if found[1] is None else found[1] * factor
        weight, density = found
        return edges.spread(weight), None if density is None else edges.spread(density)

    def _repel(self, features: Features, z: Tensor, edges: Edges) -> Features:
        """Beside the scalars the repulsion of the nuclei, if there is one."""
        if self.zbl is None:
            return features
        length = edges.spread(edges.edge_length)
        energy = self.zbl(z, edges.edge_index, length).unsqueeze(-1)
        return features._replace(x=torch.cat([features.x, energy], dim=-1))

    def __repr__(self) -> str:
        return describe(self, "irreps_hidden", "lmax correlation num_layers cutoff")
