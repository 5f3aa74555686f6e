"""Activation of lengths: the non-linearity of tensor field networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike, widen

from .activation import ActivationLike, activation_name, resolve_activation
from .module import EquivariantModule, check_features


class NormActivation(EquivariantModule):
    r"""Acts on the length of every copy and keeps its direction.

    From `"Tensor field networks" <https://arxiv.org/abs/1802.08219>`_: scalars ``0e``
    become :math:`\eta(x)`, and every other copy

    .. math::
        x \mapsto \frac{\eta(n + b)}{n}\, x, \qquad n = \sqrt{|x|^2 + \epsilon}.

    With :math:`\epsilon > 0` the map is smooth at the zero vector, which stays zero.

    Args:
        irreps: irreps of the features.
        act: the function :math:`\eta`, or its name (default: ``"silu"``).
        bias: learn a bias :math:`b` for every copy that is no ``0e`` (default:
            ``True``).
        eps: the number :math:`\epsilon` (default: ``1e-8``).

    Attributes:
        bias: one number per copy that is no ``0e``, starting at zero, or ``None``.

    Shapes:
        - **input:** features :math:`(*, \text{irreps.dim})`
        - **output:** features :math:`(*, \text{irreps.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if ``eps`` is not positive or the last dimension does not fit.

    Example:
        >>> NormActivation("8x0e+4x1o")
        NormActivation(8x0e+4x1o, act=silu)
    """

    bias: Parameter | None

    def __init__(
        self,
        irreps: IrrepsLike,
        act: ActivationLike = "silu",
        bias: bool = True,
        eps: float = 1e-8,
    ) -> None:
        super().__init__()
        if not eps > 0:
            raise ValueError(f"eps keeps lengths away from zero: positive, got {eps}")
        self.irreps_in = self.irreps_out = Irreps(irreps)
        self.act = resolve_activation(act)
        self.eps = eps
        self._num_biases = [0 if ir.is_scalar() else mul for mul, ir in self.irreps_in]
        self.register_parameter("bias", None)
        if bias and any(self._num_biases):
            self.bias = Parameter(torch.empty(sum(self._num_biases)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the bias to zero."""
        if self.bias is not None:
            torch.nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Activate features of ``irreps``."""
        check_features(x, self.irreps_in, like=self.bias)
        biases: Sequence[Tensor | None] = [None] * len(self.irreps_in)
        if self.bias is not None:
            biases = self.bias.split(self._num_biases)
        out = []
        for block, (_, ir), bias in zip(
            self.irreps_in.split(x), self.irreps_in.blocks, biases, strict=True
        ):
            if ir.is_scalar():
                out.append(self.act(block))
                continue
            block = widen(block)
            length = (block.square().sum(-2, keepdim=True) + self.eps).sqrt()
            shifted = length if bias is None else length + bias
            out.append((block * (self.act(shifted) / length)).to(x.dtype))
        return self.irreps_out.join(out) if out else x

    def __repr__(self) -> str:
        name = activation_name(self.act)
        return f"{type(self).__name__}({self.irreps_in}, act={name})"
