"""Networks that know how they were built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch_geometric.nn.inits import reset

from .card import Card

_Model = TypeVar("_Model", bound="DescribedModel")


class DescribedModel(torch.nn.Module):
    """A network that keeps the arguments it was built with, and a card.

    A file can then tell how to build it again, see :func:`save_model`.

    Attributes:
        arguments: what it was built with, defaults included.
        card: units and species, if it was trained or loaded with such.

    Example:
        >>> class Network(DescribedModel):
        ...     def __init__(self, width, depth=2):
        ...         super().__init__()
        >>> Network(8).arguments
        {'width': 8, 'depth': 2}
    """

    arguments: dict[str, Any]
    card: Card | None

    def __new__(cls: type[_Model], *args: Any, **kwargs: Any) -> _Model:
        """Keep the arguments."""
        self = super().__new__(cls)
        self.arguments = _arguments(cls, args, kwargs)
        self.card = None
        return self

    def reset_parameters(self) -> None:
        """Draw all parameters anew; units of the prediction stay."""
        for module in self.children():
            reset(module)


def _arguments(
    cls: type[DescribedModel], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """What a constructor is called with; nothing if it cannot be called so."""
    try:
        bound = inspect.signature(cls.__init__).bind(None, *args, **kwargs)
    except TypeError:  # of which __init__ tells the caller
        return {}
    bound.apply_defaults()
    given = list(bound.arguments.items())[1:]
    return {name: _kept(value) for name, value in given}


def _kept(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
