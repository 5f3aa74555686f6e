"""Numbers, features or both as hidden features."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn.models._embedding import (
    FeatureEmbedding,
    node_embedding,
    scalars_or_irreps,
)
from pyg_equivariant.nn.models._species import SpeciesEmbedding
from pyg_equivariant.o3 import Irreps, rand_matrix, rotate

HIDDEN = Irreps("8x0e+4x1o+2x2e")


def test_numbers_alone_are_embedded_as_ever() -> None:
    embedding = node_embedding(10, HIDDEN, None, None)
    assert isinstance(embedding, SpeciesEmbedding)
    assert embedding.weight.shape == (10, 8)
    with pytest.raises(ValueError, match="x came, but"):
        embedding(torch.tensor([1]), torch.randn(1, 3))


def test_both_add_up_and_what_was_not_given_is_zero() -> None:
    embedding = node_embedding(10, HIDDEN, None, "2x0e+1x1o")
    assert isinstance(embedding, FeatureEmbedding)
    z, x, pos = torch.tensor([1, 8]), torch.randn(2, 5), torch.randn(2, 3)
    out = embedding(z, x, pos)
    assert out.shape == (2, HIDDEN.dim)
    assert not out[:, 20:].any()
    other = embedding(z.flip(0), x, pos)
    table = embedding.species.weight
    torch.testing.assert_close((out - other)[:, :8], table[z] - table[z.flip(0)])
    assert torch.equal(out[:, 8:], other[:, 8:])
    before = table.clone()
    embedding.reset_parameters()
    assert not torch.equal(before, embedding.species.weight)
    assert not torch.equal(embedding(z, x, pos)[:, 8:20], out[:, 8:20])


def test_features_alone_turn_and_their_squares_are_scalars() -> None:
    embedding = node_embedding(10, HIDDEN, "2x1o", None).double()
    x, pos = torch.randn(3, 6).double(), torch.randn(3, 3).double()
    R = -rand_matrix(dtype=torch.float64)
    out = embedding(x, None, pos)
    found = embedding(rotate("2x1o", x, R), None, pos)
    torch.testing.assert_close(found, rotate(HIDDEN, out, R))
    assert (embedding(2 * x, None, pos)[:, :8] - out[:, :8]).abs().max() > 1e-3


def test_scalars_may_be_given_by_their_number() -> None:
    assert scalars_or_irreps("edge_dim", 3, None) == Irreps("3x0e")
    assert scalars_or_irreps("edge_dim", None, "1x1o") == "1x1o"
    assert scalars_or_irreps("edge_dim", None, None) is None
