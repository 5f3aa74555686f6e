"""The form of linear maps by species."""

from __future__ import annotations

import torch

from pyg_equivariant.kernels import SpeciesBlock, SpeciesForm
from pyg_equivariant.kernels.species.reference import species_product

FORM = SpeciesForm(
    *(8, 7, 8), (SpeciesBlock(0, 3, 0, 1, 2, 1), SpeciesBlock(2, 0, 2, 3, 2, 1))
)


def test_a_form_is_its_text() -> None:
    assert SpeciesForm.parse(FORM.text) == FORM


def test_every_row_meets_the_matrices_of_its_species() -> None:
    x, weight = torch.randn(3, 8), torch.randn(2, 8)
    species = torch.tensor([1, 0, 1])
    found = species_product(x, weight, species, FORM)
    assert found.shape == (3, 7)
    for row, (features, s) in enumerate(zip(x, species, strict=True)):
        w = weight[s]
        vector = features[2:].view(3, 2) @ w[2:4]
        expected = torch.cat([vector, (features[:2] @ w[:2]).view(1), x.new_zeros(3)])
        torch.testing.assert_close(found[row], expected)
