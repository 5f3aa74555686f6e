"""The rows of the table of charged particles are what the papers say."""

from __future__ import annotations

import inspect

import pytest

from pyg_equivariant import nn
from pyg_equivariant.networks import (
    PARTICLE_NETWORKS,
    ParticleNetwork,
    find_particle_network,
)


@pytest.fixture(params=list(PARTICLE_NETWORKS))
def row(request: pytest.FixtureRequest) -> ParticleNetwork:
    """Each row in turn."""
    return find_particle_network(request.param)


def test_has_the_published_number_of_parameters(row: ParticleNetwork) -> None:
    assert sum(p.numel() for p in row.build().parameters()) == row.parameters


def test_rows_go_from_worst_to_best() -> None:
    errors = [row.published[0] for row in PARTICLE_NETWORKS.values()]
    assert errors == sorted(errors, reverse=True)


def test_classes_are_public_and_name_the_paper(row: ParticleNetwork) -> None:
    assert row.model is getattr(nn.particles, row.model.__name__)
    assert row.layer is None or row.layer is getattr(nn, row.layer.__name__)
    for cls in (row.model, row.layer):
        text = " ".join((inspect.getdoc(cls) or "").split())
        title, link = row.paper
        assert cls is None or f'`"{title}" <{link}>`_' in text


def test_an_unknown_name_is_answered_with_all_names() -> None:
    names = ", ".join(PARTICLE_NETWORKS)
    with pytest.raises(ValueError, match=f"got network 'gnn', .*{names}"):
        find_particle_network("gnn")
