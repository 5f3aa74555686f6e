"""SE(3)-Transformer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.graph import Graph
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ActivationLike
from ..cutoff import PolynomialCutoff
from ..edge_embedding import EdgeEmbedding, Edges
from ..module import describe
from ._admitted import EdgeFeatures
from ._embedding import check_inputs, one_hot_inputs, scalars_or_irreps
from ._se3_layers import (
    Symmetry,
    admit,
    irreps_of_pool,
    make_layer,
    make_norm,
    run,
    se3_head,
)
from ._species import SpeciesFeatures
from .features import Features
from .heads import Head
from .make_head import Asked
from .molecular import MolecularModel


class SE3Transformer(MolecularModel):
    r"""The network of the `"SE(3)-Transformers: 3D Roto-Translation Equivariant
    Attention Networks" <https://arxiv.org/abs/2006.10503>`_ paper.

    .. math::
        \mathbf{x} \leftarrow \text{NormMLP}\big(\text{SE3TransformerConv}(\mathbf{x})
        \big), \qquad \mathbf{x}_i^{(0)} = \text{one-hot}(z_i) \oplus z_i, \qquad
        y = \text{MLP}\big(\max_i \text{SE3Conv}(\mathbf{x})_i\big)

    By default equivariant under SE(3) only: rotations and translations, not
    reflections, as in the authors' code. ``parity=True`` keeps the paths that
    reflections allow. The other defaults are those of the QM9 experiment, but for the
    edges: its are the bonds of a molecule, which ``edge_index`` and one-hot
    ``edge_attr`` give to a network built with ``cutoff=None, edge_dim=4``. Forces are
    derivatives through harmonics and distances alike.

    Args:
        hidden_channels: copies of every irrep of an atom (default: 32).
        lmax: largest degree of the features (default: 3).
        num_layers: number of layers before the last (default: 7).
        num_heads: as in :class:`~pyg_equivariant.nn.SE3TransformerConv` (default: 8, or
            as many as divide the copies of every irrep of the values).
        div: likewise (default: 2).
        cutoff: radius of the neighborhoods; ``None`` joins all pairs (default: 2.0).
        smooth: multiply messages by a polynomial envelope, so that energies are smooth
            at the cutoff (default: ``False``, as in the paper).
        parity: commute with reflections, too (default: ``False``).
        attention: with ``False`` the layers are :class:`~pyg_equivariant.nn.SE3Conv`:
            the tensor field network of the paper's tables (default: ``True``).
        skip, self_interaction, x_ij: as in
            :class:`~pyg_equivariant.nn.SE3TransformerConv`.
        norm: after every layer, ``"layer"`` for :class:`~pyg_equivariant.nn.NormMLP`,
            ``"bias"`` for :class:`~pyg_equivariant.nn.NormActivation` with ReLU and a
            bias on all lengths, as in the N-body experiment (default: ``"layer"``).
        norm_layers: number of linear maps in the former (default: 0).
        norm_eps: under the root of lengths (default: ``1e-4``).
        last: ``"convolution"`` for the last layer of QM9; of the N-body experiment
            attention with self-interaction, ``"linear"`` or ``"attentive"``.
        radial_channels: width of the hidden layers of radial networks (default: 32).
        act: activation of radial networks, norms and head (default: ``"relu"``, as in
            the paper; ``"silu"`` for forces without jumps).
        edge_dim: number of further invariants given as ``edge_attr`` (default: 0).
        irreps_in: irreps of atom features given instead of atomic numbers.
        irreps_hidden: irreps of an atom in place of ``hidden_channels``. Without
            ``parity`` only their degrees matter, here and in what follows.
        irreps_pool: irreps of an atom handed to the head; by default as many scalars as
            there are hidden irreps, and the hidden vectors if the head needs any; all
            hidden irreps for a head of your own or none.
        species: atomic numbers that occur (default: ``(1, 6, 7, 8, 9)``, those of QM9).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`; besides
            ``"max"``, a network on the maximum over atoms (default: ``"max"``, as in
            the authors' code for every target; ``"extensive"`` for energies of
            materials, which add up).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        irreps_x: irreps of features given as ``x`` beside atomic numbers.
        irreps_edge: irreps of the edge features given as ``edge_attr``, in place of
            ``edge_dim``: invariants join the distance, all but ``0e`` the harmonics.
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
        >>> model = SE3Transformer(8, lmax=1, num_layers=2, num_heads=2, cutoff=5.0)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 32,
        lmax: int = 3,
        num_layers: int = 7,
        num_heads: int | None = None,
        div: float = 2,
        cutoff: float | None = 2.0,
        smooth: bool = False,
        parity: bool = False,
        attention: bool = True,
        skip: str | None = "cat",
        self_interaction: str = "linear",
        x_ij: str | None = None,
        norm: str = "layer",
        norm_layers: int = 0,
        norm_eps: float = 1e-4,
        last: str = "convolution",
        radial_channels: int = 32,
        act: ActivationLike = "relu",
        edge_dim: int = 0,
        irreps_in: IrrepsLike | None = None,
        irreps_hidden: IrrepsLike | None = None,
        irreps_pool: IrrepsLike | None = None,
        species: tuple[int, ...] = (1, 6, 7, 8, 9),
        head: str | Head | None = "max",
        mean: float = 0.0,
        scale: float | Tensor = 1.0,
        atomref: Tensor | float | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        irreps_edge = scalars_or_irreps("edge_dim", edge_dim or None, irreps_edge)
        check_inputs(irreps_in, irreps_x)
        symmetry = Symmetry(parity)
        if irreps_hidden is None:
            degrees = symmetry.harmonics(lmax)
            irreps_hidden = Irreps([(hidden_channels, ir) for _, ir in degrees])
        hidden = symmetry.irreps(irreps_hidden)
        if irreps_pool is None:
            irreps_pool = irreps_of_pool(head, irreps_out, hidden)
        pooled = symmetry.irreps(irreps_pool)
        asked = Asked(irreps_out, cutoff, symmetry.natural(pooled))
        built = se3_head(head, asked, act)
        super().__init__(cutoff, built, mean, scale, atomref)
        if smooth and cutoff is None:
            raise ValueError("smooth=True needs a cutoff, got cutoff=None")
        self.irreps_hidden = hidden
        self.irreps_pool = pooled
        self.irreps_sh = symmetry.harmonics(2 * hidden.lmax)
        self.num_layers = num_layers
        self.smooth = smooth
        self.parity = parity

        envelope = PolynomialCutoff(cutoff) if smooth and cutoff is not None else None
        self.edges = EdgeEmbedding(cutoff, None, envelope, self.irreps_sh, "integral")
        self.edge_features = EdgeFeatures(irreps_edge)
        steering = symmetry.irreps(self.edge_features.irreps_steerable)
        irreps_sh = self.irreps_sh + steering
        # f: species and their number, features or both
        self.species = SpeciesFeatures(species) if irreps_in is None else None
        given = symmetry.irreps((irreps_in or ()) if irreps_x is None else irreps_x)
        name = "x" if irreps_in is None else "z"
        self.features = admit(given, irreps_sh, hidden, name)
        numbers = [] if self.species is None else [(len(species) + 1, "0e")]
        self.irreps_in = Irreps(numbers) + self.features.irreps_out
        if num_heads is None:
            muls = [int(mul // div) for mul, _ in hidden] if div > 0 else []
            num_heads = math.gcd(8, *muls)
        edges = irreps_sh, 1 + self.edge_features.num_scalars, radial_channels, act
        block: dict[str, Any] = {"num_heads": num_heads, "div": div, "skip": skip}
        block |= {"self_interaction": self_interaction, "x_ij": x_ij}
        self.convs, self.norms, irreps = ModuleList(), ModuleList(), self.irreps_in
        for _ in range(num_layers):
            conv = make_layer(irreps, hidden, *edges, block if attention else None)
            irreps = conv.irreps_out
            self.convs.append(conv)
            self.norms.append(make_norm(norm, irreps, norm_layers, norm_eps, act))
        block = {"num_heads": min(num_heads, 2), "x_ij": x_ij, "self_interaction": last}
        attends = last != "convolution"
        self.last = make_layer(irreps, pooled, *edges, block if attends else None)
        self.reset_parameters()

    @property
    def is_smooth(self) -> bool:
        """With ``smooth=True``, or with edges between all pairs."""
        return self.smooth or self.cutoff is None

    @property
    def num_hops(self) -> int:
        """One more than layers, for the last."""
        return super().num_hops + 1

    def represent(  # type: ignore[override]
        self,
        z: Tensor,
        graph: Graph,
        edge_attr: Tensor | None = None,
        x: Tensor | None = None,
    ) -> Features:
        """Features of every atom.

        Args:
            z: atomic numbers or features.
            graph: the edges.
            edge_attr: edge features, if built with ``edge_dim`` or ``irreps_edge``.
            x: features beside atomic numbers, if built with ``irreps_x``.
        """
        edges = self._embed(graph, edge_attr)
        x = self._inputs(z, x, graph.pos)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(run(conv, x, edges))
        x = run(self.last, x, edges)
        irreps = Symmetry(self.parity).natural(self.irreps_pool)
        return Features.of_irreps(x, irreps, graph.pos)

    def _inputs(self, z: Tensor, x: Tensor | None, pos: Tensor) -> Tensor:
        """What atoms begin with."""
        inputs = one_hot_inputs(self.species, self.features, z, x, pos).to(pos.dtype)
        if self.species is None:
            return inputs
        count = self.species.num_features
        one_hot, others = inputs[:, :count], inputs[:, count:]
        return torch.cat([one_hot, z.to(pos.dtype).unsqueeze(-1), others], dim=-1)

    def _embed(self, graph: Graph, edge_attr: Tensor | None) -> Edges:
        """Edges with harmonics, and their invariants, the distance last."""
        edges = self.edges.embed(graph)
        others = self.edge_features.invariants(edge_attr, edges.edge_vec)
        length = edges.edge_length.unsqueeze(-1)
        invariants = [length] if others is None else [others, length]
        edges = edges._replace(radial=torch.cat(invariants, dim=-1))
        return self.edge_features.steered(edge_attr, edges)

    def __repr__(self) -> str:
        return describe(self, "irreps_hidden", "num_layers cutoff parity")
