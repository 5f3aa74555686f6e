"""Files are whole or not there; a folder belongs to one run at a time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import qm9
import torch

from pyg_equivariant.files import NotWrittenError
from pyg_equivariant.training import folder_lock
from pyg_equivariant.training.checkpoint import (
    BEST,
    LAST,
    AtomicCheckpointIO,
    load_checkpoint,
)
from pyg_equivariant.training.folder_lock import LOCK, FolderLock
from pyg_equivariant.training.resume import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
LIMITED = """
import resource, runpy, sys
from pathlib import Path
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
sys.path.insert(0, "examples")
sys.argv[0] = "examples/qm9.py"
runpy.run_path(sys.argv[0], run_name="__main__")
"""
HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, "examples")
from pyg_equivariant.training.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def command(folder: Path, root: Path, *flags: str) -> list[str]:
    small = "--model schnet --target U0 --preset painn --accelerator cpu"
    small += " --batch-size 20 --hidden-channels 8 --num-layers 1"
    return [*small.split(), "--root", str(root), "--folder", str(folder), *flags]


def test_a_second_run_in_the_folder_is_refused(qm9_root: Path, tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for flags in ((), ("--resume",)):
            with pytest.raises(FileExistsError, match="--folder") as error:
                qm9.main(command(tmp_path, qm9_root, *flags))
            said = f"in use by another run (process {holder.pid} on "
            assert said in str(error.value)
            assert "\n" not in str(error.value)
        assert [file.name for file in tmp_path.iterdir()] == [LOCK]
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    # What the killed one has left is no lock
    assert (tmp_path / LOCK).is_file()
    FolderLock(tmp_path)


def test_a_child_of_the_run_does_not_keep_the_lock(tmp_path: Path) -> None:
    """Loading processes may outlive a killed run for some seconds."""
    script = HOLD.replace("time.sleep(600)", "import os; os.fork(); time.sleep(600)")
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        time.sleep(0.2)
        with pytest.raises(FileExistsError, match="in use"):
            FolderLock(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        FolderLock(tmp_path)
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.stdout.close()


def test_without_locks_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(folder_lock.fcntl, "lockf", unknown)
    FolderLock(tmp_path)
    monkeypatch.setattr(folder_lock, "fcntl", None)
    with pytest.raises(FileExistsError, match="in use"):
        FolderLock(tmp_path)
    FolderLock(tmp_path / "other")


def test_a_full_disk_leaves_the_checkpoint_before(
    qm9_root: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the disk."""
    qm9.main(command(tmp_path, qm9_root, "--epochs", "1"))
    size = (tmp_path / LAST).stat().st_size
    (tmp_path / "report.json").unlink()
    settings = tmp_path / SETTINGS
    text = settings.read_text("utf-8").replace('"epochs": 1', '"epochs": 9')
    settings.write_text(text, "utf-8")
    steps = load_checkpoint(tmp_path / LAST)["global_step"]

    goes_on = command(tmp_path, qm9_root, "--epochs", "9", "--resume")
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size // 2), *goes_on],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    error = result.stderr.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert "ckpt could not be written" in error
    assert "--resume" in error
    assert load_checkpoint(tmp_path / LAST)["global_step"] == steps
    assert load_checkpoint(tmp_path / BEST)["state_dict"]
    assert not list(tmp_path.glob(".*.partial"))
    assert not (tmp_path / "report.json").exists()

    qm9.main(goes_on)
    assert load_checkpoint(tmp_path / LAST)["global_step"] == 9 * steps
    assert (tmp_path / "report.json").is_file()


def test_a_full_disk_in_the_middle_of_a_checkpoint(tmp_path: Path) -> None:
    path, io = tmp_path / LAST, AtomicCheckpointIO()
    io.save_checkpoint({"x": torch.ones(100)}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(NotWrittenError, match=r"last\.ckpt could not be") as error:
            io.save_checkpoint({"x": torch.ones(99_999)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert torch.equal(load_checkpoint(path)["x"], torch.ones(100))
    assert list(tmp_path.iterdir()) == [path]
