"""The benchmarks run at tiny sizes, and what they share does what it says."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_equivariant.o3 import TensorProductPaths


def rows_of(text: str) -> list[list[str]]:
    """The cells of the rows between the second rule of a table and the third."""
    lines = text.splitlines()
    rules = [k for k, each in enumerate(lines) if set(each) == {"=", " "}]
    assert len(rules) == 3
    return [line.split() for line in lines[rules[1] + 1 : rules[2]]]


def test_calls_alternate_until_time_is_up(load: Callable[[str], Any]) -> None:
    calls: list[str] = []
    functions = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    times = load("timing").in_turns(functions, 0.0, least=4)
    assert calls == ["a", "b"] * 4
    assert [len(found) for found in times.values()] == [4, 4]


def test_rows_of_a_table(
    load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    timing = load("timing")
    timing.rows("gate", {"ours": [3.0, 1.0, 2.0], "e3nn": [4.0, 8.0, 5.0]})
    cells = capsys.readouterr().out.split()
    assert cells == ["gate", "e3nn", "2.00", "5.00", "2.50", "4.00"]


def test_different_results_stop_a_benchmark(load: Callable[[str], Any]) -> None:
    timing = load("timing")
    a = torch.tensor([1.0, 100.0])
    timing.same("it", [a], [a + 1e-4])
    with pytest.raises(SystemExit, match=r"it: results differ by 1\.0e-02"):
        timing.same("it", [a, a + 1], [a, a])
    with pytest.raises(SystemExit, match="nan"):
        timing.same("it", [a * torch.nan], [a])


def test_rise_of_memory(load: Callable[[str], Any]) -> None:
    timing, status = load("timing"), Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("memory is read from /proc")
    (line,) = (each for each in status.read_text().split("\n") if "VmRSS" in each)
    free = int(timing.highest() - int(line.split()[1]) / 1024)  # below the old peak
    assert 90 < timing.rise(lambda: bytearray((free + 100) << 20)) < 110
    assert timing.rise(lambda: None) == 0


@pytest.mark.parametrize("lmax", [1, 2])
def test_convolution(
    lmax: int, load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("e3nn")
    load("convolution").main(["--quick", "--lmax", str(lmax)])
    found = [row for row in rows_of(capsys.readouterr().out) if "e3nn" in row]
    assert [row[4] for row in found] == ["forward", "forward", "double"]


def test_layers(load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("e3nn")
    load("layers").main(["--quick"])
    assert len(rows_of(capsys.readouterr().out)) == 6


def test_networks(
    load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    load("networks").main(["--quick"])
    out = capsys.readouterr().out
    assert "2 random molecules" in out
    assert "without EGNN of its authors: git clone" in out
    rows = [line.split() for line in out.splitlines() if line.startswith("SchNet, ")]
    assert len(rows) in (3, 6)


def test_potentials_without_their_authors_packages(
    load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    load("potentials").main(["--quick", "--networks", "nequip", "--threads", "1"])
    out = capsys.readouterr().out
    assert "2 random molecules" in out
    assert "without nequip: an environment with nequip; --nequip PYTHON" in out
    rows = [line for line in out.splitlines() if line.startswith("nequip, ")]
    steps = ("forward", "training step", "energy + force training step")
    assert len(rows) >= len(steps)
    for line, step in zip(rows, steps, strict=False):
        assert line.split()[-6:-5] == ["ours"]
        assert line.startswith(f"nequip, {step} ")
    assert "nequip: convolution, GFLOP/s, % of peak" in out


def test_operations_of_a_convolution(load: Callable[[str], Any]) -> None:
    paths = TensorProductPaths.depthwise("4x0e+4x1o", "0e", keep="0e+1o")
    value, derivatives = load("potential_shares").operations(paths)
    # four components of four channels: a product with y and one with the weight
    assert value == 4 * 4 * 4
    assert derivatives > 2 * value


def test_directional(
    load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("scipy")
    load("directional").main(["--quick"])
    out = capsys.readouterr().out
    assert "triplets" in out
    assert "without SphereNet: git clone" in out
    assert len([line for line in out.splitlines() if line.startswith("DimeNet++")]) == 3


def test_family(load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("e3nn")
    load("family").main(["--quick", "--threads", "1"])
    out = capsys.readouterr().out
    for peer in ("SE(3)-Transformer", "Cormorant", "LieConv", "N-body networks"):
        assert f"without {peer} of its authors: " in out
        assert "git clone https://github.com/" in out
    rows = [line for line in out.splitlines() if line.startswith("L1Net layer, ")]
    assert [float(row.split()[-1]) > 0 for row in rows] == [True] * 3


def test_stand_in_of_dgl(load: Callable[[str], Any]) -> None:
    code = load("family_dgl")
    one = code.Graph(([0, 1, 2], [1, 2, 1]))
    graph = code.joined([one, one])
    assert graph.source.tolist() == [0, 1, 2, 3, 4, 5]
    assert graph.target.tolist() == [1, 2, 1, 4, 5, 4]
    x, modules = torch.rand(6, 2), code.dgl()
    graph.ndata["x"], function = x, modules["dgl"].function
    with graph.local_scope():
        graph.edata["k"] = torch.ones(6, 2)
        graph.apply_edges(function.e_dot_v("k", "x", "e"))
        weight = modules["dgl.nn.pytorch.softmax"].edge_softmax(graph, graph.edata["e"])
        assert torch.allclose(weight[[0, 2]].flatten(), torch.full((2,), 0.5))
        graph.update_all(lambda edges: {"m": edges.src["x"]}, function.mean("m", "y"))
        assert torch.allclose(graph.ndata["y"][1], (x[0] + x[2]) / 2)
    assert set(graph.ndata) == {"x"}
    pooled = modules["dgl.nn.pytorch.glob"].MaxPooling()(graph, x)
    assert torch.equal(pooled, torch.stack([x[:3].amax(0), x[3:].amax(0)]))


def test_random_molecules(load: Callable[[str], Any]) -> None:
    m, again = (load("molecules").molecules(8, None) for _ in range(2))
    assert torch.equal(m.pos, again.pos)
    sizes = torch.bincount(m.batch)
    assert 16 <= int(sizes.min()) <= int(sizes.max()) <= 20
    source, target = m.edge_index
    assert torch.equal(m.batch[source], m.batch[target])
    lengths = (m.pos[source] - m.pos[target]).norm(dim=-1)
    assert 0 < float(lengths.min()) < float(lengths.max()) < 5
    assert str(m).startswith("8 random molecules: ")


def test_molecules_of_qm9(load: Callable[[str], Any], qm9_root: Path) -> None:
    m = load("molecules").molecules(5, str(qm9_root))
    assert m.count == int(m.batch.max()) + 1 == 5
    assert set(m.z.tolist()) <= {1, 6, 7, 8, 9}
    assert str(m).startswith("5 QM9 molecules: ")


def test_code_of_a_clone_leaves_nothing_behind(
    load: Callable[[str], Any], tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise ImportError")
    (tmp_path / "models" / "net.py").write_text("from models.part import width\n")
    (tmp_path / "models" / "part.py").write_text("width = 3\n")
    peers, before = load("peers"), set(sys.modules)
    with peers.code_of(str(tmp_path), "models"):
        assert importlib.import_module("models.net").width == 3
    assert set(sys.modules) == before
    assert str(tmp_path) not in sys.path


def test_scaling(
    load: Callable[[str], Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("matplotlib")
    scaling = load("scaling")
    for name, size in (("convolution", 100), ("tfn", 2)):
        scaling.measure(name, size, 0.0)
        edges, atoms, milliseconds, megabytes = map(
            float, capsys.readouterr().out.split()
        )
        assert edges > atoms > 0
        assert milliseconds > 0
        assert megabytes >= 0
    monkeypatch.setattr(scaling, "fresh", lambda *given: f"{given[3]} 5 {given[3]} 1")
    scaling.main(["--quick", "--networks", "tfn", "--folder", str(tmp_path)])
    assert (tmp_path / "scaling.png").stat().st_size > 0
    assert "exponents: time 1.00 in edges" in capsys.readouterr().out


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_exponents_of_power_laws(load: Callable[[str], Any], power: float) -> None:
    x = [10.0, 100.0, 1000.0, 10_000.0]
    y = [1e6, *(3 * v**power for v in x[1:])]  # the small end does not count
    assert load("scaling").exponent(x, y) == pytest.approx(power, rel=1e-4)


def test_startup(
    load: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    startup = load("startup")
    code = """
import os, pathlib
kept = pathlib.Path(os.environ["XDG_CACHE_HOME"], "{name}")
print(3, "kept" if kept.is_file() else "nothing")
kept.touch()
"""
    monkeypatch.setattr(startup, "FLOOR", "print(2, 1)")
    monkeypatch.setattr(startup, "STEP", code)
    startup.main(["--rounds", "2", "--networks", "PaiNN"])
    rows = rows_of(capsys.readouterr().out)
    assert [row[0] for row in rows] == ["imports", "PaiNN", "PaiNN"]
    assert [row[-1] for row in rows] == ["1", "nothing", "kept"]


def test_first_step(
    load: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    exec(load("startup").STEP.format(name="SchNet", molecules=2), {})
    assert " import " in capsys.readouterr().out
