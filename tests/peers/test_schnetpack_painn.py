"""PaiNN with SchNetPack's weights gives SchNetPack's numbers."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.utils.data.dataloader as dataloader
from torch import Tensor

from pyg_equivariant.interop.painn import painn_from_schnetpack

# names that SchNetPack 2.2 imports and newer releases of torch do not have
with pytest.MonkeyPatch.context() as patch:
    patch.setattr(
        dataloader, "T_co", typing.TypeVar("T_co", covariant=True), raising=False
    )
    patch.setattr(dataloader, "_collate_fn_t", Any, raising=False)
    spk = pytest.importorskip("schnetpack", exc_type=ImportError)


def _inputs(graph: dict[str, Tensor]) -> dict[str, Tensor]:
    pos, (source, target) = graph["pos"], graph["edge_index"]
    return {
        "_atomic_numbers": graph["z"],
        "_Rij": pos[source] - pos[target],
        "_idx_i": target,
        "_idx_j": source,
        "_idx_m": graph["batch"],
        "_n_atoms": torch.bincount(graph["batch"]),
    }


@pytest.fixture
def graph(generator: torch.Generator) -> dict[str, Tensor]:
    pos = torch.rand(9, 3, generator=generator, dtype=torch.float64) * 6
    edges = [(0, 1), (1, 0), (2, 1), (3, 2), (0, 3), (4, 0), (1, 4), (5, 6), (7, 5)]
    return {
        "z": torch.randint(1, 20, (9,), generator=generator),
        "pos": pos.requires_grad_(),
        "batch": torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1]),
        "edge_index": torch.tensor(edges).T,
    }


def _basis(name: str) -> torch.nn.Module:
    if name == "bessel":
        return spk.nn.BesselRBF(7, 5.1)
    return spk.nn.GaussianRBF(7, 5.1, start=0.5, trainable=name == "trained")


def _representation(basis: str, **kwargs: Any) -> torch.nn.Module:
    module = spk.representation.PaiNN(
        6, 2, _basis(basis), spk.nn.CosineCutoff(5.1), **kwargs
    ).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module


@contextmanager
def _double() -> Iterator[None]:
    """The reference makes new tensors of the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def _assert_equal(ours: Tensor, theirs: Tensor, pos: Tensor) -> None:
    for k in range(2):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= 1e-10 * theirs.abs().max()
        if k == 0:
            cotangent = torch.randn_like(ours)
            (ours,) = torch.autograd.grad(ours, pos, cotangent, retain_graph=True)
            (theirs,) = torch.autograd.grad(theirs, pos, cotangent, retain_graph=True)


@pytest.mark.parametrize("basis", ["bessel", "gaussian", "trained"])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"shared_filters": True},
        {"shared_interactions": True, "epsilon": 1e-5},
    ],
)
def test_representation(
    basis: str, kwargs: dict[str, Any], graph: dict[str, Tensor]
) -> None:
    reference = _representation(basis, **kwargs)
    epsilon = kwargs.get("epsilon", 1e-8)
    model = painn_from_schnetpack(reference.state_dict(), epsilon=epsilon)
    with _double():
        theirs = reference(_inputs(graph))
    ours = model(**graph)
    pairs = [(ours.x, theirs["scalar_representation"])]
    pairs += [(ours.vec, theirs["vector_representation"])]
    for a, b in pairs:
        _assert_equal(a, b, graph["pos"])


@pytest.mark.parametrize("aggregation_mode", ["sum", "avg"])
@pytest.mark.parametrize("n_hidden", [None, 5])
def test_potential(
    aggregation_mode: str, n_hidden: int | None, graph: dict[str, Tensor]
) -> None:
    output = spk.atomistic.Atomwise(
        6, n_hidden=n_hidden, aggregation_mode=aggregation_mode, output_key="energy"
    )
    offsets = spk.transform.AddOffsets(
        "energy", True, True, is_extensive=aggregation_mode == "sum"
    )
    offsets.mean, offsets.atomref = torch.tensor([1.7]), torch.randn(100)
    reference = spk.model.NeuralNetworkPotential(
        _representation("bessel"), output_modules=[output], postprocessors=[offsets]
    ).double()
    model = painn_from_schnetpack(
        reference.state_dict(), aggregation_mode=aggregation_mode
    )
    with _double():
        theirs = offsets(output(reference.representation(_inputs(graph))))
    _assert_equal(model(**graph), theirs["energy"].unsqueeze(-1), graph["pos"])
