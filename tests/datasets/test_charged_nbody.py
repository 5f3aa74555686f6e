"""The charged particles: the published trajectories, from the published stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import BaseTransform

from pyg_equivariant.datasets import ChargedNBody

# Frame 30, particle 0 of the first trajectory.
FIRST_TRAIN = torch.tensor([2.98911632, 1.76937012, -1.17129428])
FIRST_TEST = torch.tensor([1.72989775, 0.76351536, 0.32737137])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("nbody"))


def test_the_published_first_positions(root: str) -> None:
    train = ChargedNBody(root, "train", num_samples=100)[0]
    test = ChargedNBody(root, "test", num_samples=1, frames=(30, 31))[0]
    torch.testing.assert_close(train.pos[0], FIRST_TRAIN, atol=1e-6, rtol=0)
    torch.testing.assert_close(test.pos[0], FIRST_TEST, atol=1e-6, rtol=0)


def test_the_graphs_equal_the_published_trajectories(root: str, shared: Path) -> None:
    path = shared / "data" / "nbody" / "nbody_charged5_seed43_first100.npz"
    with np.load(path) as arrays:
        published = {key: torch.from_numpy(arrays[key]).float() for key in arrays.files}
    loc, vel = published["loc"].mT, published["vel"].mT
    dataset = ChargedNBody(root, "train", num_samples=100)
    assert len(dataset) == 100
    # Versions of NumPy round otherwise in the last digit, which encounters enlarge.
    close = {"atol": 3e-5, "rtol": 2**-23}
    for i, data in enumerate(dataset):
        torch.testing.assert_close(data.pos, loc[i, 30], **close)
        torch.testing.assert_close(data.y, loc[i, 40], **close)
        torch.testing.assert_close(data.vel, vel[i, 30], **close)
        assert torch.equal(data.charge, published["charges"][i])
        source, target = data.edge_index
        assert torch.equal(data.edge_attr[:, 0], published["edges"][i, source, target])


def test_energy_is_conserved_but_for_the_clipped_encounters(root: str) -> None:
    def energy(data, pos, vel):
        source, target = data.edge_index
        distance = (pos[source] - pos[target]).norm(dim=-1)
        return vel.square().sum() / 2 + (data.edge_attr[:, 0] / distance).sum() / 2

    early = ChargedNBody(root, num_samples=64, frames=(0, 10))
    late = ChargedNBody(root, num_samples=64, frames=(10, 0))
    change = torch.stack(
        [
            energy(b, b.pos, b.vel) - energy(a, a.pos, a.vel)
            for a, b in zip(early, late, strict=True)
        ]
    )
    assert change.abs().median() < 1e-2


def test_all_ordered_pairs_once_and_none_with_itself(root: str) -> None:
    data = ChargedNBody(root, num_samples=2, frames=(0, 1))[1]
    pairs = {tuple(pair) for pair in data.edge_index.t().tolist()}
    assert pairs == {(i, j) for i in range(5) for j in range(5) if i != j}
    assert data.edge_index.shape == (2, 20)
    assert set(data.charge.flatten().tolist()) <= {-1.0, 1.0}


def test_a_small_set_is_the_beginning_of_a_large_one(root: str) -> None:
    small = ChargedNBody(root, "val", num_samples=2, frames=(0, 1))
    large = ChargedNBody(root, "val", num_samples=3, frames=(0, 1))
    for a, b in zip(small, large, strict=False):
        assert torch.equal(a.pos, b.pos)
        assert torch.equal(a.y, b.y)


def test_the_splits_differ(root: str) -> None:
    first = [
        ChargedNBody(root, split, num_samples=1, frames=(0, 1))[0].pos
        for split in ("train", "val", "test")
    ]
    assert not torch.allclose(first[0], first[1])
    assert not torch.allclose(first[1], first[2])


def test_the_frames_are_moments_of_one_trajectory(root: str) -> None:
    there = ChargedNBody(root, num_samples=1, frames=(0, 1))[0]
    back = ChargedNBody(root, num_samples=1, frames=(1, 0))[0]
    assert torch.equal(there.pos, back.y)
    assert torch.equal(there.y, back.pos)
    assert not torch.equal(there.vel, back.vel)


def test_a_second_time_nothing_is_simulated(root: str, monkeypatch) -> None:
    ChargedNBody(root, num_samples=2, frames=(0, 1))
    monkeypatch.setattr(ChargedNBody, "process", lambda self: pytest.fail("again"))
    ChargedNBody(root, num_samples=2, frames=(0, 1))


def test_the_global_random_state_is_left_alone(tmp_path: Path) -> None:
    np.random.seed(7)
    expected = np.random.rand()
    np.random.seed(7)
    ChargedNBody(str(tmp_path), num_samples=1, frames=(0, 1))
    assert np.random.rand() == expected


class _Doubled(BaseTransform):
    def forward(self, data):
        data.pos = 2 * data.pos
        return data


def test_transforms_filters_and_batches(tmp_path: Path) -> None:
    plain = ChargedNBody(str(tmp_path / "a"), num_samples=3, frames=(0, 1))
    doubled = ChargedNBody(
        str(tmp_path / "b"), num_samples=3, frames=(0, 1), pre_transform=_Doubled()
    )
    torch.testing.assert_close(doubled[2].pos, 2 * plain[2].pos)
    neutral = ChargedNBody(
        str(tmp_path / "c"),
        num_samples=3,
        frames=(0, 1),
        pre_filter=lambda data: data.charge.sum() == plain[0].charge.sum(),
    )
    assert torch.equal(neutral[0].pos, plain[0].pos)
    batch = next(iter(DataLoader(plain, batch_size=3)))
    assert batch.edge_index.max() == 14
    assert torch.equal(batch.charge[5:10], plain[1].charge)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "got split='valid', expected one of"),
        ({"num_samples": 0}, "got num_samples=0, expected 1 to 10000"),
        ({"split": "test", "num_samples": 2001}, "expected 1 to 2000"),
        ({"frames": (30, 49)}, r"got frames=\(30, 49\), expected two from 0 to 48"),
        ({"frames": (-1, 3)}, "expected two from 0 to 48"),
        ({"num_particles": 1}, "got num_particles=1, expected at least 2"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChargedNBody(str(tmp_path), **arguments)


def test_more_particles_obey_the_same_laws(root: str) -> None:
    """Energy is kept, momentum too, and the density of the cloud."""
    given = {"num_samples": 6, "num_particles": 20}
    early = ChargedNBody(root, frames=(0, 1), **given)
    late = ChargedNBody(root, frames=(1, 0), **given)
    for a, b in zip(early, late, strict=True):
        assert a.pos.shape == a.vel.shape == a.y.shape == (20, 3)
        assert a.edge_index.shape == (2, 380)
        assert torch.equal(a.y, b.pos)
        momentum = a.vel.sum(0) - b.vel.sum(0)
        assert momentum.abs().max() < 1e-4
        torch.testing.assert_close(
            a.vel.norm(dim=-1).mean().item(), 0.5, rtol=0.3, atol=0
        )
    spread = torch.cat([data.pos for data in early]).std()
    torch.testing.assert_close(spread.item(), 4 ** (1 / 3), rtol=0.1, atol=0)


def test_numbers_of_particles_are_kept_apart(root: str) -> None:
    five = ChargedNBody(root, num_samples=1, frames=(0, 1))
    six = ChargedNBody(root, num_samples=1, frames=(0, 1), num_particles=6)
    assert (len(five[0].pos), len(six[0].pos)) == (5, 6)
