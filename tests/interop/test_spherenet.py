from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyg_equivariant.graph import triplets
from pyg_equivariant.interop.spherenet import spherenet_from_dig
from pyg_equivariant.nn.torsions import bond_cosines, torsion_phases

from .test_dimenet import SAME_NAME, in_order, settings

Check = Callable[[Tensor, Tensor], None]


def test_golden_energies_and_forces(reference: Any, assert_equal: Check) -> None:
    state_dict, data = reference("spherenet_dig")
    meta = data["meta"]
    model = spherenet_from_dig(state_dict, **settings(meta))
    for key in (*SAME_NAME, "num_layers", "num_before_skip", "num_after_skip"):
        assert model.arguments[key] == meta[key]
    widths = [f"basis_emb_size_{of}" for of in ("dist", "angle", "torsion")]
    assert model.basis_channels == tuple(meta[key] for key in widths)
    pos = data["input/pos"].requires_grad_()
    given = data["input/z"], pos, data["input/batch"], data["input/edge_index"]
    energy = model(*given)
    assert_equal(energy, data["output/energy"])
    (gradient,) = torch.autograd.grad(energy.sum(), pos)
    assert_equal(-gradient, data["output/forces"])
    mirrored = model(given[0], -pos, *given[2:])
    changed = float((mirrored - energy).detach().abs().max())
    assert math.isclose(changed, meta["change_under_reflection"], rel_tol=1e-9)


def test_golden_bases_torsions_and_messages(
    reference: Any, assert_equal: Check
) -> None:
    state_dict, data = reference("spherenet_dig")
    model = spherenet_from_dig(state_dict, **settings(data["meta"]))
    graph = model.graph(
        data["input/pos"], data["input/batch"], data["input/edge_index"]
    )
    edges = model.edges.embed(graph)
    assert_equal(edges.edge_attr.detach(), data["output/rbf"])
    pairs = triplets(graph.edge_index)
    order = in_order(data, pairs)
    cosine = bond_cosines(edges.edge_vec, pairs)
    assert_equal(cosine.acos(), data["output/angle"][order])
    phase = torsion_phases(edges.edge_vec, pairs)
    torsion = data["output/torsion"][order]
    expected = torch.stack([torsion.cos(), torsion.sin()], dim=-1)
    assert_equal(phase, expected * data["output/angle"][order].sin().unsqueeze(-1))
    for found, name in zip(model.geometry(edges, pairs), ("sbf", "tbf"), strict=True):
        expected = data[f"output/{name}"][order]
        assert (found - expected).abs().max() <= 1e-9 * expected.abs().max()
    # messages before the first and after every layer, and as they are summed
    found = []
    for output in model.outputs:
        output.register_forward_pre_hook(lambda _, given: found.append(given[:2]))
    model(data["input/z"], graph.pos, graph.batch, graph.edge_index)
    for k, (messages, rbf) in enumerate(found):
        assert_equal(messages, data[f"output/e1_{k}"])
        summed = model.outputs[k].lin_rbf(rbf) * messages
        assert_equal(summed, data[f"output/e2_{k}"])


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"no state_dict of DIG's SphereNet"):
        spherenet_from_dig({"lin.weight": torch.zeros(1)})
