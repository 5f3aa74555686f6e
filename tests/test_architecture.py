"""The floors of the package: a module imports only from floors below its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pyg_equivariant"
FLOORS = {
    "o3": 0,
    "kernels.plain": 1,
    "kernels.compiled": 1,
    "kernels.convolution": 2,
    "kernels.steered": 3,
    "kernels.gates": 3,
    "kernels.harmonics": 3,
    "kernels.dense": 3,
    "kernels": 4,
    "nn": 5,
    "graph": 5,
    "nn.conv": 6,
    "nn.models": 7,
    "networks": 8,
    "transforms": 8,
    "datasets": 8,
    "interop": 8,
    "testing": 8,
}
# Public modules of these do not import one another; private ones they may share.
SIBLINGS_APART = {"nn.conv", "transforms"}
# What may be imported when a module loads: these and the standard library ...
AT_LOAD = {"torch", "numpy"}
AT_LOAD_ALSO = {"kernels.convolution": {"triton"}}
PYG_FLOOR = 6
# ... and what only inside a function, or for the type checker.
DEFERRED = {"o3": {"sympy"}, "kernels.convolution": {"triton"}, "nn": set()}
DEFERRED_ELSEWHERE = {"torch_geometric", "torch_scatter", "vesin", "ase", "e3nn"}


class Import(NamedTuple):
    """One import: the module, the name taken from it (or none), when it runs."""

    target: str
    name: str
    deferred: bool


def _imports(node: ast.AST, deferred: bool = False) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, "", deferred) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        target = "." * node.level + (node.module or "")
        yield from (Import(target, alias.name, deferred) for alias in node.names)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        deferred = True
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        deferred = True
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, deferred)


def _unit(module: str) -> str:
    """The package that a module of ours belongs to: ``nn.conv`` for its files."""
    inner = module.removeprefix(f"{PACKAGE}.")
    owners = [unit for unit in FLOORS if f"{inner}.".startswith(f"{unit}.")]
    return max(owners, key=len)


def _absolute(target: str, module: str, is_init: bool) -> str:
    """The full name behind ``target`` as it stands in ``module``: ``.x``, ``..y.z``."""
    name = target.lstrip(".")
    parts = module.split(".")
    level = len(target) - len(name) - is_init
    return ".".join(parts[: len(parts) - level] + [name] * bool(name))


def _own_fault(module: str, target: str, name: str, is_init: bool) -> str | None:
    unit, inner = _unit(module), f"{target}.{name}".removeprefix(f"{PACKAGE}.")
    if not name:
        return "binds the whole package"
    if is_init:
        inside = f"{inner}.".startswith(f"{unit}.")
        return None if inside else "an __init__ lists its own package only"
    if inner in FLOORS:  # a package as a namespace, which holds the floors inside it
        floor = max(FLOORS[u] for u in FLOORS if f"{u}.".startswith(f"{inner}."))
    elif target.removeprefix(f"{PACKAGE}.") in {PACKAGE, *FLOORS}:
        return "imports from a package, not from the module that defines the name"
    elif unit == _unit(target):
        private = target.rpartition(".")[2].startswith("_")
        apart = unit in SIBLINGS_APART and not private
        return "imports a sibling" if apart else None
    else:
        floor = FLOORS[_unit(target)]
    if floor < FLOORS[unit]:
        return None
    return f"is on floor {FLOORS[unit]}, the import on floor {floor}"


def _foreign_fault(module: str, name: str, deferred: bool) -> str | None:
    unit = _unit(module)
    allowed = AT_LOAD | AT_LOAD_ALSO.get(unit, set())
    if FLOORS[unit] >= PYG_FLOOR:
        allowed = allowed | {"torch_geometric"}
    if deferred:
        allowed = allowed | DEFERRED.get(unit, DEFERRED_ELSEWHERE)
    if name in sys.stdlib_module_names or name in allowed:
        return None
    return f"may not import {name}" + ("" if deferred else " at load")


def violations(source: str, module: str, is_init: bool = False) -> list[str]:
    """What the imports in ``source``, the text of ``module``, do against the rules."""
    found = []
    for target, name, deferred in _imports(ast.parse(source)):
        full = _absolute(target, module, is_init) if target[0] == "." else target
        top = full.partition(".")[0]
        if top == PACKAGE:
            fault = _own_fault(module, full, name, is_init)
        else:
            fault = _foreign_fault(module, top, deferred)
        if fault:
            found.append(f"{module}: {full} {name}: {fault}")
    return found


def _modules() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def test_every_module_imports_from_lower_floors_only() -> None:
    found = []
    for path in _modules():
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_init = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_init else parts)
        if module != PACKAGE:
            found += violations(path.read_text("utf-8"), module, is_init)
    assert not found, "\n".join(found)


def test_the_root_imports_nothing() -> None:
    tree = ast.parse((ROOT / PACKAGE / "__init__.py").read_text("utf-8"))
    assert not list(_imports(tree))


def test_every_package_has_a_floor() -> None:
    folders = {path.parent.relative_to(ROOT / PACKAGE) for path in _modules()}
    assert {".".join(folder.parts) for folder in folders} - {""} <= set(FLOORS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("o3._wigner", "import torch_geometric"),
        ("o3._wigner", "import sympy"),
        ("o3._wigner", "import scipy"),
        ("o3._wigner", "def f():\n    import torch_geometric.nn"),
        ("o3._wigner", "from pyg_equivariant.kernels.convolution.trilinear import f"),
        ("o3._wigner", "def f():\n    from pyg_equivariant.nn.linear import Linear"),
        ("o3._wigner", "import pyg_equivariant"),
        ("o3._wigner", "import pyg_equivariant.o3._irreps"),
        ("o3._wigner", "from pyg_equivariant import o3"),
        ("o3._wigner", "from pyg_equivariant import __version__"),
        ("nn.linear", "from pyg_equivariant import nn"),
        ("nn.conv.tfn_conv", "from pyg_equivariant import nn"),
        ("o3._wigner", "from . import Irreps"),
        ("o3._wigner", "from .. import nn"),
        ("o3._wigner", "from ..nn.linear import Linear"),
        ("nn.linear", "from torch_geometric.nn import MessagePassing"),
        ("nn.linear", "from pyg_equivariant.graph.edge import edge_vectors"),
        ("nn.linear", "from pyg_equivariant.o3 import Irreps"),
        ("graph.edge", "from torch_geometric.data import Data"),
        ("graph.edge", "from pyg_equivariant.nn.cutoff import CosineCutoff"),
        ("nn.conv.tfn_conv", "from pyg_equivariant.nn.conv.egnn_conv import EGNNConv"),
        ("nn.conv.tfn_conv", "from pyg_equivariant.nn.models.tfn import TFN"),
        ("transforms.a", "from pyg_equivariant.transforms.b import B"),
        ("transforms.a", "from pyg_equivariant.datasets.b import B"),
        ("interop.a", "if True:\n    import e3nn"),
    ],
)
def test_a_planted_violation_is_found(module: str, source: str) -> None:
    assert len(violations(source, f"{PACKAGE}.{module}")) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("o3._wigner", "import math\nimport numpy as np\nimport torch.nn as nn"),
        ("o3._wigner", "from pyg_equivariant.o3._irreps import Irrep"),
        ("o3._wigner", "from ._irreps import Irrep"),
        ("nn.linear", "from ..o3._irreps import Irreps"),
        ("nn.linear", "from pyg_equivariant import o3"),
        ("transforms.a", "from pyg_equivariant import nn"),
        ("o3._wigner", "def f():\n    import sympy"),
        ("o3._wigner", "if TYPE_CHECKING:\n    import sympy"),
        ("kernels.trilinear", "from pyg_equivariant.o3._irreps import Irreps"),
        ("nn.gate", "from pyg_equivariant.nn.activation import Activation"),
        ("graph.edge", "def f():\n    from torch_geometric.nn import radius_graph"),
        ("nn.conv.tfn_conv", "from torch_geometric.nn import MessagePassing"),
        ("nn.conv.tfn_conv", "from pyg_equivariant.nn.conv._shared import f"),
        ("nn.models.tfn", "from pyg_equivariant.nn.conv.tfn_conv import TFNConv"),
        ("transforms.a", "def f():\n    import ase"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert violations(source, f"{PACKAGE}.{module}") == []


def test_an_init_lists_its_own_package_only() -> None:
    inside = "from pyg_equivariant.nn.conv import TFNConv\nfrom .linear import Linear"
    assert violations(inside, f"{PACKAGE}.nn", is_init=True) == []
    outside = "from ..o3._irreps import Irreps\nfrom .. import o3"
    assert len(violations(outside, f"{PACKAGE}.nn", is_init=True)) == 2


@pytest.mark.parametrize("package", ["o3", "kernels", "graph"])
def test_the_lowest_floors_load_neither_pyg_nor_sympy(package: str) -> None:
    code = (
        "import sys, torch\n"
        "before = set(sys.modules)\n"
        f"import {PACKAGE}.{package}\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new & {'torch_geometric', 'sympy'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [path for path in files if path.is_file()]


# An absolute path into somebody's machine.
MACHINE_PATH = re.compile(
    r"(?<![\w.:/}-])/(?:home|root|work|Users|tmp|opt|mnt|var)/\w|[A-Z]:\\\\?Users"
)


def test_no_file_names_a_path_of_one_machine() -> None:
    assert MACHINE_PATH.search("open('" + "/".join(["", "home", "me", "x"]) + "')")
    found = []
    for path in _tracked():
        if path.suffix in {".png", ".npz", ".pt"}:
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def test_the_top_level_holds_only_what_it_should() -> None:
    card = {"pyproject.toml", "README.md", PACKAGE, "tests", "examples", "docs"}
    card |= {"CHANGELOG.md", "LICENSE", "CITATION.cff"}
    names = {path.relative_to(ROOT).parts[0] for path in _tracked()}
    assert {name for name in names if not name.startswith(".")} <= card
