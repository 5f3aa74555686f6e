"""Moving the tensors of a reference to their places, so that none is left over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import Linear, Module

from pyg_equivariant import o3
from pyg_equivariant.nn.mlp import MLP

from ._weights import regroup_weights

M = TypeVar("M", bound=Module)


def build(make: Callable[[], M], like: Tensor) -> M:
    """A module for evaluation, with the dtype and device of ``like``.

    The initial weights, about to be replaced, leave the global random state alone.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        module = make()
    return module.to(like.device, like.dtype).eval()


class Placement:
    """The tensors of a ``state_dict`` on their way into a model.

    Every name is taken once, or ignored on purpose; :meth:`finish` reports all names
    that are left, all that were looked for in vain, all tensors of another shape, and
    all parameters of the model that got nothing.

    Args:
        state_dict: names and tensors of the reference. It stays as it is.
        source: what the reference is called in messages.
        prefix: read the names that begin like this, without it.

    Raises:
        TypeError: if a value is no tensor.
    """

    def __init__(
        self, state_dict: Mapping[str, Tensor], source: str, prefix: str = ""
    ) -> None:
        self.source = source
        self.prefix = prefix
        self.tensors = {}
        for name, value in state_dict.items():
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"a state_dict maps names to tensors, but {name!r} is "
                    f"{type(value).__name__}; pass module.state_dict()"
                )
            if name.startswith(prefix):
                self.tensors[name.removeprefix(prefix)] = value.detach()
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
                f"{self.prefix + name!r} is missing: this is no state_dict of "
                f"{self.source}, which holds {_listing(self.tensors, 8)}"
            )
        shape = tuple(self.tensors[name].shape)
        if len(shape) != dim:
            raise ValueError(
                f"{self.prefix + name!r} of {self.source} has {dim} dimensions, got "
                f"shape {shape}"
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

    def ignore_copy(self, name: str, original: str) -> None:
        """A name under which the reference lists a shared tensor a second time."""
        both = name in self.tensors and original in self.tensors
        if both and torch.equal(self.tensors[name], self.tensors[original]):
            self._left.pop(name, None)

    def fill(self, parameter: Tensor, value: Tensor | None, name: str) -> None:
        """Copy a tensor, which came from ``name``, into a parameter."""
        self._filled.add(id(parameter))
        if value is None:
            return
        if value.shape != parameter.shape:
            self._misfits.append(
                f"{self.prefix + name}: shape {tuple(value.shape)}, expected "
                f"{tuple(parameter.shape)}"
            )
            return
        with torch.no_grad():
            parameter.copy_(value)

    def place(self, name: str, parameter: Tensor) -> None:
        """Copy the tensor ``name`` into a parameter."""
        self.fill(parameter, self.take(name), name)

    def regrouped(
        self,
        name: str,
        parameter: Tensor,
        source: o3.TensorProductPaths,
        target: o3.TensorProductPaths,
    ) -> None:
        """Copy flat weights, which belong to ``source``, into those of ``target``."""
        value = self.take(name)
        if value is None or value.shape != (source.weight_numel,):
            self.fill(parameter, value, name)  # which says what is wrong
        else:
            self.fill(parameter, regroup_weights(value, source, target), name)

    def linear(self, name: str, module: Linear) -> None:
        """Copy ``name.weight``, and ``name.bias`` if the module has one."""
        self.place(f"{name}.weight", module.weight)
        if module.bias is not None:
            self.place(f"{name}.bias", module.bias)

    def mlp(self, names: Iterable[str], module: MLP) -> None:
        """Copy the linear layers of these names into those of a perceptron."""
        for name, linear in zip(names, module.linears, strict=True):
            assert isinstance(linear, Linear)
            self.linear(name, linear)

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

    def finish(self, model: Module) -> None:
        """Check that nothing is left, on either side.

        Raises:
            ValueError: listing all that could not be placed.
        """
        unset = [
            name
            for name, parameter in model.named_parameters()
            if id(parameter) not in self._filled
        ]
        faults = {
            "names without a place": [self.prefix + name for name in self._left],
            "names that are missing": [self.prefix + name for name in self._missing],
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


def _listing(names: Iterable[str], most: int) -> str:
    names = list(names)
    shown = ", ".join(names[:most]) or "nothing"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
