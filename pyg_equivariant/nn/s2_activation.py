"""Activations of signals on the sphere."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from pyg_equivariant.o3 import Irrep, Irreps, IrrepsLike, rand_matrix, rotate

from .activation import (
    ActivationLike,
    SecondMomentActivation,
    activation_name,
    activation_parity,
)
from .module import EquivariantModule, check_features
from .s2_grid import FromS2Grid, Resolution, ToS2Grid


class S2Activation(EquivariantModule):
    r"""Acts on features as on signals on the sphere, point by point.

    As in `"EquiformerV2" <https://arxiv.org/abs/2306.12059>`_: the features are the
    coefficients of a function, which is evaluated on a grid, activated and projected
    back,

    .. math::
        x^l \mapsto \frac{1}{4\pi} \int_{S^2} \phi\Bigl(\sum_{l'} x^{l'} \cdot
            Y^{l'}(\mathbf r)\Bigr)\, Y^l(\mathbf r)\, \mathrm d \mathbf r .

    All degrees act on each other, without Clebsch-Gordan coefficients and in every
    channel by itself. The counterpart of e3nn's module of that name, with its numbers,
    and with channels.

    The integral commutes with rotations, the sum over the grid does but for an error:
    none for a polynomial :math:`\phi` of degree :math:`d` if both numbers of ``res``
    exceed :math:`d\, l_\text{max} + l_\text{out}`, and for others one that falls
    quickly with ``res``. For features of unit variance with ``lmax=3`` the largest
    deviation, relative to the largest output, is 8e-3 with ``"tanh"`` and 5e-4 with
    ``"silu"`` at ``res=20``, 5e-5 and 3e-7 at 40, 4e-10 and 1e-14 at 100
    (:func:`pyg_equivariant.testing.equivariance_error` tells that of others).

    Args:
        irreps_in: degrees 0, 1, ... to the largest, all with the same number of
            channels, of parities ``p_val * p_arg ** l`` as of signals.
        act: the function :math:`\phi`, or its name; an odd or an even one where
            ``p_val`` is -1.
        res: numbers of polar angles and of azimuths, or the first alone, as in
            :class:`~pyg_equivariant.nn.ToS2Grid`.
        normalization: as there (default: ``"component"``).
        lmax_out: the largest degree of the output (default: that of the input).
        random_rot: turn the grid at random in every call, which makes its error one
            without direction (default: ``False``).
        e3nn_constants: scale ``act`` by e3nn's estimate of
            :func:`its second moment <pyg_equivariant.nn.SecondMomentActivation>`
            (default: ``False``).

    Attributes:
        irreps_out: degrees to ``lmax_out`` with the parities after the activation.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        TypeError: if the input is not floating-point, or not of the module's dtype.
        ValueError: if the irreps are not those of a signal, the activation breaks its
            parity, the grid is too coarse, or the last dimension does not fit.

    Example:
        >>> S2Activation("8x0e+8x1o+8x2e", "tanh", res=12)
        S2Activation(8x0e+8x1o+8x2e -> 8x0e+8x1o+8x2e, tanh, res=(12, 11))
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        act: ActivationLike,
        res: Resolution,
        normalization: str = "component",
        lmax_out: int | None = None,
        random_rot: bool = False,
        e3nn_constants: bool = False,
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in).simplify()
        p_val, p_arg = _signal_parities(self.irreps_in)
        lmax = self.irreps_in.lmax
        lmax_out = lmax if lmax_out is None else lmax_out
        if normalization not in ("component", "norm"):
            raise ValueError(
                f"normalization is 'component' or 'norm', got {normalization!r}"
            )
        constant: Literal["e3nn"] | None = "e3nn" if e3nn_constants else None
        if not isinstance(act, SecondMomentActivation):
            act = SecondMomentActivation(act, constant)
        self.act = act
        p_out = 1 if p_val == 1 else activation_parity(act)
        mul = self.irreps_in[0].mul
        self.irreps_out = Irreps(
            [(mul, Irrep(l, p_out * p_arg**l)) for l in range(lmax_out + 1)]
        )
        self.to_s2 = ToS2Grid(lmax, res, normalization)
        res = self.to_s2.res_beta, self.to_s2.res_alpha
        self.from_s2 = FromS2Grid(res, lmax_out, normalization, lmax_in=lmax)
        self.random_rot = random_rot

    def forward(self, x: Tensor) -> Tensor:
        """Activate features of ``irreps_in``."""
        harmonics, quadrature = self.to_s2.harmonics, self.from_s2.quadrature
        check_features(x, self.irreps_in, like=harmonics)
        if self.random_rot:
            R = rand_matrix(dtype=x.dtype, device=x.device)
            x = rotate(self.irreps_in, x, R)
        # all degrees have the same channels: [..., (lmax + 1)^2, channels]
        coefficients = x.unflatten(-1, (harmonics.shape[1], -1))
        signal = self.act(harmonics @ coefficients)  # [..., points, channels]
        out = (quadrature.mT @ signal).flatten(-2)
        return rotate(self.irreps_out, out, R.mT) if self.random_rot else out

    def __repr__(self) -> str:
        res = f"res=({self.to_s2.res_beta}, {self.to_s2.res_alpha})"
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, "
            f"{activation_name(self.act.act)}, {res})"
        )


def _signal_parities(irreps: Irreps) -> tuple[int, int]:
    """How values and argument of a signal with these coefficients change sign."""
    degrees = [ir.l for _, ir in irreps]
    if degrees != list(range(len(irreps))) or len({mul for mul, _ in irreps}) != 1:
        raise ValueError(
            "a signal on the sphere has the degrees 0, 1, 2, ... in that order and "
            f"equally many channels of each, '4x0e+4x1o+4x2e', got '{irreps}'"
        )
    p_val = irreps[0].ir.p
    for p_arg in (1, -1):
        if all(ir.p == p_val * p_arg**ir.l for _, ir in irreps):
            return p_val, p_arg
    raise ValueError(
        "degrees of a signal on the sphere have one parity, or alternating ones, got "
        f"'{irreps}'"
    )
