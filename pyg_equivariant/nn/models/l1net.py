"""L1Net."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import Identity, ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import SecondMomentActivation
from ..conv import L1NetConv
from ..conv.l1net_conv import sharp_softplus
from ..cutoff import PolynomialCutoff
from ..edge_embedding import EdgeEmbedding
from ..gate import Gate
from ..module import describe
from ..radial import BesselBasis
from ..spherical_harmonics import SphericalHarmonics
from ._admitted import EdgeFeatures
from ._embedding import first_irreps, node_embedding
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel

SCALARS = "sum", "extensive", "mean", "node"
EPSILON = 1e-8  # added to lengths by which the radial functions are divided


class L1Net(MolecularModel):
    r"""The network of the `"Relevance of Rotationally Equivariant Convolutions for
    Predicting Molecular Properties" <https://arxiv.org/abs/2008.08461>`_ paper: SE(3)
    only, unless with ``parity``.

    .. math::
        \mathbf{x} \leftarrow \text{Gate}\big(\text{L1NetConv}(\mathbf{x})\big), \qquad
        \mathbf{x}_i^{(0)} = \text{Embedding}(z_i), \qquad
        y_i = \text{L1NetConv}(\mathbf{x})

    The default is the network of scalars of the authors' script. Its vectors are
    ``irreps_hidden="32x0e+10x1e"``, say. An atom meets itself nowhere: with the Bessel
    functions, kernels vanish at length 0 in the version of e3nn that the authors'
    code pins; versions from April 2020 on have a linear self-interaction besides.

    Args:
        hidden_channels: copies of every irrep of an atom (default: 128).
        lmax: largest degree of features and harmonics (default: 0).
        num_layers: number of convolutions before the last, which predicts (default: 4).
        num_radial: number of Bessel functions (default: 50).
        cutoff: radius of the neighborhoods (default: 10.0).
        smooth: put the radial functions under an envelope, so that forces do not jump
            at the cutoff, nor where two atoms meet (default: ``False``).
        parity: tell irreps of one parity from those of the other, ``0e+1o+2e...``, so
            that it commutes with reflections, too. The authors have no parity, and
            whatever irreps are given are taken as ``0e+1e+2e...`` (default: ``False``).
        irreps_hidden: irreps of an atom, scalars first, in place of
            ``hidden_channels`` and ``lmax``.
        radial_channels: hidden widths of the radial networks (default: ``(128, 128)``).
        residual: add its input to every layer from the second on (default: ``False``).
        avg_num_neighbors: divides sums over neighbors, under a root (default: 18.0, the
            atoms of a molecule of QM9).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        num_elements: size of the embedding (default: 10).
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

    Example:
        >>> model = L1Net(irreps_hidden="8x0e+4x1e", num_layers=2, num_radial=8)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        lmax: int = 0,
        num_layers: int = 4,
        num_radial: int = 50,
        cutoff: float = 10.0,
        smooth: bool = False,
        parity: bool = False,
        irreps_hidden: IrrepsLike | None = None,
        radial_channels: tuple[int, ...] = (128, 128),
        residual: bool = False,
        avg_num_neighbors: float = 18.0,
        head: str | Head | None = "sum",
        mean: float = 0.0,
        scale: float | Tensor = 1.0,
        atomref: Tensor | float | None = None,
        num_elements: int = 10,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        if irreps_hidden is None:
            degrees = Irreps.spherical_harmonics(lmax)
            irreps_hidden = Irreps([(hidden_channels, ir) for _, ir in degrees])
        hidden = _of_group(irreps_hidden, parity)
        scalars = hidden.count("0e")
        if scalars == 0:
            raise ValueError(f"atoms enter as scalars 0e, got irreps_hidden={hidden}")
        irreps_in, irreps_x, irreps_edge = (
            None if given is None else _of_group(given, parity)
            for given in (irreps_in, irreps_x, irreps_edge)
        )
        edge_features = EdgeFeatures(irreps_edge)
        irreps_sh = _of_group(Irreps.spherical_harmonics(hidden.lmax), parity)
        narrow = irreps_out is None and isinstance(head, str) and head in SCALARS
        last = Irreps("1x0e") if narrow else hidden
        spatial = (
            last if parity else Irreps([(m, (ir.l, (-1) ** ir.l)) for m, ir in last])
        )

        def scalar_head(reduce: str) -> Head:
            return ScalarHead(Identity(), None, reduce)

        asked = Asked(irreps_out, cutoff, spatial)
        sizes = spatial.count("0e"), spatial.count("1o")
        built = make_head(head, scalar_head, *sizes, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.irreps_hidden = hidden
        self.irreps_last = spatial
        self.num_layers = num_layers
        self.num_radial = num_radial
        self.smooth = smooth
        self.residual = residual

        given = irreps_in if irreps_x is None else irreps_x
        first = first_irreps(hidden, given)
        embedding = node_embedding(num_elements, first, irreps_in, irreps_x, 0)
        self.embedding = embedding
        basis = L1NetBessel(num_radial, cutoff, smooth)
        envelope = PolynomialCutoff(cutoff) if smooth else None
        vector = "1o" if parity else "1e"
        self.edges = EdgeEmbedding(cutoff, basis, envelope)
        self.harmonics = SphericalHarmonics(irreps_sh, True, "norm", vector)
        self.edge_features = edge_features
        acts = [gate_of(hidden) for _ in range(num_layers)]
        outs = [*(act.irreps_in for act in acts), last]
        self.convs = ModuleList(
            L1NetConv(
                before,
                irreps_sh + edge_features.irreps_steerable,
                after,
                num_radial + edge_features.num_scalars,
                radial_channels,
                avg_num_neighbors,
            )
            for before, after in zip([first] + [hidden] * num_layers, outs, strict=True)
        )
        self.acts = ModuleList([*acts, Identity()])
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True``."""
        return self.smooth

    @property
    def num_hops(self) -> int:
        """Over how many edges an atom is felt, that of the prediction included."""
        return super().num_hops + 1

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Features of every atom after the last convolution.

        Args:
            z: atomic numbers, or features if built with ``irreps_in``.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        edges = self.edges.embed(graph, by_pair=edge_attr is None)
        edges = edges._replace(harmonics=self.harmonics(edges.edge_vec))
        edges = self.edge_features.radial(edge_attr, edges)
        edges = self.edge_features.steered(edge_attr, edges)
        x = self.embedding(z, x, graph.pos)
        for k, (conv, act) in enumerate(zip(self.convs, self.acts, strict=True)):
            weight = edges.spread(conv.radial(edges.edge_attr))
            out = act(conv.interact(x, edges.edge_index, edges.edge_sh, weight))
            x = x + out if self.residual and 0 < k < self.num_layers else out
        return Features.of_irreps(x, self.irreps_last, graph.pos)

    def __repr__(self) -> str:
        return describe(self, "irreps_hidden", "num_layers num_radial cutoff")


class L1NetBessel(BesselBasis):
    """The authors' Bessel functions, zero at length 0 and beyond the cutoff.

    Their first linear map is not divided by the root of the number of functions, as
    that of :class:`~pyg_equivariant.nn.RadialMLP` is.

    Args:
        num_radial: number of functions.
        cutoff: where they end.
        smooth: leave them finite at length 0 (default: ``False``).
    """

    def __init__(self, num_radial: int, cutoff: float, smooth: bool = False) -> None:
        super().__init__(num_radial, cutoff, math.sqrt(2 * num_radial / cutoff))
        self.smooth = smooth

    def forward(self, edge_length: Tensor) -> Tensor:
        """The basis functions at every length."""
        basis = super().forward(edge_length)
        inside = edge_length < self.cutoff
        if not self.smooth:
            apart = edge_length > 0
            r = torch.where(apart, edge_length, 1.0)
            factor = torch.where(apart, r / (r + EPSILON), 0.0)
            basis = basis * factor.unsqueeze(-1)
        return torch.where(inside.unsqueeze(-1), basis, 0.0)


def gate_of(
    irreps: Irreps, softplus: float | None = None, sigmoid: float | None = None
) -> Gate:
    """The authors' gate: a sharp softplus on scalars, sigmoids on all others.

    Args:
        irreps: of its output, scalars first.
        softplus: constant of the former, if another than that of unit second moment.
        sigmoid: of the latter.
    """
    scalars = irreps.filter(keep=lambda block: block.ir.l == 0)
    gated = irreps.filter(drop=lambda block: block.ir.l == 0)
    return Gate(
        scalars,
        [SecondMomentActivation(sharp_softplus, softplus)] * len(scalars),
        [(gated.num_irreps, "0e")] if gated.num_irreps else "",
        [SecondMomentActivation("sigmoid", sigmoid)] * bool(gated.num_irreps),
        gated,
        normalize_act=False,
    )


def _of_group(irreps: IrrepsLike, parity: bool) -> Irreps:
    """Irreps of O(3), or those of SO(3) that they are, written with even parity."""
    irreps = Irreps(irreps)
    return irreps if parity else Irreps([(mul, (ir.l, 1)) for mul, ir in irreps])
