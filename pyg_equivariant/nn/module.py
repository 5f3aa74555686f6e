"""The base of modules on steerable features: exact constants and checked inputs."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import CONVENTION, Irreps, check_device, check_tensor


class EquivariantModule(torch.nn.Module):
    """A module whose constants stay exact, and whose checkpoints say their convention.

    Constants are kept in float64 and rounded once to the dtype of the module:
    ``module.float().double()`` has lost nothing, and ``module.to_empty()`` brings them
    back from the meta device. They are not part of the ``state_dict``; the number of
    the convention is (one integer, ``convention``), if the weights depend on it.
    """

    _constants: dict[str, Tensor]

    def __init__(self) -> None:
        super().__init__()
        self._constants = {}

    def reset_parameters(self) -> None:
        """Draw the parameters anew, where there are any."""

    def register_constant(
        self, name: str, value: Tensor, persistent: bool = False
    ) -> None:
        """Add a constant, seen as the buffer ``name`` in the dtype of the module.

        Args:
            name: of the buffer.
            value: what it holds, float64 or integer, on the CPU.
            persistent: whether it is part of the ``state_dict``.
        """
        self._constants[name] = value
        dtype = torch.get_default_dtype() if value.is_floating_point() else None
        buffer = value.to(device=torch.get_default_device(), dtype=dtype)
        self.register_buffer(name, buffer, persistent=persistent)

    def register_convention(self) -> None:
        """Let checkpoints carry the number of the convention, compared on loading."""
        value = torch.tensor(CONVENTION, device="cpu")
        self.register_constant("convention", value, persistent=True)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in self._constants.items():
            setattr(self, name, value.to(getattr(self, name)))
        return self

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        *args: Any,
    ) -> None:
        convention = state_dict.get(f"{prefix}convention")
        if "convention" in self._constants and convention is not None:
            _check_convention(int(convention), f"{prefix}convention")
        strict, _, _, error_msgs = args
        if strict and f"{prefix}output_mask" in state_dict:
            error_msgs.append(
                f"{prefix}output_mask is of e3nn: make this module of its weights by "
                "interop.linear_from_e3nn or interop.tensor_product_from_e3nn, which "
                "know what differs."
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        # Buffers outside the checkpoint would stay on the meta device.
        if local_metadata.get("assign_to_params_buffers", False):
            for name, value in self._constants.items():
                buffer = getattr(self, name)
                if buffer.is_meta:
                    setattr(self, name, value.to(buffer.dtype))


def _check_convention(convention: int, name: str) -> None:
    if convention != CONVENTION:
        raise ValueError(
            f"the checkpoint follows convention {convention} at {name}, this version "
            f"convention {CONVENTION}: its weights mean something else here; load it "
            "with the version that wrote it"
        )


def describe(module: object, first: str, named: str = "") -> str:
    """What a module prints: some of its attributes.

    Args:
        module: whose attributes and class are named.
        first: what stands first, with names of attributes in place of their values.
        named: those that follow by name, with spaces between them.

    Example:
        >>> describe(torch.nn.Linear(8, 3), "in_features -> out_features", "training")
        'Linear(8 -> 3, training=True)'
    """

    def value(match: re.Match[str]) -> str:
        return str(attrgetter(match[0])(module))

    parts = [re.sub(r"[\w.]+", value, first)] if first else []
    for name in named.split():
        parts.append(f"{name.rpartition('.')[2]}={attrgetter(name)(module)}")
    return f"{type(module).__name__}({', '.join(parts)})"


def check_features(
    x: Tensor, irreps: Irreps, name: str = "x", like: Tensor | None = None
) -> None:
    """Refuse what cannot be features of ``irreps``.

    Args:
        x: the tensor that came.
        irreps: what it should hold, on its last dimension.
        name: what the caller named it.
        like: a parameter or constant that ``x`` meets, whose dtype it must have unless
            autocast is on.

    Raises:
        TypeError: if ``x`` is no tensor or not floating-point, or its dtype is not that
            of ``like``.
        ValueError: if its last dimension is not ``irreps.dim``, or it is not where
            ``like`` is.

    Example:
        >>> check_features(torch.zeros(5, 3), Irreps("1x1o"))
        >>> check_features(torch.zeros(5, 4), Irreps("1x1o"))
        Traceback (most recent call last):
            ...
        ValueError: x holds features of 1x1o: expected 3 numbers on its last dimension, got a tensor of shape (5, 4)
    """  # noqa: E501
    check_tensor(x, name)
    if not x.is_floating_point():
        raise TypeError(
            f"{name} holds features of {irreps}: expected a floating-point tensor, got "
            f"{x.dtype}; convert it with .float()"
        )
    if x.dim() == 0 or x.shape[-1] != irreps.dim:
        raise ValueError(
            f"{name} holds features of {irreps}: expected {irreps.dim} numbers on its "
            f"last dimension, got a tensor of shape {tuple(x.shape)}"
            f"{_layout_hint(x, irreps)}"
        )
    if like is not None:
        check_dtype(x, like, name)


def _layout_hint(x: Tensor, irreps: Irreps) -> str:
    """What to do with a block whose copies or components are a dimension."""
    shapes = [(ir.dim, mul) for mul, ir in irreps if mul > 1 and ir.dim > 1]
    if len(irreps) == 1 and x.shape[-2:] in shapes:
        return "; flatten its last two dimensions"
    if len(irreps) == 1 and x.shape[-2:] in [shape[::-1] for shape in shapes]:
        return "; its copies come first, as in e3nn: write .mT.flatten(-2) behind it"
    return ""


def check_dtype(x: Tensor, like: Tensor, name: str = "x") -> None:
    """Refuse ``x`` if its dtype is not that of ``like``, unless autocast is on.

    Raises:
        TypeError: saying what came and how to convert it.
        ValueError: if it is on another device.
    """
    check_tensor(x, name)
    check_device(x, like, name, "the module")
    if x.dtype != like.dtype and not _autocasts(x.device.type):
        raise TypeError(
            f"{name} is {x.dtype}, the module {like.dtype}; convert one of them, "
            f"{name}.to({like.dtype}) or module.to({x.dtype}), or use torch.autocast"
        )


def _autocasts(device: str) -> bool:
    return device != "meta" and torch.is_autocast_enabled(device)


def warn_unreached(module: torch.nn.Module, unreached: Irreps) -> None:
    """Say at construction, to the caller's line, which output blocks will be zero."""
    if not len(unreached):
        return
    level, frame = 1, sys._getframe()
    package = __name__.partition(".")[0] + "."
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(package):
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"{type(module).__name__}: no path leads to {unreached} in irreps_out; "
        "these outputs are zero, or their bias alone",
        stacklevel=level,
    )
