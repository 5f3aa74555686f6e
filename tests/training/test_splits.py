"""Structures are divided as asked, and never used twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")
splits = pytest.importorskip("pyg_equivariant.training.splits")


def sizes(split: Any) -> tuple[int, ...]:
    return tuple(map(len, split))


def test_a_random_split_divides_all() -> None:
    split = splits.split_random(100, val=0.2, test=15)
    assert sizes(split) == (65, 20, 15)
    assert torch.equal(torch.cat(split).sort().values, torch.arange(100))


def test_a_seed_is_one_division() -> None:
    first, again, other = (splits.split_random(50, seed=seed) for seed in (1, 1, 2))
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first.train, other.train)


def test_fewer_may_be_used_than_there_are() -> None:
    assert sizes(splits.split_random(100, 10, 5, 5)) == (10, 5, 5)
    assert sizes(splits.split_random(100, 10, 5, None)) == (10, 5, 85)
    assert sizes(splits.split_random(100, None, 0, 0)) == (100, 0, 0)


@pytest.mark.parametrize(
    "asked",
    [(None, 60, 60), (50, 30, 30), (0, 1, 1), (None, None, 1), (-1, 1, 1), (2.5, 1, 1)],
)
def test_what_cannot_be_divided_is_refused(asked: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected|only one may be None"):
        splits.split_random(100, *asked)


def test_in_time_the_test_comes_last_in_each_trajectory() -> None:
    split = splits.split_by_time([100, 50], val=0.1, test=0.2, gap=5)
    assert sizes(split) == (63 + 28, 9 + 4, 18 + 8)
    for start, end in ((0, 100), (100, 150)):
        parts = [part[(part >= start) & (part < end)] for part in split]
        assert parts[0][0] == start
        assert parts[2][-1] == end - 1
        assert parts[1][0] - parts[0][-1] == parts[2][0] - parts[1][-1] == 6


def test_a_file_without_structures_changes_nothing() -> None:
    one, other = splits.split_by_time([0, 20, 0]), splits.split_by_time(20)
    assert all(map(torch.equal, one, other))
    with pytest.raises(ValueError, match="got 0 structures"):
        splits.split_by_time([0, 0])


def test_a_trajectory_shorter_than_its_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="got -6 structures"):
        splits.split_by_time(4, gap=5)


def test_what_is_not_named_tests() -> None:
    split = splits.split_as_given(6, torch.tensor([5, 0]), torch.tensor([2]))
    assert [part.tolist() for part in split] == [[5, 0], [2], [1, 3, 4]]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (([0, 6],), "train names structure 6 of 6"),
        (([0, -1],), "train names structure -1 of 6"),
        (([0, 0],), "train names a structure twice"),
        (([0], [1], [1]), "test names a structure twice, or one named before"),
        (([], [1]), "no structure to train on"),
    ],
)
def test_wrong_places_are_refused(places: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        splits.split_as_given(6, *map(torch.tensor, places))


def test_places_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("3\n1\n2\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("3, 1  2", encoding="utf-8")
    np.save(tmp_path / "c.npy", np.array([3, 1, 2], dtype=np.uint8))
    np.savez(tmp_path / "d.npz", np.array([3, 1, 2]))
    for name in ("a.csv", "b.txt", "c.npy", "d.npz"):
        assert splits.read_indices(tmp_path / name).tolist() == [3, 1, 2], name


def test_one_of_several_arrays_is_named(tmp_path: Path) -> None:
    path = tmp_path / "split.npz"
    np.savez(path, idx_train=np.arange(3), idx_val=np.arange(2))
    assert splits.read_indices(path, "idx_val").tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"holds \['idx_train', 'idx_val'\], name one"):
        splits.read_indices(path)


def test_what_is_no_list_of_places_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("3\n1.5\n", encoding="utf-8")
    np.save(tmp_path / "b.npy", np.ones(3))
    with pytest.raises(ValueError, match="does not hold whole numbers"):
        splits.read_indices(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="holds float64"):
        splits.read_indices(tmp_path / "b.npy")
