"""What a network knows of every atom in the end."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Features(NamedTuple):
    """Features of atoms, from which heads predict."""

    x: Tensor
    """scalars ``(|V|, F)``"""
    vec: Tensor | None
    """vectors ``(|V|, 3, C)``, if the network has any"""
    pos: Tensor
    """positions ``(|V|, 3)``, moved where the network moves them"""
    start: Tensor | None = None
    """positions ``(|V|, 3)`` before the network moved them, if it does"""

    @property
    def atoms(self) -> Tensor:
        """Where the atoms are ``(|V|, 3)``, wherever the network moves them."""
        return self.pos if self.start is None else self.start
