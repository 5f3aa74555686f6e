"""What the states of networks of the NequIP family say alike."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ._placement import Names, Placement

R = TypeVar("R", bound="TypesReader")


class TypesReader(ABC):
    """Base of the readers of networks whose atoms have types.

    Args:
        weights: the tensors.
        root: what stands before all names.
        species: atomic numbers, in the order of the types.

    Attributes:
        first: a name that tells the form.
        published: whether the form is that of the paper.
        frequencies: the name of the frequencies of the Bessel functions.
        like: a tensor of the dtype and on the device of the weights.
    """

    first = ""
    published = False
    frequencies = ""

    def __init__(self, weights: Placement, root: str, species: Sequence[int]) -> None:
        self.weights = weights
        self.root = root
        self.species = list(species)
        self.like = weights.tensors[f"{root}{self.first}"]

    @abstractmethod
    def names(self, model: Any) -> Names:
        """What is placed where."""

    def frequency(self) -> Tensor:
        """The frequencies of the Bessel functions, times the cutoff."""
        name = f"{self.root}{self.frequencies}"
        self.weights.shape(name, 1 if self.published else 2)
        found = self._taken(name)
        # The later buffers are multiples of pi, without it
        return found if self.published else found.flatten() * math.pi

    def units(self) -> tuple[Tensor | None, Tensor | None]:
        """One scale and one reference for each atomic number, if there are any."""
        stem = f"{self.root}per_type_energy_scale_shift."
        if not self.published:
            return self._table(f"{stem}scales"), self._table(f"{stem}shifts")
        stem = f"{self.root}per_species_rescale."
        return self._scaled(self._table(f"{stem}scales"), self._table(f"{stem}shifts"))

    def _taken(self, name: str) -> Tensor:
        """A tensor that is there."""
        found = self.weights.take(name)
        assert found is not None
        return found

    def _hidden(self, names: Sequence[str]) -> tuple[int, ...]:
        """The hidden widths of a network, given its matrices."""
        return tuple(self.weights.shape(name, 2)[1] for name in names[:-1])

    def _numbered(self, stem: str) -> list[str]:
        """All ``stem{n}.weight``, by number."""
        pattern = re.compile(re.escape(stem) + r"(\d+)\.weight")
        found = {}
        for name in self.weights.tensors:
            if match := pattern.fullmatch(name):
                found[int(match[1])] = name
        if not found:
            self.weights.shape(f"{stem}0.weight", 2)
        return [found[n] for n in sorted(found)]

    def _table(self, name: str) -> Tensor | None:
        """What there is for each type, by atomic number."""
        if name not in self.weights or not self.weights.tensors[name].numel():
            return None  # the authors' code keeps an empty one for none
        values = self._taken(name).double().flatten()
        if len(values) not in (1, len(self.species)):
            raise ValueError(
                f"{name} holds numbers of {len(values)} types, got "
                f"{len(self.species)} species {self.species}"
            )
        table = values.new_zeros(max(self.species) + 1)
        table[self.species] = values
        return table

    def _check_species(self, count: float) -> None:
        if count != len(self.species):
            raise ValueError(
                f"the state_dict of {self.weights.source} knows {count:g} types, got "
                f"{len(self.species)} species {self.species}; give the atomic numbers "
                "of its type_names, in their order"
            )

    def _compare_cutoff(self, name: str, r_max: float) -> None:
        """Refuse another cutoff than that of the weights, if they tell its inverse."""
        if name not in self.weights:
            return
        reciprocal = self._taken(name)
        if reciprocal.numel() != 1:
            raise ValueError(
                f"{name} holds cutoffs of {reciprocal.numel()} pairs of types, which "
                "are not known here; expected one"
            )
        found = 1 / float(reciprocal)
        is_same = math.isclose(found, r_max, rel_tol=1e-6)
        self.weights.agree(r_max=(r_max, r_max if is_same else float(f"{found:.6g}")))

    def _scaled(
        self, scale: Tensor | None, shift: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Both times the one scale of all, if there is one."""
        for name in self.weights.tensors:
            if name.rpartition(".")[2] == "scale_by":
                factor = self._taken(name)
                ones = torch.ones(max(self.species) + 1, dtype=torch.float64)
                scale = (ones if scale is None else scale) * factor.double()
                shift = None if shift is None else shift * factor.double()
        return scale, shift


def find_form(
    weights: Placement, kinds: Sequence[type[R]], constants: re.Pattern[str], *rest: Any
) -> R:
    """The reader of the form that the names are of.

    Args:
        weights: the tensors, of which those that carry nothing are passed over.
        kinds: the readers of all forms.
        constants: names of what carries nothing, besides empty tensors.
        rest: what else readers take.
    """
    empty = (name for name, value in weights.tensors.items() if not value.numel())
    weights.ignore([*filter(constants.fullmatch, weights.tensors), *empty])
    for kind in kinds:
        for name in weights.tensors:
            if name.endswith(kind.first):
                return kind(weights, name.removesuffix(kind.first), *rest)
    weights.shape(kinds[0].first, 2)  # which is missing, and is said to be
    raise AssertionError
