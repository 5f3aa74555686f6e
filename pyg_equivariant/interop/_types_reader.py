"""What the states of networks of the NequIP family say alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from ._placement import Placement


class TypesReader:
    """Base of the readers of networks whose atoms have types.

    Args:
        weights: the tensors.
        root: what stands before all names.
        species: atomic numbers, in the order of the types.

    Attributes:
        first: a name that tells the form.
        like: a tensor of the dtype and on the device of the weights.
    """

    first = ""

    def __init__(self, weights: Placement, root: str, species: Sequence[int]) -> None:
        self.weights = weights
        self.root = root
        self.species = list(species)
        self.like = weights.tensors[f"{root}{self.first}"]

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
        values = self.weights.take(name)
        assert values is not None
        values = values.double().flatten()
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
        reciprocal = self.weights.take(name)
        assert reciprocal is not None
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
                factor = self.weights.take(name)
                assert factor is not None
                ones = torch.ones(max(self.species) + 1, dtype=torch.float64)
                scale = (ones if scale is None else scale) * factor.double()
                shift = None if shift is None else shift * factor.double()
        return scale, shift
