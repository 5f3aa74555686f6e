"""Radial bases: a length as a vector of smooth functions of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_equivariant.o3 import widen

from .cutoff import positive_radius
from .module import EquivariantModule, check_dtype, describe


class RadialBasis(EquivariantModule):
    """Base of the bases: functions of constants, which may be trained.

    Args:
        num_radial: number of functions.
        cutoff: the radius within which they are used.
        trainable: make the constants parameters.
    """

    def __init__(self, num_radial: int, cutoff: float, trainable: bool) -> None:
        super().__init__()
        if isinstance(num_radial, bool) or not isinstance(num_radial, int):
            raise TypeError(f"num_radial is an int, got {num_radial!r}")
        if num_radial < 1:
            raise ValueError(
                f"got num_radial={num_radial}, expected at least one function"
            )
        self.num_radial = num_radial
        self.cutoff = positive_radius(cutoff)
        self.trainable = trainable
        self._initial: dict[str, Tensor] = {}

    def _start_from(self, **initial: Tensor) -> None:
        """Register the constants, which begin with these values."""
        self._initial = initial
        for name, value in initial.items():
            if self.trainable:
                self.register_parameter(name, Parameter(torch.empty(len(value))))
            else:
                self.register_constant(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Bring trained constants back to where they started."""
        if self.trainable:
            with torch.no_grad():
                for name, value in self._initial.items():
                    self.get_parameter(name).copy_(value)


class GaussianBasis(RadialBasis):
    r"""Gaussians at equal distances, as in SchNet.

    From `"SchNet: A continuous-filter convolutional neural network for modeling quantum
    interactions" <https://arxiv.org/abs/1706.08566>`_:

    .. math::
        e_k(r) = \exp\!\left(-\frac{(r - \mu_k)^2}{2 \delta_k^2}\right),
        \qquad \mu_1 = r_0, \;\dots,\; \mu_K = r_c.

    Args:
        num_radial: the number :math:`K` of functions.
        cutoff: the last center :math:`r_c`.
        start: the first center :math:`r_0` (default: 0).
        width: the width :math:`\delta` of all (default: the distance between two
            centers). A factor :math:`\exp(-\gamma (r - \mu)^2)` has width
            :math:`(2\gamma)^{-1/2}`.
        trainable: make centers and widths parameters (default: ``False``).

    Attributes:
        center: the :math:`\mu_k`.
        width: the :math:`\delta_k`.

    Shapes:
        - **input:** lengths :math:`(|\mathcal{E}|)`, or of any shape
        - **output:** features :math:`(|\mathcal{E}|, K)`

    Raises:
        TypeError: if the lengths are not of the module's dtype.
        ValueError: if a size is not positive, or ``start`` not below ``cutoff``.

    Example:
        >>> GaussianBasis(3, 2.0)(torch.tensor([0.0, 1.0]))
        tensor([[1.0000, 0.6065, 0.1353],
                [0.6065, 1.0000, 0.6065]])
    """

    center: Tensor
    width: Tensor

    def __init__(
        self,
        num_radial: int,
        cutoff: float,
        start: float = 0.0,
        width: float | None = None,
        trainable: bool = False,
    ) -> None:
        super().__init__(num_radial, cutoff, trainable)
        if not start < cutoff:
            raise ValueError(f"got start={start}, expected less than cutoff={cutoff}")
        if width is None:
            if num_radial == 1:
                raise ValueError("a single Gaussian has no spacing: give its width")
            width = (cutoff - start) / (num_radial - 1)
        if not width > 0:
            raise ValueError(f"got width={width}, expected a positive length")
        self.start = float(start)
        center = torch.linspace(
            start, cutoff, num_radial, dtype=torch.float64, device="cpu"
        )
        self._start_from(center=center, width=torch.full_like(center, width))

    def forward(self, edge_length: Tensor) -> Tensor:
        """The basis functions at every length."""
        check_dtype(edge_length, self.center, "edge_length")
        scaled = (widen(edge_length).unsqueeze(-1) - self.center) / self.width
        # Where its result is below all normal numbers, exp takes many times as long.
        lowest = 0.9 * math.log(torch.finfo(scaled.dtype).tiny)
        basis = torch.exp((-0.5 * scaled.square()).clamp_min(lowest))
        return basis.to(edge_length.dtype)

    def __repr__(self) -> str:
        return describe(self, "num_radial", "cutoff start trainable")


class BesselBasis(RadialBasis):
    r"""Spherical Bessel functions of degree 0, as in DimeNet, NequIP, MACE and PaiNN.

    From `"Directional Message Passing for Molecular Graphs"
    <https://arxiv.org/abs/2003.03123>`_:

    .. math::
        e_n(r) = c\, \frac{\sin(\omega_n r / r_c)}{r}, \qquad \omega_n = n \pi,
        \qquad e_n(0) = \frac{c\, \omega_n}{r_c}.

    All derivatives are those of the limit at zero, too. Codes differ in :math:`c`, and
    weights travel between them only with the right one:

    - ``"mace"``: :math:`\sqrt{2 / r_c}`, which makes the functions orthonormal in the
      ball of radius :math:`r_c` (MACE, e3nn)
    - ``"nequip"``: :math:`2 / r_c` (NequIP, Allegro)
    - ``"schnetpack"``: 1 (PaiNN in SchNetPack)
    - ``"dimenet"``: :math:`r_c`; times :class:`PolynomialCutoff` this is the basis of
      DimeNet, whose envelope holds the :math:`r_c / r`

    Args:
        num_radial: the number of functions.
        cutoff: the radius :math:`r_c`.
        prefactor: :math:`c`, by a name above or as a number (default: ``"mace"``).
        trainable: make the :math:`\omega_n` parameters (default: ``False``).

    Attributes:
        frequency: the :math:`\omega_n`.
        prefactor: :math:`c`, a number.

    Shapes:
        - **input:** lengths :math:`(|\mathcal{E}|)`, or of any shape
        - **output:** features :math:`(|\mathcal{E}|, \text{num\_radial})`

    Raises:
        TypeError: if the lengths are not of the module's dtype.
        ValueError: if a size is not positive or the name of the prefactor unknown.

    Example:
        >>> BesselBasis(2, 2.0)(torch.tensor([0.0, 1.0, 2.0])).round(decimals=4).abs()
        tensor([[1.5708, 3.1416],
                [1.0000, 0.0000],
                [0.0000, 0.0000]])
    """

    frequency: Tensor

    def __init__(
        self,
        num_radial: int,
        cutoff: float,
        prefactor: float | str = "mace",
        trainable: bool = False,
    ) -> None:
        super().__init__(num_radial, cutoff, trainable)
        self.prefactor = _prefactor(prefactor, self.cutoff)
        n = torch.arange(1, num_radial + 1, dtype=torch.float64, device="cpu")
        self._start_from(frequency=n * math.pi)

    def forward(self, edge_length: Tensor) -> Tensor:
        """The basis functions at every length."""
        check_dtype(edge_length, self.frequency, "edge_length")
        frequency = self._exact_frequency()
        phase = edge_length.unsqueeze(-1) * (frequency / self.cutoff)
        basis = sinc(phase) * (frequency * (self.prefactor / self.cutoff))
        return basis.to(edge_length.dtype)

    def _exact_frequency(self) -> Tensor:
        """In half precision multiples of pi would not end in zeros at the cutoff."""
        wide = widen(self.frequency)
        if self.trainable or wide.dtype == self.frequency.dtype:
            return wide
        return (
            torch.arange(1, self.num_radial + 1, device=wide.device).to(wide) * math.pi
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.num_radial}, cutoff={self.cutoff}, "
            f"prefactor={self.prefactor:.6g}, trainable={self.trainable})"
        )


def sinc(x: Tensor) -> Tensor:
    """``sin(x) / x`` with exact digits in value, first and second derivative.

    Near zero, where the derivatives of the quotient cancel (and those of
    :func:`torch.sinc` are wrong), the power series stands in. It ends with ``x^8``; at
    the border its error in the second derivative, like ``x^8``, meets the rounding of
    the quotient, like ``1 / x^2``.
    """
    near = x.abs() < (4e5 * torch.finfo(x.dtype).eps) ** 0.1
    y = x * x
    one = y.new_ones(())
    series = torch.add(one, y, alpha=-1 / 72)
    for divisor in (42, 20, 6):
        series = torch.addcmul(one, y, series, value=-1 / divisor)
    far = torch.where(near, 1.0, x)
    return torch.where(near, series, torch.sin(far) / far)


def _prefactor(prefactor: float | str, cutoff: float) -> float:
    if not isinstance(prefactor, str):
        return float(prefactor)
    named = {
        "mace": math.sqrt(2 / cutoff),
        "nequip": 2 / cutoff,
        "schnetpack": 1.0,
        "dimenet": cutoff,
    }
    if prefactor not in named:
        raise ValueError(
            f"got prefactor={prefactor!r}, expected a number or one of "
            f"{', '.join(map(repr, named))}"
        )
    return named[prefactor]
