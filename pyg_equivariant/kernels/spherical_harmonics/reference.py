"""The spherical harmonics of rows in plain torch, and the text that names them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from pyg_equivariant.o3 import harmonics_reference


class Form(NamedTuple):
    """Which harmonics.

    Attributes:
        degrees: ascending, each once.
        normalize: as in :func:`pyg_equivariant.o3.spherical_harmonics_reference`.
        normalization: as there.

    Example:
        >>> form = Form((0, 1, 2), True, "norm")
        >>> Form.parse(form.text()) == form
        True
    """

    degrees: tuple[int, ...]
    normalize: bool
    normalization: str

    @property
    def dim(self) -> int:
        """The number of harmonics of one vector."""
        return _dim(self.degrees)

    def text(self) -> str:
        """The form in one line: what a saved graph holds."""
        name = "normalized" if self.normalize else "polynomials"
        return " ".join([self.normalization, name, *map(str, self.degrees)])

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Form:
        """The inverse of :meth:`text`."""
        normalization, name, *degrees = text.split()
        return Form(tuple(map(int, degrees)), name == "normalized", normalization)


@lru_cache(maxsize=256)
def _dim(degrees: tuple[int, ...]) -> int:
    return sum(2 * l + 1 for l in degrees)


def value(x: Tensor, shift: None, form: Form) -> Tensor:
    """The harmonics of vectors, ``(N, dim)``."""
    degrees, normalize, normalization = form
    blocks = tuple((1, l) for l in degrees)
    return harmonics_reference(x, blocks, normalize, normalization)
