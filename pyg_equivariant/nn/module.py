"""The base of modules on steerable features: exact constants and checked inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3._convention import CONVENTION
from pyg_equivariant.o3._irreps import Irreps


class EquivariantModule(torch.nn.Module):
    """A module whose constants stay exact, and whose checkpoints say their convention.

    Constants are kept in float64 and rounded once to the dtype of the module:
    ``module.float().double()`` has lost nothing. They are not part of the
    ``state_dict``; the number of the convention is (one integer, ``convention``), if
    the weights depend on it.
    """

    _constants: dict[str, Tensor]

    def __init__(self) -> None:
        super().__init__()
        self._constants = {}

    def register_constant(self, name: str, value: Tensor) -> None:
        """Add a float64 constant, seen as the buffer ``name`` in the module's dtype."""
        self._constants[name] = value
        buffer = value.to(torch.get_default_dtype())
        self.register_buffer(name, buffer, persistent=False)

    def register_convention(self) -> None:
        """Let checkpoints carry the number of the convention, compared on loading."""
        self.register_buffer("convention", torch.tensor(CONVENTION))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in self._constants.items():
            setattr(self, name, value.to(getattr(self, name)))
        return self

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        found = state_dict.get(f"{prefix}convention")
        if "convention" not in self._buffers:
            found = None
        if found is not None and int(found) != CONVENTION:
            raise ValueError(
                f"the checkpoint follows convention {int(found)} at "
                f"{prefix}convention, this version convention {CONVENTION}: its "
                "weights mean something else here; load it with the version that "
                "wrote it"
            )
        super()._load_from_state_dict(state_dict, prefix, *args)


def check_features(x: Tensor, irreps: Irreps, name: str = "x") -> None:
    """Refuse what cannot be features of ``irreps``.

    Args:
        x: the tensor that came.
        irreps: what it should hold, on its last dimension.
        name: what the caller named it.

    Raises:
        TypeError: if ``x`` is not floating-point.
        ValueError: if its last dimension is not ``irreps.dim``.

    Example:
        >>> check_features(torch.zeros(5, 3), Irreps("1x1o"))
        >>> check_features(torch.zeros(5, 4), Irreps("1x1o"))
        Traceback (most recent call last):
            ...
        ValueError: x holds features of 1x1o: expected 3 numbers on its last dimension, got a tensor of shape (5, 4)
    """  # noqa: E501
    if not x.is_floating_point():
        raise TypeError(
            f"{name} holds features of {irreps}: expected a floating-point tensor, got "
            f"{x.dtype}; convert it with .float()"
        )
    if x.dim() == 0 or x.shape[-1] != irreps.dim:
        raise ValueError(
            f"{name} holds features of {irreps}: expected {irreps.dim} numbers on its "
            f"last dimension, got a tensor of shape {tuple(x.shape)}"
        )
