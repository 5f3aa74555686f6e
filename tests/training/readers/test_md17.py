"""Trajectories of MD17 come in eV, divided as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("lightning")
readers = pytest.importorskip("pyg_equivariant.training.readers")

KCAL = 0.04336410390059322  # eV, of a kcal/mol
CHARGES = np.array([8, 1, 1], dtype=np.uint8)


def arrays(frames: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "coords": rng.normal(size=(frames, 3, 3)),
        "energies": -47895.123456789 + rng.normal(size=frames),
        "forces": rng.normal(size=(frames, 3, 3)),
        "nuclear_charges": CHARGES,
        "old_energies": np.zeros(frames),
    }


def older(new: dict[str, Any]) -> dict[str, Any]:
    """The same under the names of MD17."""
    energies = new["energies"][:, None]
    return {"R": new["coords"], "E": energies, "F": new["forces"], "z": CHARGES}


def check(reading: Any, expected: dict[str, Any]) -> None:
    z, pos, sizes, labels, *_ = reading.structures.check()
    frames = len(expected["energies"])
    assert z.tolist() == [8, 1, 1] * frames
    assert sizes.tolist() == [3] * frames
    assert np.array_equal(pos, expected["coords"].reshape(-1, 3))
    np.testing.assert_allclose(
        labels["energy"], expected["energies"] * KCAL, rtol=1e-14
    )
    forces = expected["forces"].reshape(-1, 3) * KCAL
    np.testing.assert_allclose(labels["forces"], forces, rtol=1e-14)


def test_both_kinds_of_files(tmp_path: Path) -> None:
    expected = arrays(4)
    np.savez(tmp_path / "rmd17_water.npz", **expected)
    np.savez(tmp_path / "md17_water.npz", **older(expected))
    for name in ("rmd17_water.npz", "md17_water.npz"):
        reading = readers.read_rmd17(tmp_path / name, dtype=torch.float64)
        check(reading, expected)
        assert reading.split is None
    single = readers.read_rmd17(tmp_path / "rmd17_water.npz").structures
    assert single.pos.dtype == single.labels["forces"].dtype == torch.float32
    assert single.labels["energy"].dtype == torch.float64


def publish(folder: Path, frames: int = 40) -> Path:
    """The folders of the archive of rMD17."""
    (folder / "npz_data").mkdir(parents=True)
    (folder / "splits").mkdir()
    order = np.random.default_rng(1).permutation(frames)
    for part, places in (("train", order[:10]), ("test", order[10:20])):
        path = folder / "splits" / f"index_{part}_02.csv"
        np.savetxt(path, places, fmt="%d")
    path = folder / "npz_data" / "rmd17_water.npz"
    np.savez(path, **arrays(frames))
    return path


def sets(split: tuple[Tensor, ...]) -> list[set[int]]:
    return [set(part.tolist()) for part in split]


def test_a_published_division(tmp_path: Path) -> None:
    path = publish(tmp_path)
    train, val, test = sets(readers.read_rmd17(path, split=2, num_val=3).split)
    order = np.random.default_rng(1).permutation(40).tolist()
    assert (len(train), len(val)) == (7, 3)
    assert train | val == set(order[:10])
    assert test == set(order[10:20])
    other = sets(readers.read_rmd17(path, split=2, num_val=3, seed=1).split)
    assert other[1] != val
    with pytest.raises(FileNotFoundError, match=r"index_train_03\.csv and .* none of"):
        readers.read_rmd17(path, split=3)
    with pytest.raises(ValueError, match="num_val=10 of 10 frames"):
        readers.read_rmd17(path, split=2, num_val=10)


def test_a_division_of_another_file_is_refused(tmp_path: Path) -> None:
    path = publish(tmp_path)
    np.savez(path, **arrays(15))
    with pytest.raises(ValueError, match="names frames beyond the 15 of"):
        readers.read_rmd17(path, split=2)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("rmd17_water_train_01.npz", "rmd17_water_test_01.npz"),
        ("a-train.npz", "a-test.npz"),
    ],
)
def test_two_files_are_a_division(tmp_path: Path, train: str, test: str) -> None:
    first, second = arrays(6), arrays(4, seed=1)
    np.savez(tmp_path / train, **first)
    alone = readers.read_rmd17(tmp_path / train)
    assert alone.split is None
    np.savez(tmp_path / test, **second)
    reading = readers.read_rmd17(tmp_path / train, num_val=2, dtype=torch.float64)
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    check(reading, both)
    assert reading.lengths == (6, 4)
    parts = sets(reading.split)
    assert list(map(len, parts)) == [4, 2, 4]
    assert parts[0] | parts[1] == set(range(6))
    np.savez(tmp_path / test, **{**second, "nuclear_charges": CHARGES[::-1]})
    with pytest.raises(ValueError, match="hold different molecules"):
        readers.read_rmd17(tmp_path / train)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npz holds x; expected coords"):
        readers.read_rmd17(tmp_path / "a.npz")
    (tmp_path / "c.npz").write_text("Not found", encoding="utf-8")
    with pytest.raises(ValueError, match=r"c\.npz is no \.npz file"):
        readers.read_rmd17(tmp_path / "c.npz")
    with pytest.raises(FileNotFoundError):
        readers.read_rmd17(tmp_path / "d.npz")
    wrong = {**arrays(3), "forces": np.zeros((3, 2, 3))}
    np.savez(tmp_path / "b.npz", **wrong)
    with pytest.raises(ValueError, match=r"forces of shape \(3, 2, 3\), expected"):
        readers.read_rmd17(tmp_path / "b.npz")


@pytest.mark.parametrize("name", ["revised ethanol", "ethanol"])
def test_the_data_set_of_pyg(tmp_path: Path, name: str) -> None:
    md17 = pytest.importorskip("torch_geometric.datasets").MD17
    expected = arrays(5)
    if name == "ethanol":
        path = tmp_path / name / "raw" / "md17_ethanol.npz"
        content = older(expected)
    else:
        path = tmp_path / "raw" / "rmd17" / "npz_data" / "rmd17_ethanol.npz"
        content = expected
    path.parent.mkdir(parents=True)
    np.savez(path, **content)
    dataset = md17(str(tmp_path), name)
    check(readers.read_rmd17(dataset, dtype=torch.float64), expected)
    with pytest.raises(ValueError, match="got a part of a data set"):
        readers.read_rmd17(dataset[:2])
    path.unlink()
    with pytest.raises(FileNotFoundError, match="from which the data set was made"):
        readers.read_rmd17(dataset)


def test_published_frames(shared: Path) -> None:
    path = shared / "data" / "rmd17" / "rmd17_ethanol_train_01.npz"
    if not path.is_file():
        pytest.skip("no rMD17")
    reading = readers.read_rmd17(path, dtype=torch.float64)
    assert tuple(map(len, reading.split)) == (950, 50, 1000)
    with np.load(path) as loaded:
        energies, forces = loaded["energies"], loaded["forces"]
    labels = reading.structures.labels
    np.testing.assert_allclose(labels["energy"][:1000], energies * KCAL, rtol=1e-14)
    np.testing.assert_allclose(
        labels["forces"][:9000], forces.reshape(-1, 3) * KCAL, rtol=1e-14
    )
