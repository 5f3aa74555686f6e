"""Activations of scalars, and the constants that keep their second moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pyg_equivariant.o3._irreps import Irreps, IrrepsLike

from .module import EquivariantModule, check_features

Act = Callable[[Tensor], Tensor]

E3NN_CONSTANTS = {
    torch.nn.functional.silu: 1.6791767923989418,
    torch.sigmoid: 1.8467055342154763,
    torch.tanh: 1.5937334472592695,
    torch.relu: 1.4163393446331365,
}


class ShiftedSoftplus(torch.nn.Module):
    r"""SchNet's activation :math:`\ln(\tfrac12 e^x + \tfrac12)`, zero at zero."""

    def forward(self, x: Tensor) -> Tensor:
        """Activate."""
        return torch.nn.functional.softplus(x) - math.log(2)


def resolve_activation(act: str | Act) -> Act:
    """The activation of a name, or the function itself."""
    named: dict[str, Act] = {
        "silu": torch.nn.functional.silu,
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "ssp": ShiftedSoftplus(),
    }
    if callable(act):
        return act
    if act not in named:
        raise ValueError(f"activations are {', '.join(named)}, got {act!r}")
    return named[act]


@lru_cache(maxsize=None)
def second_moment_constant(act: Act) -> float:
    r"""The factor that gives :math:`\text{act}(z), z \sim \mathcal N(0,1)` unit second moment."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    edges = np.linspace(0, 12, 13)
    total = 0.0
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        for sign in (-1, 1):
            z = sign * ((b - a) / 2 * nodes + (a + b) / 2)
            y = act(torch.from_numpy(z)).double().numpy()
            density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            total += float((b - a) / 2 * (weights * y * y * density).sum())
    return 1 / math.sqrt(total)


class NormalizedActivation(torch.nn.Module):
    """An activation times its constant."""

    def __init__(self, act: str | Act, constant: float | None = None) -> None:
        super().__init__()
        self.act = resolve_activation(act)
        if constant is None:
            constant = second_moment_constant(self.act)
        self.constant = constant

    def forward(self, x: Tensor) -> Tensor:
        """Activate."""
        return self.act(x) * self.constant


class Activation(EquivariantModule):
    """Activations of blocks of scalars."""

    def __init__(
        self,
        irreps_in: IrrepsLike,
        acts: Sequence[Act | None],
        normalize: bool = True,
        e3nn_constants: bool = False,
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        self._sizes = [b.dim for b in self.irreps_in]
        self._acts = []
        out = []
        for (mul, ir), act in zip(self.irreps_in, acts, strict=True):
            p = ir.p
            constant = 1.0
            if act is not None:
                if normalize:
                    constant = (
                        E3NN_CONSTANTS[act]
                        if e3nn_constants
                        else second_moment_constant(act)
                    )
                if p == -1:
                    x = torch.linspace(0.1, 5, 50, dtype=torch.float64)
                    if torch.allclose(act(-x), act(x)):
                        p = 1
                    elif not torch.allclose(act(-x), -act(x)):
                        raise ValueError("no parity")
            self._acts.append((act, constant))
            out.append((mul, (ir.l, p)))
        self.irreps_out = Irreps(out)

    def forward(self, x: Tensor) -> Tensor:
        """Activate."""
        check_features(x, self.irreps_in)
        blocks = x.split(self._sizes, dim=-1)
        out = [
            b if act is None else act(b) * constant
            for b, (act, constant) in zip(blocks, self._acts, strict=True)
        ]
        return torch.cat(out, dim=-1) if out else x
