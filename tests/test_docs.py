"""The reference pages keep their promises: their examples run.

Pages of the guide run when the documentation is built.
"""

from __future__ import annotations

import doctest
import re
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:[ ]+.*\n|\n)+)", re.MULTILINE)
# What no test can run, and why.
ELSEWHERE = {
    "import mace": "needs the authors' package",
    "import torch_sim": "tests/simulation/test_torch_sim.py",
    "push_to_hub": "tests/nn/models/test_pretrained.py",
}


def blocks(page: str) -> list[str]:
    """The blocks of code of a page that can run here."""
    text = (DOCS / page).read_text("utf-8")
    found = [dedent(code) for code in BLOCK.findall(text)]
    return [code for code in found if not any(word in code for word in ELSEWHERE)]


def run(page: str, **names: Any) -> dict[str, Any]:
    """Run the blocks of a page one after the other; what they leave behind."""
    for code in blocks(page):
        exec(compile(code, page, "exec"), names)
    return names


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to work in, in which training takes an epoch."""
    training = pytest.importorskip("pyg_equivariant.training")
    fit = training.fit

    def shortly(*args: Any, **options: Any) -> Any:
        options |= {"epochs": 1, "verbose": False, "machine": {"accelerator": "cpu"}}
        options |= {"folder": tmp_path / f"run{len(list(tmp_path.glob('run*')))}"}
        return fit(*args, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "fit", shortly)
    return tmp_path


def copper(count: int, key: str) -> list[Any]:
    """Distorted crystals of copper, with energies and forces of EMT."""
    build = pytest.importorskip("ase.build")
    emt = pytest.importorskip("ase.calculators.emt")
    crystals = []
    for seed in range(count):
        atoms = build.bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        calculator = emt.EMT()
        energy = calculator.get_potential_energy(atoms)
        atoms.info[f"{key}energy"] = energy
        atoms.arrays[f"{key}forces"] = calculator.get_forces(atoms)
        crystals.append(atoms)
    return crystals


def test_every_page_with_code_is_tested() -> None:
    pages = {page.name for page in DOCS.glob("*.rst") if blocks(page.name)}
    assert pages == {
        *("own_data.rst", "simulation.rst", "trained_networks.rst", "training.rst")
    }


@pytest.mark.parametrize(
    "page",
    [page.name for page in sorted(DOCS.glob("*.rst")) if ">>>" in page.read_text()],
)
def test_sessions(page: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    with torch.random.fork_rng():
        failed, tried = doctest.testfile(str(DOCS / page), False, optionflags=flags)
    assert tried > 0
    assert failed == 0


def test_data_of_your_own(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    io = pytest.importorskip("ase.io")
    ase = pytest.importorskip("ase")
    io.write("train.extxyz", copper(12, "REF_"))
    io.write("isolated_atoms.extxyz", ase.Atoms("Cu", info={"REF_energy": 3.5}))
    first, second, third = blocks("own_data.rst")
    second = second.replace("fit(graphs", "fit(graphs.pop(0)")
    third = third.replace("gap=100", "gap=1")

    def graphs(**made: Any) -> list[Data]:
        pos = {"pos": torch.randn(4, 3)}
        return [Data(**pos, **{k: f() for k, f in made.items()}) for _ in range(12)]

    z = partial(torch.randint, 1, 4, (4,))
    names: dict[str, Any] = {
        "graphs": [
            graphs(x=partial(torch.randn, 4, 4), y=partial(torch.randn, 1, 3)),
            graphs(z=z, alpha=lambda: torch.eye(3).unsqueeze(0)),
            graphs(z=z, x=partial(torch.randn, 4, 3), y=partial(torch.randn, 1, 1)),
        ]
    }
    for code in (first, second, third):
        exec(compile(code, "own_data.rst", "exec"), names)
    assert "12" in capsys.readouterr().out
    assert not names["graphs"]


def test_training(quick: Path) -> None:
    io = pytest.importorskip("ase.io")
    from pyg_equivariant.training.readers import read_ase

    io.write("structures.xyz", copper(12, "REF_"), format="extxyz")
    dataset = [
        Data(z=torch.tensor([8, 1]), pos=torch.randn(2, 3), y=torch.randn(1, 19))
        for _ in range(12)
    ]
    (code,) = blocks("training.rst")
    molecules = "model = fit(dataset"
    assert molecules in code
    head, _, rest = code.partition(molecules)
    structures = read_ase("structures.xyz").structures
    names: dict[str, Any] = {"dataset": dataset, "structures": structures}
    exec(
        head
        + "potential = model\n"
        + molecules
        + rest.replace("predict(model", "predict(potential"),
        names,
    )
    assert set(names["found"]) >= {"energy", "forces"}


def test_files_of_networks(quick: Path) -> None:
    from pyg_equivariant.nn import PaiNN

    names = run("trained_networks.rst", model=PaiNN(8, num_layers=1))
    assert names["model"].card.unit == "eV"


def test_simulations(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ase")
    pytest.importorskip("vesin")
    from pyg_equivariant import nn

    torch.manual_seed(0)
    model = nn.PaiNN(8, num_layers=2, cutoff=5.0, head="extensive")
    nn.save_model(model, "model.pt", nn.Card("energy", "eV", species=(29,)))
    names = run("simulation.rst")
    assert names["atoms"].get_stress().shape == (6,)
    printed = capsys.readouterr().out.strip()
    assert printed in dedent((DOCS / "simulation.rst").read_text("utf-8")).replace(
        "\n   ", "\n"
    )
