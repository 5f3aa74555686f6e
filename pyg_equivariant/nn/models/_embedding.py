"""What a network begins with: atomic numbers, features of any irreps, or both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_equivariant.o3 import Irreps, IrrepsLike

from ..linear import Linear
from ..module import EquivariantModule
from ._admitted import AdmittedFeatures
from ._species import SpeciesEmbedding, SpeciesFeatures


class FeatureEmbedding(EquivariantModule):
    r"""Node features of any irreps, and atomic numbers beside them, as hidden irreps.

    .. math::
        \mathbf{x}_i = \text{Embedding}(z_i) \oplus \mathbf{0} + \mathbf{W}
        \big(\mathbf{f}_i \oplus \langle \mathbf{f}_i, \mathbf{f}_i \rangle\big)

    An equivariant linear map takes the irreps that there are hidden ones of, and the
    inner products of all but ``0e``, see :class:`AdmittedFeatures`.

    Args:
        irreps_in: irreps of the features.
        irreps_out: hidden irreps, ``0e`` first.
        name: what the features are called where they are given.
        species: the embedding of atomic numbers, ``None`` where the features stand in
            their place.
    """

    def __init__(
        self,
        irreps_in: IrrepsLike,
        irreps_out: Irreps,
        name: str = "z",
        species: SpeciesEmbedding | None = None,
    ) -> None:
        super().__init__()
        self.irreps_out = irreps_out
        self.species = species
        self.admitted = AdmittedFeatures(irreps_in, irreps_out, name)
        admitted = self.admitted.irreps_out
        self._reached = [block.ir in admitted for block in irreps_out]
        reached = irreps_out.filter(keep=lambda block: block.ir in admitted)
        self.linear = Linear(admitted, reached)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.linear.reset_parameters()
        if self.species is not None:
            self.species.reset_parameters()

    def forward(self, z: Tensor, x: Tensor | None, like: Tensor) -> Tensor:
        """Hidden features ``(|V|, irreps_out.dim)`` of numbers and features."""
        if self.species is None:
            refuse_beside(x)
        features = self.admitted(z if self.species is None else x, like, like.shape[0])
        hidden = self.linear(features).to(like.dtype)
        found, blocks = iter(self.linear.irreps_out.split(hidden)), []
        for (mul, ir), reached in zip(self.irreps_out, self._reached, strict=True):
            shape = (like.shape[0], ir.dim, mul)
            blocks.append(next(found) if reached else like.new_zeros(shape))
        if self.species is not None:
            blocks[0] = blocks[0] + self.species(z).unsqueeze(1)
        return self.irreps_out.join(blocks)


def one_hot_parts(
    species: tuple[Any, ...], irreps_in: IrrepsLike | None, irreps_x: IrrepsLike | None
) -> tuple[SpeciesFeatures | None, AdmittedFeatures, int]:
    """Of :func:`one_hot_inputs` what makes them, and how many there are.

    Args:
        species: arguments of :class:`SpeciesFeatures`, unless features stand in place.
        irreps_in: of features in place of numbers.
        irreps_x: of features beside them.
    """
    if irreps_in is not None:
        features = AdmittedFeatures(irreps_in, "0e", "z")
        return None, features, features.irreps_out.dim
    features, numbers = AdmittedFeatures(irreps_x, "0e", "x"), SpeciesFeatures(*species)
    return numbers, features, numbers.num_features + features.irreps_out.dim


def one_hot_inputs(
    species: SpeciesFeatures | None,
    features: AdmittedFeatures,
    z: Tensor,
    x: Tensor | None,
    like: Tensor,
) -> Tensor:
    """Species one-hot, features, or both side by side.

    Args:
        species: makes the former of ``z``; ``None`` where ``z`` holds features.
        features: admits the latter.
        z: atomic numbers or features.
        x: features beside atomic numbers.
        like: the positions.
    """
    rows = like.shape[0]
    if species is None:
        refuse_beside(x)
        return features(z, like, rows)
    numbers, others = species(z), features(x, like, rows)
    return numbers if others is None else torch.cat([numbers, others], dim=-1)


def refuse_beside(x: Tensor | None) -> None:
    """Refuse features ``x`` where those in place of ``z`` are all there are."""
    if x is not None:
        raise ValueError(
            "x came, but this network was built with features in place of atomic "
            "numbers; build it with irreps_x, not irreps_in, to give both"
        )


def node_embedding(
    num_elements: int,
    irreps_out: Irreps,
    irreps_in: IrrepsLike | None,
    irreps_x: IrrepsLike | None,
    padding_idx: int | None = None,
) -> SpeciesEmbedding | FeatureEmbedding:
    """The embedding of a network: of numbers alone unless irreps are given.

    Args:
        num_elements: rows of the table of atomic numbers.
        irreps_out: hidden irreps, ``0e`` first.
        irreps_in: irreps of features in place of atomic numbers.
        irreps_x: irreps of features beside them.
        padding_idx: the atomic number whose row starts at zero.
    """
    check_inputs(irreps_in, irreps_x)
    if irreps_in is not None:
        return FeatureEmbedding(irreps_in, irreps_out)
    scalars = irreps_out[0].mul
    species = SpeciesEmbedding(num_elements, scalars, padding_idx=padding_idx)
    if irreps_x is None:
        return species
    return FeatureEmbedding(irreps_x, irreps_out, "x", species)


def first_irreps(
    hidden: Irreps, given: IrrepsLike | None, scalars: int | None = None
) -> Irreps:
    """What a first layer begins with: scalars, and all irreps of features.

    Args:
        hidden: irreps of an atom, which say how many copies there are.
        given: irreps of features.
        scalars: how many there are (default: as many as hidden ones).
    """
    others = Irreps(() if given is None else given).filter(drop="0e").regroup()
    copies = [(hidden.count(ir) or mul, ir) for mul, ir in others]
    count = hidden.count("0e") if scalars is None else scalars
    return Irreps([(count, "0e"), *copies])


def check_inputs(irreps_in: IrrepsLike | None, irreps_x: IrrepsLike | None) -> None:
    """Refuse features in place of atomic numbers and beside them at once."""
    if irreps_in is not None and irreps_x is not None:
        raise ValueError(
            "irreps_in are features in place of atomic numbers, irreps_x those beside "
            "them: give one, which may hold all"
        )
    for name, irreps in (("irreps_in", irreps_in), ("irreps_x", irreps_x)):
        if irreps is not None and not Irreps(irreps).dim:
            raise ValueError(f"{name} holds no features, got {irreps!r}")


def scalars_or_irreps(
    name: str, count: int | None, irreps: IrrepsLike | None
) -> IrrepsLike | None:
    """Irreps of features, for which their number may stand if they are scalars.

    Raises:
        ValueError: if both are given.
    """
    if count is None:
        return irreps
    if irreps is not None:
        raise ValueError(f"{name}={count} is {count}x0e, got irreps {irreps} besides")
    return Irreps([(count, "0e")])
