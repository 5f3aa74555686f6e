"""Cormorant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.typing import OptTensor

from pyg_equivariant.graph import Graph
from pyg_equivariant.kernels import edge_pairs
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ActivationLike
from ..conv import CormorantConv
from ..cutoff import PolynomialCutoff
from ..dense import Dense
from ..edge_embedding import EdgeEmbedding, Edges
from ..mlp import MLP
from ..module import describe
from ..spherical_harmonics import SphericalHarmonics
from ._admitted import EdgeFeatures
from ._cormorant_input import CormorantInput
from ._embedding import check_inputs, one_hot_inputs, one_hot_parts
from ._trig_basis import TrigPowerBasis
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head
from .molecular import MolecularModel

POOLED = 64  # numbers of an atom that are summed


class Cormorant(MolecularModel):
    r"""The network of the `"Cormorant: Covariant Molecular Neural Networks"
    <https://arxiv.org/abs/1906.04015>`_ paper: SE(3) only.

    .. math::
        \mathbf{F}^{(t+1)}, g^{(t+1)} = \text{CormorantConv}\big(\mathbf{F}^{(t)},
        g^{(t)}\big), \qquad
        \mathbf{s}_i = \bigoplus_t \mathbf{F}^{(t),0}_i \oplus \bigoplus_{t,l}
        \big(\operatorname{Re} \langle \mathbf{F}^{(t),l}_i, \mathbf{F}^{(t),l}_i
        \rangle,\; |\mathbf{F}^{(t),l}_i|^2\big)

    Features and scalars :math:`g` of edges are complex, see
    :class:`~pyg_equivariant.nn.CormorantConv`; their products keep no parity, so that
    reflections change what it predicts. All pairs of atoms are joined, under a mask of
    learned radius and width. The input, invariant messages between atoms closer than
    ``hard_cutoff``, ends there in a jump: ``smooth=True`` has none, for dynamics.

    Args:
        hidden_channels: complex channels of every degree, or one number for the input
            and each layer, of which the last is repeated (default: 10).
        lmax: largest degree of features, or one for each layer, likewise (default: 3).
        lmax_sh: largest degree of harmonics, likewise (default: 3).
        num_layers: number of levels (default: 4).
        cutoff: radius within which atoms are joined; ``None`` joins all pairs of atoms
            of a graph (default: ``None``).
        smooth: let messages vanish smoothly at ``cutoff``, which then is needed, and
            none end before (default: ``False``).
        num_frequencies: of the radial functions (default: 3).
        max_power: the largest power of :math:`1/r` in them (default: 3).
        num_input_layers: how often the input exchanges messages; 0 for a linear map of
            each atom, as the authors have it for MD17 (default: 1).
        input_basis: numbers of frequencies and of powers of the input's radial
            functions (default: ``(3, 3)``).
        linear_output: predict by one linear map of the invariants, likewise (default:
            ``False``).
        mask: as in :class:`~pyg_equivariant.nn.CormorantConv` (default:
            ``("learn",)``).
        soft_cutoff: radius of the masks at first, or one for each layer; the input's is
            the first (default: 1.73).
        soft_width: likewise (default: 0.2).
        hard_cutoff: where hard masks end, likewise (default: 1.73).
        gain: as in :class:`~pyg_equivariant.nn.CormorantConv` (default: 10.0).
        mlp_channels: hidden width of the perceptrons (default: 256).
        act: activation of the perceptrons (default: ``"leaky_relu"``).
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``).
        charge_power: largest power of the atomic number beside the one-hot species
            (default: 2).
        max_charge: the atomic number that is 1 in these powers (default: 9, or the
            largest of ``species``).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"sum"``, followed by a network, as in the authors' code;
            ``"extensive"`` for energies of materials, which add up).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        irreps_in: irreps of features of the atoms, given in place of atomic numbers:
            ``0e``, and all others by inner products of equal irreps.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of edge features given as ``edge_attr``; likewise, beside
            the radial functions.
        irreps_out: irreps to predict in place of a scalar, see :class:`IrrepsHead`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, positions :math:`(|V|, 3)`, graph of
          each atom :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Raises:
        ValueError: if an atom is of another species than those given.

    Example:
        >>> model = Cormorant(hidden_channels=4, lmax=1, lmax_sh=1, num_layers=2)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int | Sequence[int] = 10,
        lmax: int | Sequence[int] = 3,
        lmax_sh: int | Sequence[int] = 3,
        num_layers: int = 4,
        cutoff: float | None = None,
        smooth: bool = False,
        num_frequencies: int = 3,
        max_power: int = 3,
        num_input_layers: int = 1,
        input_basis: tuple[int, int] = (3, 3),
        linear_output: bool = False,
        mask: Sequence[str] = ("learn",),
        soft_cutoff: float | Sequence[float] = 1.73,
        soft_width: float | Sequence[float] = 0.2,
        hard_cutoff: float | Sequence[float] = 1.73,
        gain: float | Sequence[float] = 10.0,
        mlp_channels: int = 256,
        act: ActivationLike = "leaky_relu",
        species: tuple[int, ...] = (1, 6, 7, 8, 9),
        charge_power: int = 2,
        max_charge: float | None = None,
        head: str | Head | None = "sum",
        mean: float = 0.0,
        scale: float | Tensor = 1.0,
        atomref: Tensor | float | None = None,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        check_inputs(irreps_in, irreps_x)
        if smooth and cutoff is None:
            raise ValueError("smooth=True needs a cutoff, got cutoff=None")
        if smooth and "hard" in mask:
            raise ValueError(f"a hard mask is not smooth, got smooth=True and {mask=}")
        channels = _each(hidden_channels, num_layers + 1)
        edge_features = EdgeFeatures(irreps_edge)
        bases = [TrigPowerBasis(num_frequencies, max_power) for _ in range(num_layers)]
        sizes = zip(_each(lmax, num_layers), _each(lmax_sh, num_layers), strict=True)
        reach = [_each(r, num_layers) for r in (soft_cutoff, soft_width, hard_cutoff)]
        convs: list[CormorantConv] = []
        for k, (top, top_sh) in enumerate(sizes):
            before = convs[-1] if convs else None
            conv = CormorantConv(
                channels[k],
                channels[k + 1],
                bases[k].num_radial + edge_features.num_scalars,
                lmax_in=before.irreps_out.lmax if before else 0,
                lmax_sh=top_sh,
                lmax=top,
                state_channels=channels[k - 1] if before else 0,
                state_lmax=before.irreps_sh.lmax if before else 0,
                mask=mask,
                soft_cutoff=reach[0][k],
                soft_width=reach[1][k],
                hard_cutoff=reach[2][k],
                gain=_each(gain, num_layers)[k],
            )
            convs.append(conv)
        levels = [conv.irreps_out for conv in convs]
        scalars = sum(block.mul for irreps in levels for block in irreps)
        scalars += sum(irreps[0].mul for irreps in levels)
        spatial = [(mul, (ir.l, (-1) ** ir.l)) for mul, ir in levels[-1] if ir.l]
        irreps = Irreps([(scalars, "0e"), *spatial])

        def scalar_head(reduce: str) -> Head:
            if linear_output:
                if reduce == "node":
                    return ScalarHead(Dense(scalars, 1), None, reduce)
                return ScalarHead(torch.nn.Identity(), Dense(scalars, 1), reduce)
            width, post = 1, None
            if reduce != "node":
                width, post = POOLED, MLP([POOLED, mlp_channels, 1], act)
            return ScalarHead(MLP([scalars, mlp_channels, width], act), post, reduce)

        asked = Asked(irreps_out, cutoff, irreps)
        vectors = irreps.count("1o")
        built = make_head(head, scalar_head, scalars, vectors, asked=asked)
        super().__init__(cutoff, built, mean, scale, atomref)
        self.irreps_hidden = levels[-1]
        self.num_layers = num_layers
        self.smooth = smooth
        self.hard = bool(num_input_layers) or "hard" in mask

        charge = max(9, *species) if max_charge is None else max_charge
        parts = one_hot_parts((species, charge_power, charge), irreps_in, irreps_x)
        self.species, self.features, width = parts
        self.input = CormorantInput(
            width,
            channels[0],
            num_input_layers,
            basis=input_basis,
            soft_cutoff=reach[0][0],
            soft_width=reach[1][0],
            hard_cutoff=None if smooth else reach[2][0],
            mlp_channels=mlp_channels,
            act=act,
        )
        self.edge_features = edge_features
        envelope = PolynomialCutoff(cutoff) if smooth and cutoff is not None else None
        self.edges = EdgeEmbedding(cutoff, envelope=envelope)
        irreps_sh = Irreps(max((conv.irreps_sh for conv in convs), key=len))
        self.harmonics = SphericalHarmonics(irreps_sh, False, "norm", "1e")
        self.bases = ModuleList(bases)
        self.convs = ModuleList(convs)
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True``, or where nothing ends before all pairs are joined."""
        return self.smooth or (self.cutoff is None and not self.hard)

    @property
    def num_hops(self) -> int:
        """Over how many edges an atom is felt, those of the input included."""
        return super().num_hops + len(self.input.layers)

    def represent(  # type: ignore[override]
        self, z: Tensor, graph: Graph, x: OptTensor = None, edge_attr: OptTensor = None
    ) -> Features:
        """Invariants of every atom, and the features after the last level.

        Args:
            z: atomic numbers, or features if built with ``irreps_in``.
            graph: the edges.
            x: features beside atomic numbers, if built with ``irreps_x``.
            edge_attr: edge features, if built with ``irreps_edge``.
        """
        x = one_hot_inputs(self.species, self.features, z, x, graph.pos)
        edges = self.edges.embed(graph, by_pair=edge_attr is None)
        others = self.edge_features.invariants(edge_attr, edges.edge_vec)
        x = self.input(x, edges)
        levels = [x for x, _, _ in self.levels(x, edges, others)]
        invariants = torch.cat(self.invariants(levels), dim=-1)
        last = levels[-1][:, self.irreps_hidden[0].dim :]
        features = torch.cat([invariants, last], dim=-1)
        irreps = Irreps([(invariants.shape[1], "0e"), *self._spatial()])
        return Features.of_irreps(features, irreps, graph.pos)

    def levels(
        self, x: Tensor, edges: Edges, others: Tensor | None = None
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of each level features of atoms, scalars of pairs and of atoms themselves.

        Args:
            x: complex scalars of the atoms.
            edges: of ``edges``.
            others: invariants of edges, beside the radial functions.
        """
        edge_sh, ends = self.harmonics(edges.edge_vec), edges.edge_index.long()
        if edges.pair is not None:
            pairs = edge_pairs(edges.edge_index)
            assert pairs is not None
            ends = ends.index_select(1, pairs.edge)
        source, target = ends
        out: list[tuple[Tensor, Tensor, Tensor]] = []
        state = own = None
        for conv, basis in zip(self.convs, self.bases, strict=True):
            attr = basis(edges.edge_length)
            attr = attr if others is None else torch.cat([attr, others], dim=-1)
            given = attr, edges.edge_length, edges.edge_weight, state
            x_i, x_j = x.index_select(0, target), x.index_select(0, source)
            state = conv.edge_scalars(x_i, x_j, *given)
            own = conv.node_scalars(x, own)
            sh = edge_sh[:, : conv.irreps_sh.dim]
            x = conv.interact(x, edges.edge_index, sh, edges.spread(state), own)
            out.append((x, state, own))
        return out

    def invariants(self, levels: list[Tensor]) -> list[Tensor]:
        """Scalars of all levels, then squares of all degrees: pairs of each channel."""
        scalars: list[Tensor] = []
        squares: dict[int, list[Tensor]] = {}
        for x, conv in zip(levels, self.convs, strict=True):
            blocks = conv.irreps_out.split(x)
            for (_, ir), block in zip(conv.irreps_out, blocks, strict=True):
                re, im = block.unflatten(-1, (2, -1)).unbind(-2)
                if ir.l == 0:
                    scalars.append(torch.stack([re, im], dim=-1).flatten(1))
                re, im = re.square().sum(1), im.square().sum(1)
                pairs = torch.stack([re - im, re + im], dim=-1).flatten(1)
                squares.setdefault(ir.l, []).append(pairs)
        return scalars + [s for l in sorted(squares) for s in squares[l]]

    def _spatial(self) -> list[tuple[int, tuple[int, int]]]:
        """The last features, with the parity of harmonics, which has no meaning."""
        return [(m, (ir.l, (-1) ** ir.l)) for m, ir in self.irreps_hidden if ir.l]

    def __repr__(self) -> str:
        return describe(self, "irreps_hidden", "num_layers cutoff")


def _each(value: float | Sequence[float], count: int) -> list[Any]:
    """One for each, the last repeated where there are fewer."""
    values = list(value) if isinstance(value, Sequence) else [value]
    if not 0 < len(values) <= count:
        raise ValueError(f"expected one number, or up to {count}, got {value}")
    return values + [values[-1]] * (count - len(values))
