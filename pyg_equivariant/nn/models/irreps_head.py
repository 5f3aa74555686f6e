"""Predictions of any irreps, from the features of any network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.o3 import (
    CartesianTensor,
    Irrep,
    Irreps,
    IrrepsLike,
    Path,
    TensorProductPaths,
)

from ..conv import TFNConv
from ..cutoff import PolynomialCutoff
from ..edge_embedding import EdgeEmbedding
from ..gate import Gate
from ..linear import Linear
from ..module import EquivariantModule
from ..pool import Atoms
from ..radial import BesselBasis
from ..tensor_product import TensorProduct
from .features import Features
from .heads import Head

NUM_RADIAL, RADIAL_CHANNELS, NUM_NEIGHBORS = 8, (64,), 12.0  # as TFN by default


class IrrepsHead(Head):
    r"""Irreps of graphs or atoms, whatever irreps the network has.

    .. math::
        \mathbf{y} = \operatorname{reduce}_i\, \mathbf{W}_2\, \big(1 \oplus
        \otimes\big)\, \sigma(\mathbf{h}_i), \qquad
        \mathbf{h}_i = \mathbf{W}_1 \mathbf{x}_i
        \quad\text{or}\quad \text{TFNConv}(\mathbf{x})_i

    Where the features lack what is asked for, such as any direction in SchNet's, one
    tensor field convolution comes first: scalars times harmonics of the edges give
    ``0e, 1o, 2e, 3o ...`` of every degree. Irreps of the other parity, such as ``1e``,
    are products :math:`\otimes` of these; ``0o`` of three vectors. So every irrep can
    be reached.

    Args:
        irreps_in: irreps of the features of an atom.
        irreps_out: irreps of the prediction; or the formula of a
            :class:`~pyg_equivariant.o3.CartesianTensor`, such as ``"ij=ji"``, which is
            then what is predicted.
        cutoff: radius of the convolution's envelope; ``None`` for all pairs.
        reduce: ``"sum"`` or ``"mean"`` over the atoms of a graph, or ``"node"``.

    Shapes:
        - **output:** :math:`(B, \text{irreps\_out.dim})`, or :math:`(B, 3, 3)` for a
          tensor of two indices; :math:`|V|` in place of :math:`B` for atoms

    Example:
        >>> head = IrrepsHead("16x0e", "1x2e+1x1e", cutoff=5.0)
        >>> head.irreps_out, head.invariant
        (1x2e+1x1e, False)
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_out: IrrepsLike,
        cutoff: float | None,
        reduce: str = "sum",
    ) -> None:
        super().__init__()
        if reduce not in ("sum", "mean", "node"):
            raise ValueError(f"reduce is 'sum', 'mean' or 'node', got {reduce!r}")
        self.irreps_in = Irreps(irreps_in)
        self.cartesian = _cartesian(irreps_out)
        tensor = None if self.cartesian is None else self.cartesian.tensor
        self.irreps_out = Irreps(irreps_out) if tensor is None else tensor.irreps
        if not self.irreps_out.dim:
            raise ValueError(f"irreps_out holds nothing to predict, got {irreps_out!r}")
        self.pooling = reduce
        self.extensive = reduce == "sum"
        self.invariant = tensor is None and self.irreps_out.is_scalar()
        self.reduce = reduce if self.invariant and self.irreps_out.dim == 1 else None

        begin, products = _plan(self.irreps_in, self.irreps_out)
        channels = max(self.irreps_in.count("0e") // 2, 4)
        gate = Gate.from_irreps(Irreps([(channels, ir) for ir in begin]))
        # h: the irreps to begin with
        self.linear, self.edges, self.conv = None, None, None
        if all(self.irreps_in.count(ir) > len(products) for ir in begin):
            self.linear = Linear(self.irreps_in, gate.irreps_in)
        else:
            irreps_sh = Irreps.spherical_harmonics(max(ir.l for ir in begin))
            self.edges = EdgeEmbedding(cutoff, *_radial(cutoff), irreps_sh=irreps_sh)
            self.conv = TFNConv(
                self.irreps_in,
                irreps_sh,
                gate.irreps_in,
                NUM_RADIAL,
                RADIAL_CHANNELS,
                avg_num_neighbors=NUM_NEIGHBORS,
            )
        # σ, ⊗, W_2
        self.gate = gate
        irreps, steps = gate.irreps_out, []
        for wanted in products:
            steps.append(_SelfProduct(irreps, wanted))
            irreps = irreps + steps[-1].irreps_out
        self.products = ModuleList(steps)
        self.mix = Linear(irreps, self.irreps_out)

    def predict(self, features: Features, atoms: Atoms) -> Tensor:
        """Predict for every graph, or atom."""
        out = self._terms(features)
        if self.pooling != "node":
            out = atoms.pool(out, self.pooling).to(out.dtype)
        return out if self.cartesian is None else self.cartesian(out)

    def per_atom(self, features: Features, atoms: Atoms) -> Tensor:
        """The terms of the sum."""
        if not self.extensive:
            return super().per_atom(features, atoms)
        out = self._terms(features)
        return out if self.cartesian is None else self.cartesian(out)

    def _terms(self, features: Features) -> Tensor:
        x = self._begin(features)
        x = self.gate(x)
        for product in self.products:
            x = torch.cat([x, product(x)], dim=-1)
        return self.mix(x)

    def _begin(self, features: Features) -> Tensor:
        x = features.of_all_irreps()
        if x.shape[-1:] != (self.irreps_in.dim,):
            raise ValueError(
                f"this head takes features {self.irreps_in}: expected "
                f"{self.irreps_in.dim} numbers from x and vec together, got shape "
                f"{tuple(x.shape)}"
            )
        if self.linear is not None:
            return self.linear(x)
        assert self.conv is not None
        assert self.edges is not None
        if features.graph is None:
            raise ValueError(
                f"{self.irreps_out} from {self.irreps_in} takes the edges: give "
                "features with their graph"
            )
        return self.conv.on_edges(x, self.edges.embed(features.graph))


class _SelfProduct(EquivariantModule):
    """Products of features with mixed features, channel by channel."""

    def __init__(self, irreps: Irreps, wanted: list[Irrep]) -> None:
        super().__init__()
        channels = irreps[-1].mul
        self.irreps_out = Irreps([(channels, ir) for ir in wanted])
        blocks = irreps.filter(keep=lambda block: block.ir.l > 0)
        paths = [
            Path(i, j, o, "uuu")
            for i, (_, first) in enumerate(blocks)
            for j, (_, second) in enumerate(blocks)
            for o, ir in enumerate(wanted)
            if ir in first * second
        ]
        self.one = Linear(irreps, blocks)
        self.other = Linear(irreps, blocks)
        self.tp = TensorProduct(
            TensorProductPaths(blocks, blocks, self.irreps_out, tuple(paths))
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in (self.one, self.other, self.tp):
            module.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Features of ``irreps_out``."""
        return self.tp(self.one(x), self.other(x))


class _ToCartesian(EquivariantModule):
    """Irreps as a Cartesian tensor."""

    basis: Tensor

    def __init__(self, tensor: CartesianTensor) -> None:
        super().__init__()
        self.tensor = tensor
        basis = tensor.change_of_basis(torch.float64, "cpu")
        self.register_constant("basis", basis.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Tensors ``(..., 3, 3)`` of irreps."""
        shape = (3,) * self.tensor.rank
        return (x @ self.basis.to(x.dtype)).unflatten(-1, shape)


class _Compressed(torch.nn.Module):
    """A function on lengths from 0 to 1, of lengths without end."""

    def __init__(self, function: torch.nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, length: Tensor) -> Tensor:
        """The function of ``r / (1 + r)``."""
        out: Tensor = self.function(length / (1 + length))
        return out


def _radial(cutoff: float | None) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Radial functions and their envelope."""
    if cutoff is not None:
        return BesselBasis(NUM_RADIAL, cutoff), PolynomialCutoff(cutoff)
    within = BesselBasis(NUM_RADIAL, 1.0), PolynomialCutoff(1.0)
    return _Compressed(within[0]), _Compressed(within[1])


def _cartesian(irreps_out: IrrepsLike) -> _ToCartesian | None:
    """The tensor of a formula, which unlike irreps has no digits."""
    if not isinstance(irreps_out, str) or not irreps_out.strip():
        return None
    if any(character.isdigit() for character in irreps_out):
        return None
    return _ToCartesian(CartesianTensor(irreps_out))


def _plan(given: Irreps, wanted: Irreps) -> tuple[list[Irrep], list[list[Irrep]]]:
    """Irreps to begin with, and those that products add one after the other.

    Harmonics have the parity ``(-1)**l``. A vector times such an irrep gives the other
    parity of the same degree; vector times pseudovector gives ``0o``.
    """
    begin, first, second = {Irrep("0e")}, set(), set()
    for _, ir in wanted.remove_zero_multiplicities():
        if ir in given or ir.p == (-1) ** ir.l:
            begin.add(ir)
        elif ir.l > 0:
            first.add(ir)
        else:
            second.add(ir)
    if second:
        first.add(Irrep("1e"))
    begin |= {Irrep(ir.l, (-1) ** ir.l) for ir in first}
    if first:
        begin.add(Irrep("1o"))
    return sorted(begin), [sorted(irreps) for irreps in (first, second) if irreps]
