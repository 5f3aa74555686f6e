"""The linear layer of steerable MLPs, conditioned on a steerable attribute."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant import o3
from pyg_equivariant.o3 import Irreps, IrrepsLike, check_broadcast

from .module import EquivariantModule, check_features
from .scalar_bias import ScalarBias
from .tensor_product import TensorProduct


class SteerableLinear(EquivariantModule):
    r"""A linear map of features whose matrix is steered by an attribute.

    The :math:`\mathbf{W}_{\mathbf{a}}` of `"Geometric and Physical Quantities Improve
    E(3) Equivariant Message Passing" <https://arxiv.org/abs/2110.02905>`_: the
    Clebsch-Gordan product of features :math:`\mathbf{f}` with an attribute
    :math:`\mathbf{a}`, such as the harmonics of an edge,

    .. math::
        (\mathbf{W}_{\mathbf{a}} \mathbf{f})_{kw} = \sqrt{2l_o+1} \sum_{\text{paths}}
        \sum_{uv} W_{uvw} \sum_{ij} C_{ijk}\, f_{iu}\, a_{jv}
        \;(+\, b_w \text{ on } 0e).

    Weights and biases start uniform in :math:`\pm 1/\sqrt{n}`, where :math:`n` counts
    the terms that reach the output block, as in :class:`torch.nn.Linear`; unlike e3nn's
    products nothing is divided by :math:`\sqrt{n}` in the forward pass.

    Args:
        irreps_in: irreps of the features.
        irreps_attr: irreps of the attribute.
        irreps_out: irreps of the output. A block that no path reaches is zero (its bias
            alone, from zero, if ``0e``), and a warning names it; the authors' code
            gives NaN there.
        bias: add a bias to the ``0e`` blocks (default: ``True``).

    Attributes:
        weight: flat, path after path, see
            :class:`pyg_equivariant.o3.TensorProductPaths`.
        bias: one number for each ``0e`` output channel.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})` and attributes
          :math:`(*, \text{irreps\_attr.dim})`; an attribute ``1x0e`` may be left out
          and is then 1
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if an input is not floating-point, or not of the module's dtype.
        ValueError: if a last dimension does not fit, or the attribute is missing.

    Example:
        >>> linear = SteerableLinear("8x0e+4x1o", "1x0e+1x1o", "16x0e+4x1o")
        >>> linear
        SteerableLinear(8x0e+4x1o, attributes 1x0e+1x1o -> 16x0e+4x1o, 256 parameters)
        >>> linear(torch.randn(5, 20), torch.randn(5, 4)).shape
        torch.Size([5, 28])
    """

    bias: Parameter | None

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_attr: IrrepsLike,
        irreps_out: IrrepsLike,
        bias: bool = True,
    ) -> None:
        product = o3.TensorProductPaths.fully_connected(
            Irreps(irreps_in),
            Irreps(irreps_attr),
            Irreps(irreps_out),
            path_normalization="none",
        )
        super().__init__()
        self.irreps_in = product.irreps_in1
        self.irreps_attr = product.irreps_in2
        self.irreps_out = product.irreps_out
        self.tp = TensorProduct(product, internal_weights=False)
        self.weight = Parameter(torch.empty(product.weight_numel))
        self._scalars = ScalarBias(self.irreps_out)
        self.register_parameter("bias", self._scalars.parameter() if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases anew."""
        product = self.tp.product
        bounds = [1 / math.sqrt(n) if n else 0.0 for n in product.fan_in]
        with torch.no_grad():
            for path, part in zip(product.paths, product.weight_slices, strict=True):
                bound = bounds[path.i_out]
                self.weight[part].uniform_(-bound, bound)
            if self.bias is not None:
                biases = self.bias.split(self._scalars.sizes)
                for block, bound in zip(biases, bounds, strict=True):
                    block.uniform_(-bound, bound)

    def forward(
        self, x: Tensor, attr: Tensor | None = None, add_bias: bool = True
    ) -> Tensor:
        """Map features ``x`` as steered by the attribute ``attr``.

        Args:
            x: features.
            attr: the attribute.
            add_bias: ``False`` leaves the bias to what follows, such as a
                :class:`~pyg_equivariant.nn.Gate` (default: ``True``).
        """
        check_features(x, self.irreps_in, like=self.weight)
        if attr is None:
            attr = self._trivial(x)
        check_features(attr, self.irreps_attr, "attr", self.weight)
        check_broadcast(x=x.shape[:-1], attr=attr.shape[:-1])
        y = self.tp(x, attr, self.weight)
        return self.add_bias(y) if add_bias else y

    def add_bias(self, y: Tensor) -> Tensor:
        """The bias on the ``0e`` blocks of what the map gave without it."""
        return self._scalars.add(y, self.bias)

    def _trivial(self, x: Tensor) -> Tensor:
        if self.irreps_attr != Irreps("1x0e"):
            raise ValueError(
                f"this layer is steered by attributes {self.irreps_attr}, got none; "
                "only an attribute 1x0e may be left out"
            )
        return x.new_ones(1)

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.parameters())
        return (
            f"{type(self).__name__}({self.irreps_in}, attributes {self.irreps_attr} -> "
            f"{self.irreps_out}, {count} parameters)"
        )
