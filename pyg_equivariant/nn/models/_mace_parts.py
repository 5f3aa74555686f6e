"""What MACE is made of besides its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_equivariant.o3 import Irreps

from ..activation import SecondMomentActivation
from ..distance_transform import AgnesiTransform, SoftTransform
from ..mlp import RadialMLP
from ..nuclei import PairFunction
from ..radial import BesselBasis, GaussianBasis


class MACEReadout(torch.nn.Module):
    """From the scalars of all layers to the energy of an atom.

    Args:
        widths: the scalars of every layer.
        channels: hidden widths of the last layer's network.
        act: its activation.
        num_energies: how many energies follow the scalars, which are added.

    Example:
        >>> readout = MACEReadout([4, 4], (16,), SecondMomentActivation("silu"))
        >>> readout(torch.randn(5, 8)).shape
        torch.Size([5, 1])
    """

    def __init__(
        self,
        widths: Sequence[int],
        channels: Sequence[int],
        act: SecondMomentActivation,
        num_energies: int = 0,
    ) -> None:
        super().__init__()
        hidden = [()] * (len(widths) - 1) + [tuple(channels)]
        self.layers = ModuleList(
            RadialMLP([width, *between, 1], act)
            for width, between in zip(widths, hidden, strict=True)
        )
        self._sizes = [*widths, num_energies]

    def forward(self, x: Tensor) -> Tensor:
        """Energies ``(|V|, 1)``."""
        *scalars, energies = x.split(self._sizes, dim=-1)
        total = energies.sum(dim=-1, keepdim=True)
        for layer, part in zip(self.layers, scalars, strict=True):
            total = total + layer(part)
        return total


def radial_functions(
    name: str, num_radial: int, cutoff: float
) -> BesselBasis | GaussianBasis:
    """The radial functions of a name."""
    if name == "bessel":
        return BesselBasis(num_radial, cutoff, "mace")
    if name == "gaussian":
        return GaussianBasis(num_radial, cutoff)
    raise ValueError(f"radial_basis is 'bessel' or 'gaussian', got {name!r}")


def transform_of(name: str | None) -> PairFunction | None:
    """The transform of distances of a name, if any."""
    known = {"agnesi": AgnesiTransform, "soft": SoftTransform}
    if name is None:
        return None
    if name not in known:
        raise ValueError(
            f"distance_transform is 'agnesi', 'soft' or None, got {name!r}"
        )
    return known[name]()


def by_layer(given: Any, num_layers: int, name: str) -> list[Any]:
    """One value for each layer."""
    if not isinstance(given, Sequence):
        return [given] * num_layers
    if len(given) != num_layers:
        raise ValueError(f"got {name}={given} for {num_layers} layers")
    return list(given)


def message_irreps(hidden: Irreps, lmax: int, both: bool) -> Irreps:
    """Irreps of what arrives at an atom: of the harmonics, or of both parities."""
    mul = hidden[0].mul
    if both and hidden.count("0o"):
        return Irreps([(mul, (l, p)) for l in range(lmax + 1) for p in (-1, 1)])
    return Irreps([(mul, ir) for _, ir in Irreps.spherical_harmonics(lmax)])
