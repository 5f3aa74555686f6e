"""An ensemble is the mean of its members."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pyg_equivariant.nn import save_model
from pyg_equivariant.nn.models import MolecularModel
from pyg_equivariant.simulation import Ensemble, NeighborList, Potential, as_ensemble

Build = Callable[..., MolecularModel]


def water() -> tuple[torch.Tensor, torch.Tensor]:
    pos = torch.tensor([[0.0, 0, 0], [0.9, 0, 0], [0, 0.8, 0.3]]).double()
    return torch.tensor([8, 1, 1]), pos


def test_mean_and_spread(build: Build) -> None:
    potentials = [Potential(build(seed=seed)) for seed in range(3)]
    ensemble = as_ensemble(potentials)
    assert ensemble.potentials == potentials
    z, pos = water()
    edges = NeighborList(ensemble.cutoff)(pos)
    mean, spread = ensemble(z, *edges)
    each = torch.stack([potential(z, *edges).forces for potential in potentials])
    assert spread is not None
    torch.testing.assert_close(mean.forces, each.mean(0))
    torch.testing.assert_close(spread.forces, each.std(0))
    assert mean.stress is spread.stress is None
    alone, nothing = Ensemble(potentials[:1])(z, *edges)
    assert nothing is None
    torch.testing.assert_close(alone.forces, each[0])


def test_the_largest_cutoff_serves_all(build: Build) -> None:
    ensemble = as_ensemble([build(cutoff=2.0), build("egnn", cutoff=4.5)])
    assert ensemble.cutoff == 4.5
    assert ensemble.has_atomic_energies
    with pytest.warns(UserWarning, match="do not add up"):
        assert (
            as_ensemble([build(), build("egnn", cutoff=None, smooth=False)]).cutoff
            is None
        )
    with pytest.warns(UserWarning, match="do not add up"):
        mixed = as_ensemble([build(), build(head="mean")])
    assert not mixed.has_atomic_energies
    z, pos = water()
    mean, _ = mixed(z, *NeighborList(mixed.cutoff)(pos))
    assert mean.energies is None


def test_files_and_networks_may_be_mixed(build: Build, tmp_path: Path) -> None:
    model = build()
    save_model(model, tmp_path / "model.pt")
    ensemble = as_ensemble([model, tmp_path / "model.pt", str(tmp_path / "model.pt")])
    z, pos = water()
    _, spread = ensemble(z, *NeighborList(ensemble.cutoff)(pos))
    assert len(ensemble) == 3
    assert spread is not None
    assert spread.forces.abs().max() < 1e-12


def test_none_is_refused() -> None:
    with pytest.raises(ValueError, match="one potential or more"):
        as_ensemble([])
