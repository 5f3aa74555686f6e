"""Atomic numbers as features of atoms."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn.models._species import (
    SpeciesEmbedding,
    SpeciesFeatures,
    SpeciesIndex,
    check_species,
)


def test_features_are_one_hot_times_powers_of_the_charge() -> None:
    species, z = (1, 6, 8), torch.tensor([8, 1, 1, 6])
    found = SpeciesFeatures(species, charge_power=2).double()(z)
    for i, number in enumerate(z.tolist()):
        for s, known in enumerate(species):
            for p in range(3):
                expected = (number / 8) ** p if number == known else 0.0
                assert found[i, 3 * s + p] == pytest.approx(expected, rel=1e-15)
    assert SpeciesFeatures(species, 2, max_charge=16.0)(z)[0, 7] == 0.5
    assert SpeciesFeatures(species).double()(z).dtype == torch.float64
    assert SpeciesFeatures(species).num_features == 3


def test_unknown_species_are_named() -> None:
    with pytest.raises(ValueError, match=r"\[1, 6\], got \[7, 9\]"):
        SpeciesFeatures((1, 6))(torch.tensor([9, 1, 7, 9]))
    with pytest.raises(TypeError, match=r"in_channels or irreps_in"):
        SpeciesFeatures((1, 6))(torch.rand(3, 2))


def test_an_embedding_has_one_row_for_each_atomic_number() -> None:
    embedding = SpeciesEmbedding(10, 4)
    z = torch.tensor([9, 0])
    assert torch.equal(embedding(z), embedding.weight[z])
    with pytest.raises(ValueError, match=r"0 to 9, got \[-3, 10\]"):
        embedding(torch.tensor([10, 1, -3]))


@pytest.mark.parametrize("z", [torch.rand(3), torch.tensor([True])])
def test_atomic_numbers_are_integers(z: torch.Tensor) -> None:
    with pytest.raises(TypeError, match=str(z.dtype)):
        check_species(z, 5, "the table")


def test_atomic_numbers_are_one_for_each_atom() -> None:
    check_species(torch.tensor([], dtype=torch.int32), 5, "the table")
    with pytest.raises(ValueError, match=r"\(2, 1\)"):
        check_species(torch.ones(2, 1, dtype=torch.long), 5, "the table")


def test_species_are_numbered_in_the_order_of_their_list() -> None:
    index = SpeciesIndex([8, 1, 29])
    z = torch.tensor([1, 29, 8, 8])
    assert index(z).tolist() == [1, 2, 0, 0]
    assert index(z.int()).tolist() == [1, 2, 0, 0]
    assert not index.state_dict()
    for other in (6, 30, -1):
        with pytest.raises(ValueError, match=rf"\[8, 1, 29\], got \[{other}\]"):
            index(torch.tensor([1, other]))
    with pytest.raises(TypeError, match="atomic numbers"):
        index(z.double())
    with pytest.raises(ValueError, match=r"atomic numbers of shape \(\|V\|,\)"):
        index(z.view(2, 2))


def test_an_unknown_species_has_no_row_where_values_are_not_looked_at() -> None:
    index = SpeciesIndex((1, 8))
    assert int(index.index[6]) == 2
