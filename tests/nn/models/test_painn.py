"""PaiNN at its published size, and its options."""

from __future__ import annotations

import pytest
import torch

from pyg_equivariant.nn.models import PaiNN
from pyg_equivariant.nn.radial import BesselBasis, GaussianBasis


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_says_what_it_is() -> None:
    assert str(PaiNN(16, 2, 10, 4.0)) == (
        "PaiNN(hidden_channels=16, num_layers=2, num_radial=10, cutoff=4.0)"
    )


def test_starts_without_vectors_and_gets_them_from_directions() -> None:
    model = PaiNN(8, 1, 5, 3.0, head=None).double()
    z, pos = torch.tensor([1, 8, 6]), torch.randn(3, 3, dtype=torch.float64)
    alone = model(z, pos, edge_index=torch.zeros(2, 0).long())
    assert not alone.vec.any()
    assert model(z, pos).vec.abs().amax((1, 2)).gt(0).all()


def test_layers_may_share_one_filter() -> None:
    model = PaiNN(8, 3, 5, shared_filters=True)
    assert count(PaiNN(8, 3, 5)) - count(model) == 2 * (5 * 24 + 24)
    assert model.convs[0].filter is model.convs[2].filter
    state = model.state_dict()
    assert torch.equal(state["convs.0.filter.weight"], state["convs.2.filter.weight"])


@pytest.mark.parametrize("shared", [False, True])
def test_edges_are_described_once_for_all_layers(shared: bool) -> None:
    """Envelopes once, and filters as often as there are different ones."""
    model = PaiNN(8, 3, 5, shared_filters=shared)
    calls: list[str] = []
    for name, module in model.named_modules(remove_duplicate=True):
        if name.endswith(("envelope", "filter")):
            kind = name.split(".")[-1]
            module.register_forward_hook(lambda *_, kind=kind: calls.append(kind))
    model(torch.tensor([1, 8, 6]), torch.randn(3, 3))
    assert calls.count("envelope") == 1
    assert calls.count("filter") == (1 if shared else 3)


def test_radial_bases() -> None:
    bessel = PaiNN(8, 1, 5, 4.0).edges.basis
    assert isinstance(bessel, BesselBasis)
    r = torch.tensor([1.3])
    n = torch.arange(1, 6)
    torch.testing.assert_close(bessel(r)[0], torch.sin(n * torch.pi * r / 4.0) / r)
    assert isinstance(
        PaiNN(8, 1, 5, radial_basis="gaussian").edges.basis, GaussianBasis
    )
    with pytest.raises(ValueError, match="'fourier'"):
        PaiNN(radial_basis="fourier")
