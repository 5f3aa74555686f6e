"""DimeNet."""

from __future__ import annotations

from torch import Tensor

from pyg_equivariant.o3 import IrrepsLike

from ..activation import ActivationLike
from ..conv import DimeNetConv
from ..edge_embedding import Edges
from ..torsions import target_cosines
from .directional import DirectionalModel, Given, Sizes
from .heads import Head


class DimeNet(DirectionalModel):
    r"""The network of the `"Directional Message Passing for Molecular Graphs"
    <https://arxiv.org/abs/2003.03123>`_ paper.

    .. math::
        \mathbf{m}_{ji}^{(0)} &= \phi\big(\mathbf{W}\, [\mathbf{x}_i, \mathbf{x}_j,
        \phi(\mathbf{W}_e \mathbf{e}_{ji} + \mathbf{b}_e)] + \mathbf{b}\big), \qquad
        \mathbf{m}^{(t+1)} = \text{DimeNetConv}(\mathbf{m}^{(t)})

        y &= \sum_{t, i} \mathbf{w}_t \cdot O_t\Big(\sum_j \mathbf{W}_t \mathbf{e}_{ji}
        \odot \mathbf{m}^{(t)}_{ji}\Big)

    Messages live on edges and know the angles between them: that at :math:`i`, with the
    length of :math:`k \to j`, as in the authors' code. The same function as
    :class:`torch_geometric.nn.models.DimeNet`, except that no neighbor is ever dropped
    (there 32 are kept), that images of an atom are other neighbors, and that
    derivatives exist where atoms are in line. Energies are smooth.

    Args:
        hidden_channels: size of a message (default: 128).
        num_layers: number of interactions (default: 6).
        num_bilinear: size of the angles in the bilinear map (default: 8).
        num_spherical: degrees of the basis of angles (default: 7).
        num_radial: number of Bessel functions (default: 6).
        cutoff: radius of the neighborhoods (default: 5.0).
        num_before_skip: residual layers of an interaction before the message is added
            (default: 1).
        num_after_skip: residual layers of an interaction after it (default: 2).
        num_output_layers: layers at the atoms after each interaction (default: 3).
        p: exponent of the envelope, one more than the ``envelope_exponent`` of other
            codes (default: 6).
        rounded_zeros: round the zeros of Bessel functions to float32, as weights of the
            authors need (default: ``False``).
        zero_output: let the last map start at zero, as the authors of DimeNet do for
            mu, homo, lumo and zpve (default: ``False``).
        act: activation, zero at zero (default: ``"silu"``).
        head: what to predict, see :func:`~pyg_equivariant.nn.models.make_head`
            (default: ``"sum"``).
        mean, scale, atomref: units of the prediction, see :class:`MolecularModel`.
        num_elements: size of the embedding (default: 95).
        irreps_in: irreps of features of the atoms, given in place of atomic numbers.
            As features of this network are scalars, others enter by inner products of
            equal irreps, which know lengths and angles, and nothing of the edges.
        irreps_x: irreps of features given as ``x`` beside atomic numbers; likewise.
        irreps_edge: irreps of edge features given as ``edge_attr``, which join the
            radial features; likewise.
        irreps_out: irreps to predict in place of a scalar, such as ``"1x2e"``; or the
            formula of a Cartesian tensor, such as ``"ij=ji"`` for a polarizability. How
            atoms are joined is said by ``head``: ``"sum"``, ``"mean"`` or ``"node"``.
            See :class:`IrrepsHead`.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, positions :math:`(|V|, 3)`, graph of
          each atom :math:`(|V|)`
        - **output:** :math:`(B, 1)` for the default head

    Example:
        >>> import torch
        >>> model = DimeNet(hidden_channels=16, num_layers=2)
        >>> z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
        >>> model(z, pos).shape
        torch.Size([1, 1])
    """

    def __init__(
        self,
        hidden_channels: int = 128,
        num_layers: int = 6,
        num_bilinear: int = 8,
        num_spherical: int = 7,
        num_radial: int = 6,
        cutoff: float = 5.0,
        num_before_skip: int = 1,
        num_after_skip: int = 2,
        num_output_layers: int = 3,
        p: int = 6,
        rounded_zeros: bool = False,
        zero_output: bool = False,
        act: ActivationLike = "silu",
        head: str | Head | None = "sum",
        mean: float = 0.0,
        scale: float = 1.0,
        atomref: Tensor | float | None = None,
        num_elements: int = 95,
        irreps_in: IrrepsLike | None = None,
        irreps_x: IrrepsLike | None = None,
        irreps_edge: IrrepsLike | None = None,
        irreps_out: IrrepsLike | None = None,
    ) -> None:
        counts = num_layers, num_output_layers, num_spherical, num_radial
        sizes = Sizes(hidden_channels, hidden_channels, *counts, num_elements, act)
        units = mean, scale, atomref
        given = Given(irreps_in, irreps_x, irreps_edge, irreps_out)
        angular = num_spherical * num_radial

        def conv(radial_dim: int) -> DimeNetConv:
            layers = num_before_skip, num_after_skip, act
            sizes = hidden_channels, angular, radial_dim, num_bilinear
            return DimeNetConv(*sizes, *layers)

        bessel = "dimenet", p, rounded_zeros
        options = {"up": False, "zero": zero_output}
        super().__init__(sizes, cutoff, head, units, given, bessel, conv, **options)
        self.num_bilinear = num_bilinear
        self.reset_parameters()

    def geometry(self, edges: Edges, pairs: Tensor) -> tuple[Tensor, ...]:
        """Features of angles."""
        cosine = target_cosines(edges.edge_vec, pairs)
        radial = self.bessel(edges.edge_length).index_select(0, pairs[0])
        return (self.angular(radial, cosine),)
