"""Steerable multi-layer perceptrons."""

from __future__ import annotations

from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.o3 import Irreps, IrrepsLike

from .gate import Gate
from .module import EquivariantModule
from .steerable_linear import SteerableLinear


def steerable_gate(irreps: Irreps, e3nn_constants: bool = False) -> Gate:
    """The gate of steerable networks: SiLU alone, and as it is, if nothing is gated."""
    has_gates = any(ir.l > 0 for _, ir in irreps)
    return Gate.from_irreps(
        irreps, normalize_act=has_gates, e3nn_constants=e3nn_constants
    )


class SteerableMLP(EquivariantModule):
    r"""Steerable linear layers with gated non-linearities between.

    From `"Geometric and Physical Quantities Improve E(3) Equivariant Message Passing"
    <https://arxiv.org/abs/2110.02905>`_:

    .. math::
        \text{MLP}_{\mathbf{a}}(\mathbf{f}) = \mathbf{W}^{(n)}_{\mathbf{a}}\,
        \sigma\big( \cdots \sigma(\mathbf{W}^{(1)}_{\mathbf{a}} \mathbf{f}) \big),

    where :math:`\mathbf{W}_{\mathbf{a}}` is a :class:`SteerableLinear` and
    :math:`\sigma` a :class:`Gate` (SiLU on scalars, sigmoid gates). Where there is
    nothing to gate, :math:`\sigma` is SiLU as it is, without a normalizing constant, as
    in the authors' code.

    Args:
        irreps_in: irreps of the features.
        irreps_attr: irreps of the attribute that steers every layer.
        irreps_hidden: irreps between the layers.
        irreps_out: irreps of the output.
        num_layers: number of linear layers (default: 2).
        act_last: end with a non-linearity (default: ``False``).
        e3nn_constants: as in :class:`Gate`, for weights trained with e3nn (default:
            ``False``).

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`, attributes
          :math:`(*, \text{irreps\_attr.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if an input is not floating-point, or not of the module's dtype.
        ValueError: if a last dimension does not fit, or ``num_layers < 1``.

    Example:
        >>> mlp = SteerableMLP("2x0e+1x1o", "1x0e+1x1o", "8x0e+8x1o", "1x1o")
        >>> mlp(mlp.irreps_in.randn(5, -1), mlp.irreps_attr.randn(5, -1)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_attr: IrrepsLike,
        irreps_hidden: IrrepsLike,
        irreps_out: IrrepsLike,
        num_layers: int = 2,
        act_last: bool = False,
        e3nn_constants: bool = False,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"an MLP has at least one layer, got {num_layers=}")
        self.irreps_in = Irreps(irreps_in)
        self.irreps_attr = Irreps(irreps_attr)
        self.irreps_hidden = Irreps(irreps_hidden)
        self.irreps_out = Irreps(irreps_out)
        self.num_layers = num_layers
        self.act_last = act_last
        linears, acts = [], []
        width = self.irreps_in
        for k in range(num_layers):
            last = k == num_layers - 1
            target = self.irreps_out if last else self.irreps_hidden
            if act_last or not last:
                acts.append(steerable_gate(target, e3nn_constants))
            inner = acts[k].irreps_in if k < len(acts) else target
            linears.append(SteerableLinear(width, self.irreps_attr, inner))
            width = target
        self.linears = ModuleList(linears)
        self.acts = ModuleList(acts)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights of every layer anew."""
        for k in range(self.num_layers):
            self._linear(k).reset_parameters()

    def forward(self, x: Tensor, attr: Tensor | None = None) -> Tensor:
        """Apply the layers, each steered by ``attr``."""
        return self._apply_from(0, x, attr)

    @property
    def first(self) -> SteerableLinear:
        """The first linear map."""
        return self._linear(0)

    def after_first(self, product: Tensor, attr: Tensor | None = None) -> Tensor:
        """What follows the product of the first linear map, beginning with its bias."""
        if not self.acts:
            return self.first.add_bias(product)
        return self._apply_from(1, self.acts[0](product, self.first.bias), attr)

    def _apply_from(self, start: int, x: Tensor, attr: Tensor | None) -> Tensor:
        for k in range(start, self.num_layers):
            linear = self._linear(k)
            if k < len(self.acts):
                x = self.acts[k](linear(x, attr, add_bias=False), linear.bias)
            else:
                x = linear(x, attr)
        return x

    def _linear(self, k: int) -> SteerableLinear:
        linear = self.linears[k]
        assert isinstance(linear, SteerableLinear)
        return linear

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in}, attributes {self.irreps_attr} -> "
            f"{self.irreps_hidden} -> {self.irreps_out}, num_layers={self.num_layers}, "
            f"act_last={self.act_last})"
        )
