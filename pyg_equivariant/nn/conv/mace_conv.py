"""The convolution of MACE: sums over neighbors, and polynomials of them."""

from typing import Any, Optional

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size

from pyg_equivariant.kernels import neighbor_sum
from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ActivationLike
from ..edge_embedding import Edges
from ..linear import Linear
from ..mlp import RadialMLP
from ..module import describe
from ..species_linear import SpeciesLinear
from ..symmetric_contraction import SymmetricContraction
from ._depthwise_conv import DepthwiseConv
from ._inputs import check_scalars, known_targets, of_targets


class MACEConv(DepthwiseConv):
    r"""The layer of the `"MACE: Higher Order Equivariant Message Passing Neural
    Networks for Fast and Accurate Force Fields" <https://arxiv.org/abs/2206.07697>`_
    paper: the linear steerable convolution, and a polynomial of its result at every
    node.

    .. math::
        \mathbf{A}_i &= \mathbf{W}_2 \Big( \frac{1}{\bar n} \sum_{j \in \mathcal{N}(i)}
        (\mathbf{W}_1 \mathbf{x}_j) \otimes_{R(\mathbf{e}_{ij})} Y(\hat r_{ij}) \Big)

        \mathbf{x}^{\prime}_i &= \mathbf{W}_3 \sum_{n=1}^{\nu} \sum_k
        \mathbf{w}^{(s_i)}_{nk}\, S^{(nk)} \big( \mathbf{A}_i, \dots, \mathbf{A}_i \big)
        + \mathbf{W}^{(s_i)} \mathbf{x}_i

    Every path of the tensor product :math:`\otimes` of the features with the harmonics
    of the edge has its own weight :math:`R(\mathbf{e}_{ij})`, a radial network on
    the features of the distance, which acts channel by channel. The sums know pairs of
    atoms; their symmetric products :math:`S`, weighted by species, know :math:`\nu`
    neighbors at once (:class:`~pyg_equivariant.nn.SymmetricContraction`). The maps
    :math:`\mathbf{W}` mix channels, without biases. :math:`s_i` is the species of a
    node, and :math:`\bar n` the average number of neighbors.

    Without ``residual`` (the authors' ``RealAgnosticInteractionBlock``), the last term
    is missing, and :math:`\mathbf{A}_i` passes a linear map of its species: nothing
    arrives at a node without neighbors.

    With ``density`` (``RealAgnosticDensityInteractionBlock``, with or without
    ``Residual``), a sum over neighbors is divided by what it learns to count as their
    number,

    .. math::
        \frac{1}{\bar n} \;\to\; \Big( 1 + \sum_{j \in \mathcal{N}(i)}
        \tanh \big( (\mathbf{w}_\rho^\top \mathbf{e}_{ij})^2 \big) \Big)^{-1}.

    Args:
        irreps_in (str or Irreps): Irreps of the input features.
        irreps_sh (str or Irreps): Irreps of the edge harmonics.
        irreps_out (str or Irreps): Irreps of the output features, all of one
            multiplicity.
        edge_dim (int): Number of radial features of an edge.
        num_species (int, optional): Number of species. (default: :obj:`1`)
        correlation (int, optional): The degree :math:`\nu`, from 1 to 4.
            (default: :obj:`3`)
        radial_channels (list of int, optional): Widths of the hidden layers of the
            radial network; empty for a linear map. (default: :obj:`(64, 64, 64)`)
        residual (bool, optional): Let :math:`\mathbf{x}_i` itself take part.
            (default: :obj:`True`)
        irreps_message (str or Irreps, optional): Irreps of :math:`\mathbf{A}_i`, of the
            multiplicity of the output. (default: those of the harmonics)
        avg_num_neighbors (float, optional): The number :math:`\bar n`; without effect
            if ``density``. (default: :obj:`1.0`)
        density (bool, optional): Divide sums over neighbors by a learned density.
            (default: :obj:`False`)
        act (str or callable, optional): Activation of the radial network, scaled to
            unit second moment; a ``SecondMomentActivation`` is used as it is.
            (default: :obj:`"silu"`)
        radial (torch.nn.Module, optional): A radial network of your own, from
            ``edge_attr`` to ``(|E|, tp.weight_numel)``. With
            :class:`torch.nn.Identity`, ``edge_attr`` are the weights.
            (default: :obj:`None`)
        aggr (str, optional): How messages are joined, ``"add"`` or ``"mean"``.
            (default: :obj:`"add"`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:** features :math:`(|V|, \text{irreps\_in.dim})`, or a pair of those
          of sources and of targets if bipartite (the second may be :obj:`None` without
          ``residual``); edge indices :math:`(2, |E|)`; harmonics
          :math:`(|E|, \text{irreps\_sh.dim})` of the vector from the receiver to the
          sender; radial features :math:`(|E|, D)`; species :math:`(|V|)` of the targets
          from 0 on, unless there is one. Messages vanish where the radial features do:
          multiply those by an envelope
        - **output:** features :math:`(|V|, \text{irreps\_out.dim})`

    Examples:
        >>> conv = MACEConv("8x0e", "0e+1o", "8x0e+8x1o", edge_dim=8, num_species=3)
        >>> conv.product
        SymmetricContraction(8x0e+8x1o -> 8x0e+8x1o, correlation=3, num_species=3)
        >>> x, edge_index = torch.randn(4, 8), torch.tensor([[1, 2, 3], [0, 0, 1]])
        >>> edge_sh, edge_attr = torch.randn(3, 4), torch.rand(3, 8)
        >>> conv(x, edge_index, edge_sh, edge_attr, torch.tensor([2, 0, 0, 1])).shape
        torch.Size([4, 32])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_sh: IrrepsLike,
        irreps_out: IrrepsLike,
        edge_dim: int,
        num_species: int = 1,
        correlation: int = 3,
        radial_channels: tuple[int, ...] = (64, 64, 64),
        residual: bool = True,
        irreps_message: Optional[IrrepsLike] = None,
        avg_num_neighbors: float = 1.0,
        act: ActivationLike = "silu",
        radial: Optional[torch.nn.Module] = None,
        aggr: str = "add",
        density: bool = False,
        **kwargs: Any,
    ) -> None:
        if irreps_message is None:
            irreps_message = _like_harmonics(Irreps(irreps_sh), Irreps(irreps_out))
        irreps = irreps_in, irreps_sh, irreps_out, irreps_message
        network = edge_dim, radial_channels, act, radial
        super().__init__(*irreps, *network, avg_num_neighbors, aggr, **kwargs)
        self.irreps_message = Irreps(irreps_message)
        self.num_species = num_species
        self.correlation = correlation
        self.residual = residual
        self.density = density

        # W₁: mixing of channels
        self.mix_in = Linear(self.irreps_in, self.irreps_in, bias=False)
        # W₂: mixing of paths and channels
        self.mix = Linear(self.tp.irreps_out, self.irreps_message, bias=False)
        # W⁽ˢ⁾: of every species, on the node itself or on what arrives
        ends = self.irreps_message, self.irreps_message
        if residual:
            ends = self.irreps_in, self.irreps_out
        self.skip = SpeciesLinear(*ends, num_species)
        # S: symmetric products
        self.product = SymmetricContraction(
            self.irreps_message, self.irreps_out, correlation, num_species
        )
        # W₃: mixing of channels
        self.mix_out = Linear(self.irreps_out, self.irreps_out, bias=False)
        # w_ρ: density of neighbors
        self.rho = RadialMLP([edge_dim, 1], act) if density else None
        self.reset_parameters()

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        edge_attr: Tensor,
        species: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        """Convolve, and multiply at every node.

        Args:
            x: features, or a pair of those of sources and of targets; these are read by
                the residual only.
            edge_index: edges (source, target), or a sparse adjacency matrix.
            edge_sh: harmonics of the vectors from the receivers to the senders.
            edge_attr: radial features, which carry the envelope.
            species: of every target, from 0 on; needed if there are several.
            size: numbers of sources and of targets, where ``x`` does not tell.

        Returns:
            Features of ``irreps_out``.
        """
        # Radial part
        weight = self.path_weights(edge_index, edge_attr, self.mix_in.weight)
        density = self.edge_density(edge_attr)
        # Message passing
        given = edge_index, edge_sh, weight, species, size, density
        arrived, kept = self.interact(x, *given)
        # Symmetric products
        return self.multiply(arrived, kept, species)

    def edge_density(self, edge_attr: Tensor) -> Optional[Tensor]:
        """What every edge adds to the density at its target, ``(|E|, 1)``, if any."""
        if self.rho is None:
            return None
        check_scalars(edge_attr, self.edge_dim, "edge_attr", self.mix_in.weight)
        return torch.tanh(self.rho(edge_attr).square())

    def interact(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_sh: Tensor,
        weight: Tensor,
        species: OptTensor = None,
        size: Size = None,
        density: OptTensor = None,
    ) -> tuple[Tensor, Optional[Tensor]]:
        """What arrives at every node, and what it keeps of its own features.

        Args:
            x: as in the layer.
            edge_index: likewise.
            edge_sh: likewise.
            weight: of the paths, ``(|E|, tp.weight_numel)``, as ``radial`` gives them.
            species: as in the layer.
            size: likewise.
            density: of the edges, as :meth:`edge_density` gives it.

        Returns:
            Features of ``irreps_message``, and of ``irreps_out`` or ``None``.
        """
        x = self.checked(x, edge_index, edge_sh, weight, self.mix_in.weight)
        # Residual
        kept = None
        if self.residual:
            own = known_targets(x[1], "residual needs")
            kept = self.skip(own, of_targets(species))
        # Message passing
        sent = self.mix_in(x[0])
        sent = sent if self.density else sent / self.avg_num_neighbors
        # propagate_type: (x: OptPairTensor, edge_sh: Tensor, weight: Tensor)
        given = {"edge_sh": edge_sh, "weight": weight}
        out = self.sum_messages(edge_index, (sent, x[1]), size, **given)
        out = self.mix(out)
        if self.density:
            out = out / self._total(density, edge_index, out.shape[0])
        if not self.residual:
            out = self.skip(out, of_targets(species))
        return out, kept

    def _total(self, density: OptTensor, edge_index: Adj, num_targets: int) -> Tensor:
        """One, and the density of the neighbors of every node."""
        if density is None:
            raise ValueError(
                "density is missing: this layer was built with density=True; pass "
                "edge_density(edge_attr)"
            )
        if self.explain:
            density = self.explain_message(density, num_targets)
        return 1 + neighbor_sum(density, self.directed(edge_index), num_targets)

    def multiply(
        self, arrived: Tensor, kept: OptTensor = None, species: OptTensor = None
    ) -> Tensor:
        """The polynomials of what arrived, mixed, beside what a node kept."""
        species = of_targets(species)
        if species is None:
            if self.num_species != 1:
                raise ValueError(
                    f"species are missing: this layer knows {self.num_species} of "
                    "them; pass which one each node is"
                )
            species = torch.zeros_like(arrived[:, 0], dtype=torch.long)
        out: Tensor = self.mix_out(self.product(arrived, species))
        return out if kept is None else out + kept

    def on_edges(self, x: Tensor, edges: Edges, species: OptTensor = None) -> Tensor:
        given = edges.edge_index, edges.edge_sh, edges.edge_attr
        return self(x, *given, species)

    def __repr__(self) -> str:
        return describe(
            self, "irreps_in -> irreps_out", "irreps_sh edge_dim correlation"
        )


def _like_harmonics(irreps_sh: Irreps, irreps_out: Irreps) -> Irreps:
    """The irreps of the harmonics, with the multiplicity of the output."""
    mul = max((block.mul for block in irreps_out), default=1)
    return Irreps([(mul, ir) for ir in dict.fromkeys(ir for _, ir in irreps_sh)])
