"""Commands: kernels shown, cleared, and built ahead for machines without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import torch

from pyg_equivariant import __main__ as commands
from pyg_equivariant.kernels.c.build import compiler
from pyg_equivariant.kernels.environment import CACHE
from pyg_equivariant.networks import NETWORKS

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
TRAIN = """
import warnings
import torch
from pyg_equivariant.kernels.c.compiler import compiler
from pyg_equivariant.kernels.dispatch import backend
from pyg_equivariant.networks import NETWORKS

assert compiler() is None
warnings.simplefilter("error", UserWarning)
model = NETWORKS["painn"].build_small()
pos = torch.randn(900, 3, requires_grad=True)
assert backend(pos) == "c"
z, batch = torch.ones(900, dtype=torch.long), torch.arange(100).repeat_interleave(9)
energy = model(z, pos, batch).sum()
forces = torch.autograd.grad(energy, pos, create_graph=True)[0]
forces.square().sum().backward()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for the processes that a test starts."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path


@dataclass
class _Settings:
    model: str
    network: dict[str, object]
    head: str = "sum"


def _checkpoint(folder: Path) -> Path:
    network = NETWORKS["painn"]
    settings = _Settings(network.name, dict(network.small))
    path = folder / "best.ckpt"
    torch.save({"hyper_parameters": {"settings": asdict(settings)}}, path)
    return path


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@needs_compiler
def test_built_ahead_for_machines_without_a_compiler(folder: Path) -> None:
    """The checkpoint's network then trains with kernels, and without a warning."""
    file = str(_checkpoint(folder))
    built = _run("-m", "pyg_equivariant", "kernels", "--build", file)
    assert built.returncode == 0, built.stderr
    assert " kernels are kept" in built.stdout
    ran = _run("-c", TRAIN, PATH="", CC="")
    assert ran.returncode == 0, ran.stderr
    cleared = _run("-m", "pyg_equivariant", "kernels", "--clear")
    assert "0 kernels, 0.0 MB" in cleared.stdout
    assert not list((folder / "cache").iterdir())


@pytest.mark.parametrize("what", ["nothing", "another file", "other values"])
def test_what_cannot_be_built(
    folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "can_compile", lambda: True)
    path = folder / "model"
    if what == "another file":
        path.write_text("no checkpoint")
    elif what == "other values":
        torch.save({"state_dict": {}}, path)
    reason = "no file, and none" if what == "nothing" else "no checkpoint that train"
    with pytest.raises(SystemExit, match=f"error: .*model is {reason}"):
        commands.main(["kernels", "--build", str(path)])


def test_building_ahead_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "can_compile", lambda: False)
    with pytest.raises(SystemExit, match="cannot be compiled here"):
        commands.main(["kernels", "--build", "painn"])


def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    commands.main(["kernels"])
    assert "0 kernels, 0.0 MB" in capsys.readouterr().out
