"""Activations of signals on the group of rotations."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from .activation import ActivationLike, SecondMomentActivation, activation_name
from .module import EquivariantModule, check_features
from .so3_grid import SO3Grid


class SO3Activation(EquivariantModule):
    r"""Acts on features as on signals on SO(3), rotation by rotation.

    As in `"Spherical CNNs" <https://arxiv.org/abs/1801.10130>`_: the features are the
    coefficients of a function :math:`f(R)`, which is evaluated on the grid of
    :class:`~pyg_equivariant.nn.SO3Grid`, activated, and projected back,

    .. math::
        x^l_{ji} \mapsto \sqrt{d_\text{out} (2l+1)}
            \int \phi(f(R))\, D^l_{ij}(R)\, \mathrm dR .

    Where :class:`~pyg_equivariant.nn.S2Activation` gives a degree one copy, this gives
    it :math:`2l+1`, all that the group has. The counterpart of e3nn's module of that
    name, with its numbers.

    The error of equivariance is that of the grid: none for a polynomial :math:`\phi` of
    degree :math:`d` if ``2 * resolution`` exceeds
    :math:`d\, l_\text{in} + l_\text{out}`. For features of unit variance with
    ``lmax_in=lmax_out=2`` the largest deviation, relative to the largest output, is
    2e-3 with ``"tanh"`` and 8e-4 with ``"silu"`` at ``resolution=4``, 2e-5 and 4e-7
    at 8.

    Args:
        lmax_in: the largest degree of the input.
        lmax_out: the largest degree of the output.
        act: the function :math:`\phi`, or its name.
        resolution: of the grid, see :class:`~pyg_equivariant.nn.SO3Grid`.
        aspect_ratio: of the grid, see there (default: 2).
        e3nn_constants: scale ``act`` by e3nn's estimate of
            :func:`its second moment <pyg_equivariant.nn.SecondMomentActivation>`
            (default: ``False``).

    Attributes:
        irreps_in: :math:`2l+1` copies of each degree to ``lmax_in``, even: a signal on
            rotations does not see the inversion.
        irreps_out: likewise to ``lmax_out``.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if the grid is too coarse for a degree, or the last dimension does
            not fit.

    Example:
        >>> SO3Activation(1, 2, "tanh", resolution=4)
        SO3Activation(1x0e+3x1e -> 1x0e+3x1e+5x2e, tanh, resolution=4)
    """

    def __init__(
        self,
        lmax_in: int,
        lmax_out: int,
        act: ActivationLike,
        resolution: int,
        aspect_ratio: float = 2,
        e3nn_constants: bool = False,
    ) -> None:
        super().__init__()
        self.grid_in = SO3Grid(lmax_in, resolution, aspect_ratio)
        self.grid_out = SO3Grid(lmax_out, resolution, aspect_ratio)
        constant: Literal["e3nn"] | None = "e3nn" if e3nn_constants else None
        if not isinstance(act, SecondMomentActivation):
            act = SecondMomentActivation(act, constant)
        self.act = act
        self.irreps_in, self.irreps_out = self.grid_in.irreps, self.grid_out.irreps

    def forward(self, x: Tensor) -> Tensor:
        """Activate features of ``irreps_in``."""
        check_features(x, self.irreps_in, like=self.grid_in.matrix)
        out: Tensor = self.grid_out.from_grid(self.act(self.grid_in.to_grid(x)))
        return out

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, "
            f"{activation_name(self.act.act)}, resolution={self.grid_in.resolution})"
        )
