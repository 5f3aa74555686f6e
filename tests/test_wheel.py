"""What is installed from a wheel is whole, and runs outside the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from pyg_equivariant.kernels.c.build import compiler

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pyg_equivariant"
# Every network computes forces and learns from them; nothing of an extra is there.
USE = f"""
import sys, warnings

EXTRAS = ("ase", "e3nn", "huggingface_hub", "lightning", "matplotlib", "pytest",
          "scipy", "torch_scatter", "torch_sim", "torchmetrics", "vesin")
OF_EXTRAS = ("training", "simulation", "commands")
sys.modules.update(dict.fromkeys(EXTRAS))
warnings.simplefilter("error", UserWarning)

import importlib, pkgutil
import torch
import {PACKAGE}
from {PACKAGE}.networks import NETWORKS

def leave_out(name):
    assert name.partition(".")[2].partition(".")[0] in OF_EXTRAS, name

for module in pkgutil.walk_packages({PACKAGE}.__path__, "{PACKAGE}.", leave_out):
    try:
        importlib.import_module(module.name)
    except ImportError as error:  # of an extra, which it names
        leave_out(module.name)
        assert "pip install" in str(error), error
for network in NETWORKS.values():
    model = network.build_small()
    pos = torch.randn(9, 3, requires_grad=True)
    energy = model(torch.ones(9, dtype=torch.long), pos, torch.arange(3).repeat(3))
    forces, = torch.autograd.grad(energy.sum(), pos, create_graph=True)
    (forces.square().sum() + energy.sum()).backward()
print({PACKAGE}.__file__)
"""


def _run(*command: str, cwd: Path, path: Path | None = None) -> str:
    """What a command of this Python prints, with only ``path`` before its packages."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment |= {"PYTHONPATH": str(path), "PYG_EQUIVARIANT_CACHE": f"{path}-c"}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _build(source: Path, out: Path, target: str) -> Path:
    _run("-m", "hatchling", "build", "-t", target, "-d", str(out), cwd=source)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    return _build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


def _contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    """Sources of kernels and the marker of types too, and nothing besides."""
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    packed = {name for name in _contents(wheel) if ".dist-info/" not in name}
    assert packed == there
    kinds = {Path(name).suffix for name in packed}
    assert kinds == {".py", ".c", ".h", ".jinja", ".typed"}


def test_the_core_needs_four_packages(wheel: Path) -> None:
    (name,) = (name for name in _contents(wheel) if name.endswith("/METADATA"))
    lines = _contents(wheel)[name].decode().splitlines()
    needs = [line for line in lines if line.startswith("Requires-Dist: ")]
    core = [need.split()[1] for need in needs if "extra ==" not in need]
    names = {need.split(">")[0] for need in core}
    assert names == {"torch", "torch-geometric", "numpy", "sympy"}


def test_the_source_distribution_builds_the_same_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    sources = _build(ROOT, tmp_path / "sdist", "sdist")
    with tarfile.open(sources) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    again = _build(folder, tmp_path / "again", "wheel")
    assert _contents(again) == _contents(wheel)


@pytest.mark.slow
@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
def test_it_runs_outside_the_repository_without_extras(
    wheel: Path, tmp_path: Path
) -> None:
    installed = tmp_path / "installed"
    with ZipFile(wheel) as archive:
        archive.extractall(installed)
    found = _run("-c", USE, cwd=tmp_path, path=installed)
    assert found.strip() == str(installed / PACKAGE / "__init__.py")
    report = _run("-m", PACKAGE, "kernels", cwd=tmp_path, path=installed)
    assert re.search(r"\b[1-9]\d* kernels", report), report


@pytest.mark.slow
def test_it_trains_and_predicts_outside_the_repository(
    wheel: Path, tmp_path: Path
) -> None:
    build, emt = (
        pytest.importorskip(f"ase.{name}") for name in ("build", "calculators.emt")
    )
    installed = tmp_path / "installed"
    with ZipFile(wheel) as archive:
        archive.extractall(installed)
    frames = []
    for seed in range(20):
        atoms = build.bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = emt.EMT()
        atoms.get_stress()
        frames.append(atoms)
    ase_io = pytest.importorskip("ase.io")
    ase_io.write(tmp_path / "copper.xyz", frames)
    small = (
        "--epochs 1 --hidden-channels 8 --num-layers 1 --accelerator cpu --folder run"
    )
    fit = ["-m", PACKAGE, "fit", "copper.xyz", *small.split()]
    assert "meV/A" in _run(*fit, cwd=tmp_path, path=installed)
    predict = [
        "-m",
        PACKAGE,
        "predict",
        "run/model.pt",
        "copper.xyz",
        "--out",
        "out.xyz",
    ]
    _run(*predict, cwd=tmp_path, path=installed)
    found = ase_io.read(tmp_path / "out.xyz", index=":")
    assert len(found) == 20
    assert found[0].get_forces().shape == (4, 3)
