"""What an SE(3)-Transformer is built of, and under which group it is equivariant."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import Identity, Module

from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..activation import ActivationLike
from ..conv import SE3Conv, SE3TransformerConv
from ..edge_embedding import Edges
from ..mlp import MLP
from ..norm_activation import NormActivation
from ..norm_mlp import NormMLP
from ..pool import Atoms
from ._admitted import AdmittedFeatures
from .features import Features
from .heads import Head, ScalarHead
from .make_head import Asked, make_head


class Symmetry(NamedTuple):
    """Labels of irreps: of rotations alone, or of reflections, too."""

    parity: bool

    def irreps(self, irreps: IrrepsLike) -> Irreps:
        """Irreps as layers read them; without parity all are even."""
        irreps = Irreps(irreps)
        if self.parity:
            return irreps
        return Irreps([(mul, (ir.l, 1)) for mul, ir in irreps])

    def harmonics(self, lmax: int) -> Irreps:
        """Harmonics up to a degree."""
        return Irreps.spherical_harmonics(lmax, p=-1 if self.parity else 1)

    def natural(self, irreps: Irreps) -> Irreps:
        """Irreps as heads read them, where vectors are ``1o``."""
        if self.parity:
            return irreps
        return Irreps([(mul, (ir.l, (-1) ** ir.l)) for mul, ir in irreps])


def make_norm(
    kind: str, irreps: Irreps, num_layers: int, eps: float, act: ActivationLike
) -> NormMLP | NormActivation:
    """The non-linearity after a layer.

    Raises:
        ValueError: if ``kind`` is unknown.
    """
    if kind == "layer":
        return NormMLP(irreps, num_layers, eps, act)
    if kind == "bias":
        return NormActivation(irreps, act, eps=eps, scalars=True)
    raise ValueError(f"norm is 'layer' or 'bias', got {kind!r}")


def make_layer(
    irreps_in: Irreps,
    irreps_out: Irreps,
    irreps_sh: Irreps,
    edge_dim: int,
    radial_channels: int,
    act: ActivationLike,
    attention: dict[str, Any] | None,
) -> SE3Conv | SE3TransformerConv:
    """An attention block with further arguments, or without them a convolution."""
    irreps = irreps_in, irreps_sh, irreps_out
    options: dict[str, Any] = {"radial_channels": radial_channels, "act": act}
    if attention is None:
        return SE3Conv(*irreps, edge_dim, **options)
    options |= attention
    return SE3TransformerConv(*irreps, edge_dim, **options)


def run(conv: Module, x: Tensor, edges: Edges) -> Tensor:
    """A layer of either kind on edges."""
    assert isinstance(conv, (SE3Conv, SE3TransformerConv))
    return conv.on_edges(x, edges)


def admit(
    given: Irreps, irreps_sh: Irreps, hidden: Irreps, name: str
) -> AdmittedFeatures:
    """Features as they are, where a path leads from them to a hidden irrep."""
    reached = [
        ir
        for _, ir in given
        if any(product in hidden for _, sh in irreps_sh for product in ir * sh)
    ]
    others = given.filter(drop=reached)
    return AdmittedFeatures(given, reached, name, products=others)


def irreps_of_pool(
    head: str | Head | None, asked: IrrepsLike | None, hidden: Irreps
) -> Irreps:
    """What the last layer hands over to the head."""
    if asked is not None or head is None or isinstance(head, Head):
        return hidden
    vectors = [(mul, ir) for mul, ir in hidden if ir.l == 1]
    scalars = (hidden.num_irreps, "0e")
    if head in ("max", "sum", "extensive", "mean", "node", "spatial_extent"):
        return Irreps([scalars])
    return Irreps([scalars, *vectors])


def se3_head(head: str | Head | None, asked: Asked, act: ActivationLike) -> Head | None:
    """The head of a name: the authors' two layers after a maximum, or others."""
    pooled = asked.irreps
    assert pooled is not None
    width = pooled.count("0e")

    def network() -> MLP:
        return MLP([width, width, 1], act)

    def scalar_head(reduce: str) -> Head:
        if reduce == "mean":
            return ScalarHead(Identity(), network(), reduce)
        return ScalarHead(network(), None, reduce)

    if head == "max" and asked.irreps_out is None:
        return MaxHead(network())
    return make_head(head, scalar_head, width, pooled.count("1o"), act, asked=asked)


class MaxHead(Head):
    r"""A network on the largest value that each scalar has in a molecule.

    .. math::
        y = \text{post}\big(\max_i \mathbf{x}_i\big)

    References of atoms (``atomref``) are summed and added to it.

    Args:
        post: network on every molecule.

    Example:
        >>> MaxHead(Identity()).extensive
        False
    """

    reduce = "sum"

    def __init__(self, post: Module) -> None:
        super().__init__()
        self.post = post

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict ``(num_graphs, out)``."""
        out: Tensor = self.post(atoms.pool(features.x, "max").to(features.x.dtype))
        return out
