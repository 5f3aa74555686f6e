"""Activation of lengths: the non-linearity of tensor field networks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike

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
        blocks = list(self.irreps_in)
        self._sizes = [block.dim for block in blocks]
        self._shapes = [(block.ir.dim, block.mul) for block in blocks]
        self._scalar = [block.ir.is_scalar() for block in blocks]
        self._sizes_bias: list[int] = [
            0 if block.ir.is_scalar() else block.mul for block in blocks
        ]
        if bias and any(self._sizes_bias):
            self.bias = Parameter(torch.empty(sum(self._sizes_bias)))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the bias to zero."""
        if self.bias is not None:
            torch.nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Activate features of ``irreps``."""
        check_features(x, self.irreps_in, like=self.bias)
        blocks = x.split(self._sizes, dim=-1)
        biases = [None] * len(blocks)
        if self.bias is not None:
            biases = self.bias.split(self._sizes_bias)
        out = []
        for block, shape, scalar, bias in zip(
            blocks, self._shapes, self._scalar, biases, strict=True
        ):
            if scalar:
                out.append(self.act(block))
                continue
            vectors = block.unflatten(-1, shape)
            length = (vectors.square().sum(-2, keepdim=True) + self.eps).sqrt()
            shifted = length if bias is None else length + bias
            out.append((vectors * (self.act(shifted) / length)).flatten(-2))
        return torch.cat(out, dim=-1) if out else x

    def __repr__(self) -> str:
        name = activation_name(self.act)
        return f"{type(self).__name__}({self.irreps_in}, act={name})"
