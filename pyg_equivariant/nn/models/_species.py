"""Input features of atoms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_equivariant.o3 import check_device, check_tensor

from ..module import EquivariantModule


def check_species(z: Tensor, number: int, table: str) -> None:
    """Refuse atomic numbers that are none, or beyond a table of ``number`` rows.

    Values are not looked at while compiling.

    Raises:
        TypeError: if they are not integers.
        ValueError: if they are not of shape ``(|V|,)`` or beyond the table.
    """
    check_integers(z)
    if torch.compiler.is_compiling():
        return
    beyond = (z < 0) | (z >= number)
    if beyond.any():
        raise ValueError(
            f"{table} has rows for the atomic numbers 0 to {number - 1}, got "
            f"{z[beyond].unique().tolist()}"
        )


def check_integers(z: Tensor) -> None:
    """Refuse what cannot be atomic numbers.

    Raises:
        TypeError: if they are not integers.
        ValueError: if they are not of shape ``(|V|,)``.
    """
    check_tensor(z, "z")
    if z.is_floating_point() or z.is_complex() or z.dtype == torch.bool:
        raise TypeError(f"expected atomic numbers, integers, got {z.dtype}")
    if z.dim() != 1:
        raise ValueError(
            f"expected atomic numbers of shape (|V|,), got {tuple(z.shape)}"
        )


class SpeciesEmbedding(torch.nn.Embedding):
    """One learned vector for every atomic number.

    Example:
        >>> SpeciesEmbedding(100, 16)(torch.tensor([8, 1, 1])).shape
        torch.Size([3, 16])
    """

    def forward(
        self, z: Tensor, x: Tensor | None = None, like: Tensor | None = None
    ) -> Tensor:
        """Features ``(|V|, embedding_dim)`` of atomic numbers ``(|V|,)`` alone."""
        if x is not None:
            raise ValueError("x came, but this network was built without irreps_x")
        check_species(z, self.num_embeddings, "the embedding")
        check_device(z, self.weight, "z", "the module")
        return super().forward(z.long())


class SpeciesFeatures(EquivariantModule):
    r"""One-hot atomic numbers, times powers of the charge if asked for.

    .. math::
        \mathbf{x}_i = \big(\delta_{z_i s}\, (z_i / z_\text{max})^p\big)_{s, p}

    Args:
        species: the atomic numbers that occur.
        charge_power: largest power :math:`p`, as in Cormorant and EGNN; 0 is one-hot.
        max_charge: the number :math:`z_\text{max}` (default: the largest species).

    Raises:
        ValueError: if an atom is of another species.

    Example:
        >>> SpeciesFeatures((1, 6, 8))(torch.tensor([8, 1, 1]))
        tensor([[0., 0., 1.],
                [1., 0., 0.],
                [1., 0., 0.]])
    """

    species: Tensor
    _like: Tensor

    def __init__(
        self,
        species: tuple[int, ...],
        charge_power: int = 0,
        max_charge: float | None = None,
    ) -> None:
        super().__init__()
        self.charge_power = charge_power
        self.max_charge = float(max(species) if max_charge is None else max_charge)
        self.num_features = len(species) * (charge_power + 1)
        self.register_constant("species", torch.tensor(species, device="cpu"))
        like = torch.zeros((), dtype=torch.float64, device="cpu")
        self.register_constant("_like", like)

    def forward(self, z: Tensor) -> Tensor:
        """Features ``(|V|, num_features)`` of atomic numbers ``(|V|,)``."""
        check_tensor(z, "z")
        other = z.is_floating_point() or z.is_complex() or z.dtype == torch.bool
        if other or z.dim() != 1:
            raise TypeError(
                "expected atomic numbers, integers of shape (|V|,), got "
                f"{z.dtype} of shape {tuple(z.shape)}; networks for features of atoms "
                "are built with in_channels or irreps_in"
            )
        check_device(z, self.species, "z", "the module")
        z = z.long()
        match = z.unsqueeze(-1) == self.species
        if not torch.compiler.is_compiling() and not match.any(-1).all():
            unknown = z[~match.any(-1)].unique().tolist()
            raise ValueError(
                f"this network knows the species {self.species.tolist()}, got {unknown}"
            )
        one_hot = match.to(self._like.dtype)
        powers = torch.arange(self.charge_power + 1, device=z.device)
        charge = (z.to(one_hot.dtype) / self.max_charge).unsqueeze(-1) ** powers
        return (one_hot.unsqueeze(-1) * charge.unsqueeze(-2)).flatten(-2)


class SpeciesIndex(EquivariantModule):
    r"""Numbers atomic numbers from 0 on, in the order of a list.

    Args:
        species: the atomic numbers that occur.

    Raises:
        ValueError: if the list is empty or names one twice, or an atom is of another
            species.

    Example:
        >>> SpeciesIndex((1, 6, 8))(torch.tensor([8, 1, 1]))
        tensor([2, 0, 0])
    """

    index: Tensor

    def __init__(self, species: Sequence[int]) -> None:
        super().__init__()
        self.species = tuple(int(z) for z in species)
        if not self.species or len(set(self.species)) < len(self.species):
            raise ValueError(
                f"species are different atomic numbers, one or more, got {species}"
            )
        if min(self.species) < 0:
            raise ValueError(f"species are atomic numbers, got {species}")
        # those between have no row in any table
        index = torch.full((max(self.species) + 1,), len(self.species), device="cpu")
        index[list(self.species)] = torch.arange(len(self.species), device="cpu")
        self.register_constant("index", index)

    def forward(self, z: Tensor) -> Tensor:
        """The number ``(|V|,)`` of each atom's species."""
        check_integers(z)
        check_device(z, self.index, "z", "the module")
        z = z.long()
        if not torch.compiler.is_compiling():
            known = torch.isin(z, self.index.new_tensor(self.species))
            if not known.all():
                raise ValueError(
                    f"this network knows the species {list(self.species)}, got "
                    f"{z[~known].unique().tolist()}; build it with all that occur"
                )
        return self.index[z]
