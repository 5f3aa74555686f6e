"""Commands: kernels shown, cleared, and built ahead for machines without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pyg_equivariant import __main__ as commands
from pyg_equivariant.commands import kernels
from pyg_equivariant.kernels.c.build import compiler
from pyg_equivariant.kernels.environment import CACHE
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import save_model

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
TRAIN = """
import warnings
import torch
from pyg_equivariant.kernels.c.compiler import compiler
from pyg_equivariant.kernels.dispatch import backend
from pyg_equivariant.networks import NETWORKS
from pyg_equivariant.nn import save_model

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


def _model_file(folder: Path) -> Path:
    path = folder / "model.pt"
    save_model(NETWORKS["painn"].build_small(), path)
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
    file = str(_model_file(folder))
    built = _run("-m", "pyg_equivariant", "kernels", "--build", file)
    assert built.returncode == 0, built.stderr
    assert " kernels are kept" in built.stdout
    ran = _run("-c", TRAIN, PATH="", CC="")
    assert ran.returncode == 0, ran.stderr
    cleared = _run("-m", "pyg_equivariant", "kernels", "--clear")
    assert "0 kernels, 0.0 MB" in cleared.stdout
    assert not list((folder / "cache").iterdir())


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nothing", "is no file, and none of the networks: schnet, lieresnet"),
        ("text", "is damaged, .* run one step of it"),
        ("values", "holds no network: .* run one step of it"),
    ],
)
def test_what_cannot_be_built(
    folder: Path, what: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "can_compile", lambda: True)
    path = folder / "model"
    if what == "text":
        path.write_text("no model")
    elif what == "values":
        torch.save({"state_dict": {}}, path)
    with pytest.raises(SystemExit, match=f"error: .*model {reason}"):
        commands.main(["kernels", "--build", str(path)])


def test_building_ahead_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "can_compile", lambda: False)
    with pytest.raises(SystemExit, match="cannot be compiled here"):
        commands.main(["kernels", "--build", "painn"])


def test_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    commands.main(["kernels"])
    assert "0 kernels, 0.0 MB" in capsys.readouterr().out


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="got command 'fitt', expected one of fit, "):
        commands.main(["fitt"])
    commands.main([])
    assert "fit        train a network" in capsys.readouterr().out


def test_kernels_need_no_lightning(folder: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['lightning'] = None\n"
        "from pyg_equivariant.__main__ import main\n"
        "main(['kernels'])\n"
        "main(['fit', 'structures.xyz'])"
    )
    ran = _run("-c", code)
    assert "kernels, " in ran.stdout
    assert ran.returncode == 1
    assert 'pip install "pyg_equivariant[training]"' in ran.stderr
    assert "Traceback" not in ran.stderr
