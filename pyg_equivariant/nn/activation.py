"""Activations of scalars, even and odd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_equivariant.kernels import shifted_softplus, silu
from pyg_equivariant.o3 import Irrep, Irreps, IrrepsLike, check_real

from .module import EquivariantModule, check_features
from .second_moment import e3nn_constant, second_moment_constant

ActivationLike: TypeAlias = str | Callable[[Tensor], Tensor]


class ShiftedSoftplus(torch.nn.Module):
    r"""SchNet's activation :math:`\ln(\tfrac12 e^x + \tfrac12)`, which is 0 at 0.

    Example:
        >>> ShiftedSoftplus()(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6201])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Activate ``x``."""
        return shifted_softplus(x)


_NAMED: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": silu,
    "ssp": shifted_softplus,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "gelu": F.gelu,
    "elu": F.elu,
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "abs": torch.abs,
}


def resolve_activation(act: ActivationLike) -> Callable[[Tensor], Tensor]:
    """The activation of a name; a function or module is returned as it is.

    Raises:
        ValueError: if there is none of that name.

    Example:
        >>> resolve_activation("tanh")(torch.zeros(1))
        tensor([0.])
    """
    if callable(act):
        return act
    if act not in _NAMED:
        raise ValueError(
            f"got act={act!r}, expected a function or one of "
            f"{', '.join(map(repr, _NAMED))}"
        )
    return _NAMED[act]


def activation_name(act: Callable[[Tensor], Tensor]) -> str:
    """How an activation is written in a ``repr``."""
    return getattr(act, "__name__", None) or repr(act)


class SecondMomentActivation(torch.nn.Module):
    r"""An activation times a constant: :math:`x \mapsto c\, \phi(x)`.

    Args:
        act: the function :math:`\phi`, or its name.
        constant: the number :math:`c` (default: ``second_moment_constant``);
            ``"e3nn"`` for the Monte-Carlo estimate that e3nn uses, with weights that
            were trained there.

    Raises:
        ValueError: if the activation is unknown by name, has no second moment, or no
            constant in e3nn.

    Example:
        >>> SecondMomentActivation("silu")
        SecondMomentActivation(silu, constant=1.67653)
    """

    def __init__(
        self, act: ActivationLike, constant: float | Literal["e3nn"] | None = None
    ) -> None:
        super().__init__()
        self.act = resolve_activation(act)
        if constant is None:
            constant = second_moment_constant(self.act)
        elif constant == "e3nn":
            constant = e3nn_constant(self.act)
        self.constant = float(constant)

    def forward(self, x: Tensor) -> Tensor:
        """Activate ``x``."""
        check_real(x, "x")
        y: Tensor = self.act(x)
        return y if self.constant == 1.0 else y * self.constant

    def __repr__(self) -> str:
        name = activation_name(self.act)
        return f"{type(self).__name__}({name}, constant={self.constant:.6g})"


class Activation(EquivariantModule):
    r"""An activation for every block of scalars; other blocks pass unchanged.

    Even scalars (0e) stay even under every function. Odd ones (0o), which change sign
    on reflection, stay odd under an odd function and become even under an even one; any
    other function would break the symmetry.

    Args:
        irreps_in: irreps of the features.
        acts: for every block a function, its name, a :class:`SecondMomentActivation`
            (used as it is) or ``None`` (the block passes unchanged).
        normalize: multiply by the ``second_moment_constant`` (default: ``True``).
        e3nn_constants: with e3nn's estimates of these constants (default: ``False``).

    Attributes:
        irreps_out: ``irreps_in`` with the parities after the activations.

    Shapes:
        - **input:** features :math:`(*, \text{irreps\_in.dim})`
        - **output:** features :math:`(*, \text{irreps\_out.dim})`

    Raises:
        ValueError: if there is not one activation for each block, one stands at a block
            with l > 0, or one without parity at odd scalars.

    Example:
        >>> Activation("8x0e+4x0o+2x1o", ["silu", "abs", None])
        Activation(8x0e+4x0o+2x1o -> 8x0e+4x0e+2x1o, [silu, abs, None])
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        acts: Sequence[ActivationLike | None],
        normalize: bool = True,
        e3nn_constants: bool = False,
    ) -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps_in)
        if isinstance(acts, str) or len(acts) != len(self.irreps_in):
            raise ValueError(
                f"expected one activation or None for each of the {len(self.irreps_in)}"
                f" blocks of {self.irreps_in}, got {acts!r}"
            )
        constant: float | Literal["e3nn"] | None = "e3nn" if e3nn_constants else None
        if not normalize:
            constant = 1.0
        modules: list[torch.nn.Module] = []
        out = []
        for (mul, ir), act in zip(self.irreps_in, acts, strict=True):
            if act is None:
                modules.append(torch.nn.Identity())
                out.append((mul, ir))
                continue
            if ir.l > 0:
                raise ValueError(
                    f"got the activation {act!r} for {mul}x{ir}: a function of single "
                    "components is equivariant on scalars only; give None, or use a "
                    "gate or NormActivation"
                )
            if not isinstance(act, SecondMomentActivation):
                act = SecondMomentActivation(act, constant)
            modules.append(act)
            out.append((mul, Irrep(0, 1 if ir.p == 1 else activation_parity(act))))
        self.acts = torch.nn.ModuleList(modules)
        self.irreps_out = Irreps(out)
        self._sizes = [block.dim for block in self.irreps_in]

    def forward(self, x: Tensor) -> Tensor:
        """Activate features of ``irreps_in``."""
        check_features(x, self.irreps_in)
        blocks = x.split(self._sizes, dim=-1)
        out = [act(block) for block, act in zip(blocks, self.acts, strict=True)]
        return torch.cat(out, dim=-1) if out else x

    def __repr__(self) -> str:
        names = ", ".join(
            activation_name(act.act)
            if isinstance(act, SecondMomentActivation)
            else "None"
            for act in self.acts
        )
        return (
            f"{type(self).__name__}({self.irreps_in} -> {self.irreps_out}, [{names}])"
        )


def activation_parity(act: SecondMomentActivation) -> int:
    """1 for an even function, -1 for an odd one, found by trying.

    Raises:
        ValueError: if it is neither.
    """
    x = torch.linspace(0, 10, 257, dtype=torch.float64, device="cpu")
    with torch.no_grad():
        plus, minus = act(x), act(-x)
    tolerance = 1e-9 * plus.abs().max()
    for p in (1, -1):
        if (plus - p * minus).abs().max() <= tolerance:
            return p
    raise ValueError(
        f"the function {activation_name(act.act)} is neither even nor odd, so of odd "
        "scalars (0o) it gives nothing that is even or odd; take 'tanh' or 'abs'"
    )
