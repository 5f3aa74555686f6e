"""Moving the tensors of a reference to their places, so that none is left over.

A converter reads the sizes of its model from the shapes, builds the model, and fills it
by a table of names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import Module

from pyg_equivariant.nn.module import EquivariantModule
from pyg_equivariant.o3 import TensorProductPaths

from ._weights import regroup_weights

M = TypeVar("M", bound=Module)
Change = Callable[..., Tensor]
Names = Mapping[str, str | tuple[str, Change]]
"""Layers or parameters of ours, and what the reference calls them. ``{}`` is a number,
the same on both sides: ``{"convs.{}.lin": "layers.{}.linear"}``. With a name may come
what makes ours of its tensors, given the numbers too."""


def build(like: Tensor, make: Callable[..., M], *args: Any, **options: Any) -> M:
    """A module for evaluation, with the dtype and device of ``like``.

    The initial weights, about to be replaced, leave the global random state alone.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        module = make(*args, **options)
    return module.to(like.device, like.dtype).eval()


def replace_constants(module: object, values: Mapping[str, Tensor]) -> None:
    """Let constants of a module be those of the reference, without rounding."""
    assert isinstance(module, EquivariantModule)
    for name, value in values.items():
        like = module.get_buffer(name)
        module.register_constant(name, value)
        setattr(module, name, value.to(like))


def within(own: str, theirs: str, names: Mapping[str, str]) -> dict[str, str]:
    """The table of a part that stands at ``own`` here and at ``theirs`` there."""
    return {own + a: theirs + b for a, b in names.items()}


def regrouped(source: TensorProductPaths, target: TensorProductPaths) -> Change:
    """What makes weights of ``target`` of flat weights that belong to ``source``."""

    def change(weight: Tensor) -> Tensor:
        fits = weight.shape == (source.weight_numel,)
        return regroup_weights(weight, source, target) if fits else weight

    return change


class Placement:
    """The tensors of a ``state_dict`` on their way into a model.

    Every name is taken once, or ignored on purpose; :meth:`finish` reports all names
    that are left, all that were looked for in vain, all tensors of another shape, and
    all parameters of the model that got nothing.

    Args:
        state_dict: names and tensors of the reference. It stays as it is.
        source: what the reference is called in messages.

    Raises:
        TypeError: if a value is no tensor.
    """

    def __init__(self, state_dict: Mapping[str, Tensor], source: str) -> None:
        self.source = source
        self.tensors = {}
        for name, value in state_dict.items():
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"a state_dict maps names to tensors, but {name!r} is "
                    f"{type(value).__name__}; pass module.state_dict()"
                )
            self.tensors[name] = value.detach()
        self._left = dict.fromkeys(self.tensors)
        self._missing: list[str] = []
        self._misfits: list[str] = []
        self._filled: set[int] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def shape(self, name: str, dim: int) -> tuple[int, ...]:
        """The shape of a tensor of ``dim`` dimensions, from which sizes are inferred.

        Raises:
            ValueError: if it is missing, or has another number of dimensions.
        """
        if name not in self.tensors:
            raise ValueError(
                f"{name!r} is missing: this is no state_dict of "
                f"{self.source}, which holds {_listing(self.tensors, 8)}"
            )
        shape = tuple(self.tensors[name].shape)
        if len(shape) != dim:
            raise ValueError(
                f"{name!r} of {self.source} has {dim} dimensions, got shape {shape}"
            )
        return shape

    def count(self, stem: str) -> int:
        """How many of ``stem0.*``, ``stem1.*``, ... there are, without a gap."""
        indices = {
            name.removeprefix(stem).partition(".")[0]
            for name in self.tensors
            if name.startswith(stem)
        }
        k = 0
        while str(k) in indices:
            k += 1
        return k

    def take(self, name: str) -> Tensor | None:
        """A tensor by name; ``None`` if it is missing, which is noted."""
        if name not in self.tensors:
            self._missing.append(name)
            return None
        self._left.pop(name, None)
        return self.tensors[name]

    def ignore(self, names: Iterable[str]) -> None:
        """Names that carry nothing to place; they need not be there."""
        for name in names:
            self._left.pop(name, None)

    def ignore_copies(self, part: str, original: str) -> None:
        """Names with ``part``, of tensors that the reference lists as ``original``."""
        for name in [name for name in self._left if part in name]:
            twin = self.tensors.get(name.replace(part, original))
            if twin is not None and torch.equal(self.tensors[name], twin):
                self.ignore([name])

    def fill(self, parameter: Tensor, value: Tensor | None, name: str) -> None:
        """Copy a tensor, which came from ``name``, into a parameter."""
        self._filled.add(id(parameter))
        if value is None:
            return
        if value.shape != parameter.shape:
            self._misfits.append(
                f"{name}: shape {tuple(value.shape)}, expected {tuple(parameter.shape)}"
            )
            return
        with torch.no_grad():
            parameter.copy_(value)

    def place(
        self, name: str, part: Tensor | Module, change: Change | None = None
    ) -> None:
        """Copy ``name``, changed, into a parameter, or ``name.*`` into a layer's."""
        if isinstance(part, Tensor):
            value = self.take(name)
            changed = value if change is None or value is None else change(value)
            self.fill(part, changed, name)
            return
        for own, parameter in part.named_parameters(recurse=False):
            self.place(f"{name}.{own}", parameter, change)

    def _by_table(self, model: Module, names: Names) -> None:
        """Fill all of a model that a table names; what the model lacks is left out."""
        parts: dict[str, Tensor | Module] = dict(model.named_modules())
        parts |= dict(model.named_parameters()) | dict(model.named_buffers())
        for pattern, theirs in names.items():
            name, change = (theirs, None) if isinstance(theirs, str) else theirs
            regular = re.compile(re.escape(pattern).replace(r"\{\}", r"(\d+)"))
            for own, part in parts.items():
                if match := regular.fullmatch(own):
                    numbers = [int(n) for n in match.groups()]
                    of_numbers = change and partial(change, *numbers)
                    self.place(name.format(*numbers), part, of_numbers)

    def agree(self, **sizes: tuple[object, object]) -> None:
        """Compare hyper-parameters that were given with what the tensors tell.

        Raises:
            ValueError: naming what was given and what was found; ``None`` agrees.
        """
        for name, (given, found) in sizes.items():
            if given is not None and given != found:
                raise ValueError(
                    f"got {name}={given}, but the state_dict of {self.source} has "
                    f"{name}={found}; leave it out, or pass the one it was trained with"
                )

    def finish(self, model: M, names: Names) -> M:
        """The model, filled by a table, if nothing is left then on either side.

        Raises:
            ValueError: listing all that could not be placed.
        """
        self._by_table(model, names)
        unset = [
            name
            for name, parameter in model.named_parameters()
            if id(parameter) not in self._filled
        ]
        faults = {
            "names without a place": self._left,
            "names that are missing": self._missing,
            "tensors of another shape": self._misfits,
            "parameters that would stay unset": unset,
        }
        found = [
            f"{what}: {', '.join(which)}" for what, which in faults.items() if which
        ]
        if found:
            raise ValueError(
                f"the state_dict does not fit {self.source} as "
                f"{type(model).__name__}; {'; '.join(found)}"
            )
        return model


def _listing(names: Iterable[str], most: int) -> str:
    names = list(names)
    shown = ", ".join(names[:most]) or "nothing"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
