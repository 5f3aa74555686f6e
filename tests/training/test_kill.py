"""Kill -9 at random moments: nothing is lost that had been saved."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyg_equivariant.training.checkpoint import BEST, LAST, load_checkpoint
from pyg_equivariant.training.curve import CURVE, read_curve

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10


def start(folder: Path, root: Path) -> subprocess.Popen[bytes]:
    """Many short epochs, a checkpoint after every step, so that many are cut off."""
    flags = "--model schnet --target U0 --preset painn --ema 0.9 --num-train 100"
    flags += " --batch-size 20 --epochs 200 --hidden-channels 8 --num-layers 1"
    flags += " --checkpoint-every 1 --accelerator cpu --resume"
    places = ["--root", str(root), "--folder", str(folder)]
    return subprocess.Popen(
        [sys.executable, "examples/qm9.py", *flags.split(), *places],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def steps_done(folder: Path) -> int:
    path = folder / LAST
    return int(load_checkpoint(path)["global_step"]) if path.is_file() else 0


def kill_while_it_trains(folder: Path, root: Path, chance: random.Random) -> int:
    """Kill a run at a random moment of its training; how far it had come."""
    before = steps_done(folder)
    process = start(folder, root)
    while process.poll() is None and steps_done(folder) == before:
        time.sleep(0.05)
    time.sleep(chance.uniform(0.0, 1.5))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read().decode()
    return steps_done(folder)


@pytest.mark.slow
def test_killed_ten_times(qm9_root: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole, qm9_root)
    assert process.wait() == 0, process.stderr.read().decode()

    chance = random.Random(0)
    steps = [kill_while_it_trains(killed, qm9_root, chance) for _ in range(KILLS)]
    print(f"killed after steps {steps}")
    assert steps == sorted(set(steps)), "every part of the run got further"
    assert steps[-1] < 1000, "the last kill, too, was before the end"
    process = start(killed, qm9_root)
    assert process.wait() == 0, process.stderr.read().decode()

    assert read_curve(whole / CURVE) == read_curve(killed / CURVE)
    for name in (BEST, LAST):
        one, other = load_checkpoint(whole / name), load_checkpoint(killed / name)
        assert one["global_step"] == other["global_step"]
        for key, value in one["state_dict"].items():
            assert value.equal(other["state_dict"][key]), key
    report = "report.json"
    assert (whole / report).read_text() == (killed / report).read_text()
