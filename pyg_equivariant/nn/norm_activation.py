"""Activation of lengths: the non-linearity of tensor field networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import Irreps, IrrepsLike, safe_norm, safe_normalize, widen

from .activation import ActivationLike, activation_name, resolve_activation
from .module import EquivariantModule, check_features


class NormActivation(EquivariantModule):
    r"""Acts on the length of every copy and keeps its direction.

    From `"Tensor field networks" <https://arxiv.org/abs/1802.08219>`_: scalars ``0e``
    become :math:`\eta(x)`, and every other copy

    .. math::
        x \mapsto \frac{\eta(n + b)}{n}\, x, \qquad n = \sqrt{|x|^2 + \epsilon}.

    With :math:`\epsilon > 0` the map is smooth at the zero vector, which stays zero.
    With ``scalars=True`` scalars are treated like all others, as in the N-body networks
    of `"SE(3)-Transformers" <https://arxiv.org/abs/2006.10503>`_: their length is the
    absolute value, and :math:`\epsilon` may be zero.

    Args:
        irreps: irreps of the features.
        act: the function :math:`\eta`, or its name (default: ``"silu"``).
        bias: learn a bias :math:`b` for every copy that is no ``0e`` (default:
            ``True``).
        eps: the number :math:`\epsilon` (default: ``1e-8``).
        scalars: act on the length of scalars, too (default: ``False``).

    Attributes:
        bias: one number per copy that is no ``0e``, starting at zero, or ``None``. With
            ``scalars=True`` one per copy, starting standard normal.

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
        scalars: bool = False,
    ) -> None:
        super().__init__()
        if not (eps > 0 or (scalars and eps == 0)):
            raise ValueError(f"eps keeps lengths away from zero: positive, got {eps}")
        self.irreps_in = self.irreps_out = Irreps(irreps)
        self.act = resolve_activation(act)
        self.eps = eps
        self.scalars = scalars
        self._is_plain = [ir.is_scalar() and not scalars for _, ir in self.irreps_in]
        self._num_biases = [
            0 if plain else mul
            for (mul, _), plain in zip(self.irreps_in, self._is_plain, strict=True)
        ]
        self.register_parameter("bias", None)
        if bias and any(self._num_biases):
            self.bias = Parameter(torch.empty(sum(self._num_biases)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the bias anew, or set it to zero."""
        if self.bias is not None:
            torch.nn.init.normal_(self.bias, std=1.0 if self.scalars else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Activate features of ``irreps``."""
        check_features(x, self.irreps_in, like=self.bias)
        biases: Sequence[Tensor | None] = [None] * len(self.irreps_in)
        if self.bias is not None:
            biases = self.bias.split(self._num_biases)
        out = []
        for block, plain, bias in zip(
            self.irreps_in.split(x), self._is_plain, biases, strict=True
        ):
            if plain:
                out.append(self.act(block))
                continue
            length, direction = length_and_direction(block, self.eps)
            value = self.act(length if bias is None else length + bias)
            if self.eps:  # a quotient of numbers first loses less in derivatives
                out.append((widen(block) * (value / length)).to(x.dtype))
            else:
                out.append((value * direction).to(x.dtype))
        return self.irreps_out.join(out) if out else x

    def __repr__(self) -> str:
        name = activation_name(self.act)
        return f"{type(self).__name__}({self.irreps_in}, act={name})"


def length_and_direction(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    r"""Lengths :math:`\sqrt{|x|^2 + \epsilon}` and what is left of each copy.

    Args:
        x: features of one irrep, ``(*, components, copies)``.
        eps: the number :math:`\epsilon`; with 0 the zero vector has no direction.

    Returns:
        ``(*, 1, copies)`` and ``(*, components, copies)``, in float32 at least.
    """
    x = widen(x)
    if not eps:
        return safe_norm(x, dim=-2, keepdim=True), safe_normalize(x, dim=-2)
    length = (x.square().sum(-2, keepdim=True) + eps).sqrt()
    return length, x / length
