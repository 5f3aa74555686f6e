"""Scalars of molecules: sums, means, values at atoms."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import Data

from pyg_equivariant.nn import models
from pyg_equivariant.nn.mlp import MLP
from pyg_equivariant.nn.models import (
    ExtensiveHead,
    Features,
    Head,
    MolecularModel,
    ScalarHead,
)

BATCH = torch.tensor([0, 2, 0, 0, 2])  # graph 1 has no atom
Z = torch.ones(5, dtype=torch.long)


@pytest.fixture
def features() -> Features:
    x = torch.randn(5, 4, dtype=torch.float64)
    return Features(x, None, torch.zeros(5, 3, dtype=torch.float64))


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_pools_atoms_then_acts_on_the_molecule(features: Features, reduce: str) -> None:
    pre, post = MLP([4, 6, 3]).double(), MLP([3, 2]).double()
    out = ScalarHead(pre, post, reduce)(features, Z, BATCH, 3)
    atoms = pre(features.x)
    pooled = [
        getattr(atoms[graph == BATCH], reduce)(0) if graph != 1 else atoms.new_zeros(3)
        for graph in range(3)
    ]
    torch.testing.assert_close(out, post(torch.stack(pooled)), rtol=0, atol=1e-14)


def test_values_at_atoms_add_up_to_the_extensive_value(features: Features) -> None:
    node = ScalarHead(MLP([4, 6, 1]).double(), None, "node")
    atoms = node(features, Z, BATCH, 3)
    assert atoms.shape == (5, 1)
    total = ExtensiveHead(node)(features, Z, BATCH, 3)
    expected = torch.stack([atoms[graph == BATCH].sum(0) for graph in range(3)])
    torch.testing.assert_close(total, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("reduce", ["sum", "mean", "node"])
def test_without_a_batch_there_is_one_graph(features: Features, reduce: str) -> None:
    post = None if reduce == "node" else MLP([1, 2]).double()
    head = ScalarHead(MLP([4, 1]).double(), post, reduce)
    for each in (head, ExtensiveHead(head)) if reduce == "node" else (head,):
        found = each(features, Z)
        assert torch.equal(found, each(features, Z, torch.zeros_like(Z), 1))
        assert len(found) == (5 if each.reduce == "node" else 1)


def test_heads_are_called_alike() -> None:
    heads = [x for x in vars(models).values() if isinstance(x, type)]
    heads = [head for head in heads if issubclass(head, Head)]
    assert len(heads) > 3
    for head in heads:
        assert inspect.signature(head.forward) == inspect.signature(Head.forward)


def test_extensive_energies_add_up(
    build: Callable[..., MolecularModel], name: str, graphs: dict[str, Data]
) -> None:
    """Two molecules far apart, as one graph: of intensive values the mean."""
    data = graphs["planar"]
    z = torch.cat([data.z, data.z[:3]])
    pos = torch.cat([data.pos, data.pos[:3] + 100])
    batch = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    kwargs = {"norm": None} if name == "SEGNN" else {}
    model = build(name, head="extensive", **kwargs)
    torch.testing.assert_close(
        model(z, pos), model(z, pos, batch).sum(0, keepdim=True), rtol=1e-12, atol=1e-12
    )


def test_what_does_not_fit_is_named(features: Features) -> None:
    with pytest.raises(ValueError, match="'max'"):
        ScalarHead(MLP([4, 1]), reduce="max")
    with pytest.raises(ValueError, match=r"reduce='node'.*'mean'"):
        ExtensiveHead(ScalarHead(MLP([4, 1]), reduce="mean"))
    with pytest.raises(TypeError, match=r"forward\(\)"):
        Head()(features, Z)


def test_parameters_are_drawn_anew() -> None:
    head = ExtensiveHead(ScalarHead(MLP([4, 1]), MLP([1, 1]), "node"))
    before = [p.clone() for p in head.parameters()]
    head.reset_parameters()
    assert len(before) == 4
    assert all(
        not torch.equal(a, b) for a, b in zip(before, head.parameters(), strict=True)
    )
