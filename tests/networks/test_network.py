"""The registry says of every network what is true of its code."""

from __future__ import annotations

import inspect

import pytest
import torch
import torch_geometric.nn as pyg

from pyg_equivariant import nn
from pyg_equivariant.networks import NETWORKS, Network, Size, find_network

SIZES = [
    pytest.param(network, size, id=f"{network.name}-{name}")
    for network in NETWORKS.values()
    for name, size in network.sizes.items()
]


@pytest.fixture(params=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> Network:
    """Each network in turn."""
    return find_network(request.param)


def test_is_found_by_its_name(network: Network) -> None:
    assert network.name == network.model.__name__.lower()
    ours = network.layer.__module__.startswith("pyg_equivariant")
    assert network.layer is getattr(nn if ours else pyg, network.layer.__name__)
    assert network.model is getattr(nn, network.model.__name__)


def test_an_unknown_name_is_answered_with_all_names() -> None:
    with pytest.raises(ValueError, match=f"got network 'gnn', .*{', '.join(NETWORKS)}"):
        find_network("gnn")


@pytest.mark.parametrize(("network", "size"), SIZES)
def test_has_the_published_number_of_parameters(network: Network, size: Size) -> None:
    model = network.model(**size.arguments)
    assert sum(p.numel() for p in model.parameters()) == size.parameters


def test_small_networks_predict(network: Network) -> None:
    z, pos = torch.tensor([8, 1, 1]), torch.randn(3, 3)
    for variant in ({}, *network.variants.values()):
        arguments = {"cutoff": 4.0, **network.smooth, **network.extensive, **variant}
        model = network.build_small(**arguments)
        assert model(z, pos).shape == (1, 1)
        assert sum(p.numel() for p in model.parameters()) < 10_000


def test_small_layers_are_built_for_edges(network: Network) -> None:
    ours = network.layer.__module__.startswith("pyg_equivariant")
    assert ("small" in network.layers) == ours
    for build in network.layers.values():
        torch.manual_seed(0)
        assert type(build(5, 3.0)) is network.layer


def test_arguments_are_those_of_the_network(network: Network) -> None:
    known = inspect.signature(network.model).parameters
    assert known.keys() >= {*network.degrees, *network.from_training_set}


def test_docstrings_name_the_paper(network: Network) -> None:
    for cls in (network.layer, network.model):
        text = " ".join((inspect.getdoc(cls) or "").split())
        assert f'`"{network.paper.title}" <{network.paper.link}>`_' in text, cls
