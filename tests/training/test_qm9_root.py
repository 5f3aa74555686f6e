"""A root of QM9 that is there in part: made anew, or named."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch_geometric.datasets import QM9

from pyg_equivariant.training.qm9.data import open_qm9

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(qm9_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil, where raw data are as PyG keeps them without rdkit."""
    folder = tmp_path / "qm9"
    shutil.copytree(qm9_root, folder)
    molecules = [
        {"z": torch.tensor([1, 1]), "pos": torch.eye(2, 3), "y": torch.zeros(1, 19)}
    ] * 40
    torch.save(molecules, folder / "raw" / "qm9_v3.pt")
    monkeypatch.setitem(sys.modules, "rdkit", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return folder


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def offline(self: QM9) -> None:
    raise OSError("no network")


@pytest.mark.parametrize("name", ["data_v3.pt", "pre_filter.pt", "pre_transform.pt"])
@pytest.mark.parametrize("empty", [False, True])
def test_half_a_processed_set_is_named(root: Path, name: str, empty: bool) -> None:
    path = root / "processed" / name
    path.write_bytes(b"") if empty else halve(path)
    with pytest.raises(ValueError, match=r"data_v3\.pt.* cannot be read") as error:
        open_qm9(root)
    message = str(error.value)
    assert f"delete the folder {root / 'processed'}" in message
    assert "\n" not in message
    shutil.rmtree(root / "processed")
    assert len(open_qm9(root)) == 40


def test_half_a_raw_file_is_named(root: Path) -> None:
    shutil.rmtree(root / "processed")
    halve(root / "raw" / "qm9_v3.pt")
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be processed") as error:
            open_qm9(root)
        assert f"delete the folder {root / 'raw'}" in str(error.value)
        assert "\n" not in str(error.value)


def test_half_a_download_is_named(root: Path) -> None:
    shutil.rmtree(root / "processed")
    archive = root / "raw" / "qm9_v3.zip"
    (root / "raw" / "qm9_v3.pt").rename(archive)
    halve(archive)
    with pytest.raises(FileNotFoundError, match=r"Delete .*qm9_v3\.zip, which may be"):
        open_qm9(root)


def test_a_missing_raw_file_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QM9, "download", offline)
    (root / "raw" / "qm9_v3.pt").unlink()
    with pytest.raises(FileNotFoundError, match="with an empty file in place of each"):
        open_qm9(root)
    (root / "raw" / "qm9_v3.pt").touch()
    assert len(open_qm9(root)) == 131


def test_killed_while_processing_begins_anew(root: Path) -> None:
    """The processed set is there when it is whole."""
    shutil.rmtree(root / "processed")
    script = (
        "import os, signal, sys; "
        "sys.modules['rdkit'] = None; "
        "from torch_geometric.io import fs\n"
        "def half(data, path):\n"
        "    open(path, 'wb').write(b'PK'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "fs.torch_save = half\n"
        "from pyg_equivariant.training.qm9.data import open_qm9\n"
        f"open_qm9({str(root)!r})"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert not (root / "processed" / "data_v3.pt").exists()
    assert len(open_qm9(root)) == 40
    assert not list((root / "processed").glob(".*"))


def test_a_full_disk_while_processing_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(root / "processed")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch_geometric.io.fs.torch_save", full)
    with pytest.raises(OSError, match=r"data_v3\.pt could not be written .*No space"):
        open_qm9(root)
    monkeypatch.undo()
    assert not (root / "processed" / "data_v3.pt").exists()
