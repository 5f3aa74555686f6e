"""The floors of the package: a module imports only from floors below its own.

Packages meet at their faces: what a package offers is listed in its ``__init__``, and
modules whose names begin with an underscore are its own business. Imports inside
functions and for the type checker count like all others.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "pyg_equivariant"
TIERS = [
    {"o3", "units", "files"},
    {"kernels.templates", "kernels.registration", "kernels.environment"},
    {"kernels.c", "kernels.triton"},
    {"kernels.dispatch"},
    {
        "kernels.paths",
        "kernels.edges",
        "kernels.twice_differentiable",
        "kernels.report",
    },
    {"kernels.multilinear"},
    {
        "kernels.tensor_product",
        "kernels.gate",
        "kernels.spherical_harmonics",
        "kernels.activation",
        "kernels.matmul",
        "kernels.species",
    },
    {"kernels.convolution", "kernels.symmetric_contraction"},
    {"kernels.fully_connected", "kernels.edge_product"},
    {"kernels"},
    {"graph"},
    {"nn"},
    {"nn.conv"},
    {"nn.models"},
    {"nn.particles"},
    {"networks", "transforms", "datasets", "interop", "testing"},
    {"simulation", "training.structures", "training.splits"},
    {"training.references"},
    {"training.readers"},
    {"training"},
    {"training.qm9", "training.motion"},
    {"commands"},
    {"__main__"},
]
FLOORS = {unit: floor for floor, tier in enumerate(TIERS) for unit in tier}
# Public modules of these do not import one another; private ones they may share.
SIBLINGS_APART = {"nn.conv", "transforms"}
# What may be imported when a module loads: these and the standard library ...
AT_LOAD = {"torch", "numpy"}
# ... which modules for other programs cannot do without, and are not loaded without.
PROGRAMS = {"simulation.ase": "ase", "simulation.torch_sim": "torch_sim"}
PYG_FLOOR = FLOORS["nn.conv"]
TRAINING_AT_LOAD = {"lightning", "torchmetrics"}
# ... and what only inside a function, or for the type checker.
DEFERRED = {"o3": {"sympy"}, "kernels": {"triton", "jinja2"}, "nn": set()}
DEFERRED |= {"training": {"matplotlib", "ase", "torch_geometric"}}
DEFERRED |= {"training.motion": {"matplotlib"}}
DEFERRED_ELSEWHERE = {"torch_geometric", "torch_scatter", "vesin", "ase", "e3nn"}
DEFERRED_ELSEWHERE |= {"huggingface_hub"}


class Import(NamedTuple):
    """One import: the module, the name taken from it (or none), when it runs."""

    target: str
    name: str
    deferred: bool


def _name(key: str) -> str:
    return key.removesuffix(".__init__")


def _sources() -> dict[str, str]:
    """The text of every module of ours; packages end in ``.__init__``."""
    paths = sorted((ROOT / PACKAGE).rglob("*.py"))
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in paths]
    return {n: p.read_text("utf-8") for n, p in zip(names, paths, strict=True)}


def _bound(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Every module, and the names that a package's face binds by importing them."""
    return {
        _name(key): {name for _, name, _ in _written(ast.parse(source))}
        if key.endswith(".__init__")
        else set()
        for key, source in sources.items()
    }


def imports(
    key: str, source: str, modules: Mapping[str, Collection[str]]
) -> Iterator[Import]:
    """All imports of a module.

    A module taken from a package is the target itself, unless the package's face binds
    something else to its name, such as the function that it defines.
    """
    parts = _name(key).split(".")
    is_init = key.endswith(".__init__")
    for target, name, deferred in _written(ast.parse(source)):
        inner = target.lstrip(".")
        if inner != target:
            level = len(target) - len(inner) - is_init
            inner = ".".join(parts[: len(parts) - level] + [inner] * bool(inner))
        whole = f"{inner}.{name}"
        if whole in modules and name not in modules.get(inner, ()):
            inner, name = whole, ""
        yield Import(inner, name, deferred)


def _written(node: ast.AST, deferred: bool = False) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, "import", deferred) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        target = "." * node.level + (node.module or "")
        yield from (Import(target, alias.name, deferred) for alias in node.names)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        deferred = True
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        deferred = True
    for child in ast.iter_child_nodes(node):
        yield from _written(child, deferred)


SOURCES = _sources()
MODULES = _bound(SOURCES)


def _unit(module: str) -> str:
    """The package that a module of ours belongs to: ``nn.conv`` for its files."""
    inner = module.removeprefix(f"{PACKAGE}.")
    owners = [unit for unit in FLOORS if f"{inner}.".startswith(f"{unit}.")]
    return max(owners, key=len, default=inner)


def _floor(target: str) -> int:
    """Of a module, or of a package as seen from outside: what its floors end with."""
    inner = target.removeprefix(f"{PACKAGE}.")
    within = [FLOORS[unit] for unit in FLOORS if f"{unit}.".startswith(f"{inner}.")]
    unit = _unit(target)
    return max(within) if within else FLOORS.get(unit, -1)


def _is_private(name: str) -> bool:
    return any(p.startswith("_") and not p.endswith("__") for p in name.split("."))


def _own_fault(key: str, target: str, name: str) -> str | None:
    module = _name(key)
    unit = _unit(module)
    if name == "import":
        return "binds the whole package"
    if key.endswith(".__init__"):
        inside = f"{target}.".startswith(f"{module}.")
        return None if inside else "an __init__ lists its own package only"
    if target == PACKAGE and name == "__version__":
        return None
    if target == PACKAGE:
        return "takes more than packages from the root"
    if f"{module}.".startswith(f"{target}."):
        return "imports from the face of a package that it is part of"
    if unit == _unit(target):
        apart = unit in SIBLINGS_APART and not _is_private(target)
        return "imports a sibling" if apart else None
    if _floor(target) >= FLOORS[unit]:
        return f"is on floor {FLOORS[unit]}, the import on floor {_floor(target)}"
    if _is_private(f"{target}.{name}"):
        return "imports what another package keeps to itself"
    return None


def _foreign_fault(key: str, name: str, deferred: bool) -> str | None:
    unit = _unit(_name(key))
    allowed = AT_LOAD
    if FLOORS[unit] >= PYG_FLOOR:
        allowed = allowed | {"torch_geometric"}
    allowed = allowed | {PROGRAMS.get(_name(key).removeprefix(f"{PACKAGE}."), "torch")}
    if unit.split(".")[0] == "training":
        allowed = allowed | TRAINING_AT_LOAD
    if deferred:
        package = "kernels" if unit.startswith("kernels.") else unit
        allowed = allowed | DEFERRED.get(package, DEFERRED_ELSEWHERE)
    if name in sys.stdlib_module_names or name in allowed:
        return None
    return f"may not import {name}" + ("" if deferred else " at load")


def violations(key: str, source: str) -> list[str]:
    """What the imports in ``source``, the text of a module, do against the rules."""
    faults = []
    for target, name, deferred in imports(key, source, MODULES):
        top = target.partition(".")[0]
        if top == PACKAGE:
            fault = _own_fault(key, target, name)
        else:
            fault = _foreign_fault(key, top, deferred)
        if fault:
            faults.append(f"{_name(key)}: {target} {name}: {fault}")
    return faults


def import_circle(sources: Mapping[str, str]) -> list[str]:
    """Modules that import each other in a circle, or none.

    Args:
        sources: texts of modules; those of packages end in ``.__init__``.
    """
    modules = _bound(sources)
    graph = {
        _name(key): {i.target for i in imports(key, source, modules)} & modules.keys()
        for key, source in sources.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_imports_from_lower_floors_and_faces_only() -> None:
    faults = [
        fault
        for key, source in SOURCES.items()
        if _name(key) != PACKAGE
        for fault in violations(key, source)
    ]
    assert not faults, "\n".join(faults)


def test_no_modules_import_each_other_in_a_circle() -> None:
    circle = import_circle(SOURCES)
    assert not circle, " <- ".join(circle)


def test_kernels_offer_what_others_use_and_nothing_else() -> None:
    face = f"{PACKAGE}.kernels"
    used, past_it = set(), []
    for key, source in SOURCES.items():
        if f"{_name(key)}.".startswith(f"{face}."):
            continue
        for target, name, _ in imports(key, source, MODULES):
            if target == face:
                used.add(name)
            elif target.startswith(f"{face}."):
                past_it.append(f"{_name(key)}: {target} {name}")
    assert not past_it, "\n".join(past_it)
    assert used == set(import_module(face).__all__)


def test_the_root_imports_nothing() -> None:
    key = f"{PACKAGE}.__init__"
    assert not list(imports(key, SOURCES[key], MODULES))


def test_every_package_has_a_floor_and_every_floor_is_built() -> None:
    packages = {_name(key) for key in SOURCES if key.endswith(".__init__")}
    floors = {f"{PACKAGE}.{unit}" for unit in FLOORS}
    assert packages - {PACKAGE} <= floors
    assert floors <= MODULES.keys()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("o3._wigner", "import torch_geometric"),
        ("o3._wigner", "import sympy"),
        ("o3._wigner", "import scipy"),
        ("o3._wigner", "def f():\n    import torch_geometric.nn"),
        ("o3._wigner", "from pyg_equivariant.kernels import gate"),
        ("o3._wigner", "def f():\n    from pyg_equivariant.nn.linear import Linear"),
        ("o3._wigner", "if TYPE_CHECKING:\n    from pyg_equivariant.nn import Linear"),
        ("o3._wigner", "import pyg_equivariant"),
        ("o3._wigner", "import pyg_equivariant.o3._irreps"),
        ("o3._wigner", "from pyg_equivariant import o3"),
        ("o3._wigner", "from pyg_equivariant.o3 import Irreps"),
        ("o3._wigner", "from . import Irreps"),
        ("o3._wigner", "from .. import nn"),
        ("o3._wigner", "from ..nn.linear import Linear"),
        ("kernels.c.build", "from ..dispatch import backend"),
        ("kernels.gate.operator", "from ..convolution.operator import Convolution"),
        ("kernels.gate.operator", "from ..dispatch import _kernel_on"),
        ("kernels.gate.operator", "import jinja2"),
        ("kernels.gate.operator", "def f():\n    import torch_geometric"),
        ("nn.linear", "from pyg_equivariant import nn"),
        ("nn.linear", "from . import Gate"),
        ("nn.linear", "from ..o3._irreps import Irreps"),
        ("nn.linear", "from pyg_equivariant.o3 import _irreps"),
        ("nn.linear", "from torch_geometric.nn import MessagePassing"),
        ("graph.edge", "from pyg_equivariant.nn import Linear"),
        ("graph.edge", "from torch_geometric.data import Data"),
        ("graph.edge", "from pyg_equivariant.nn.cutoff import CosineCutoff"),
        ("nn.conv.tfn_conv", "from pyg_equivariant import nn"),
        ("nn.conv.tfn_conv", "from pyg_equivariant.nn import Linear"),
        ("nn.conv.tfn_conv", "from pyg_equivariant.nn.conv.egnn_conv import EGNNConv"),
        ("nn.conv.tfn_conv", "from pyg_equivariant.nn.models.tfn import TFN"),
        ("nn.models.tfn", "from pyg_equivariant.nn.conv._inputs import as_pair"),
        ("transforms.a", "from pyg_equivariant.transforms.b import B"),
        ("transforms.a", "from pyg_equivariant.datasets.b import B"),
        ("transforms.a", "from pyg_equivariant.graph._lattice import Lattice"),
        ("interop.a", "if True:\n    import e3nn"),
        ("simulation.neighbors", "import ase"),
        ("simulation.torch_sim", "import ase"),
        ("networks.painn", "from pyg_equivariant.simulation import Potential"),
    ],
)
def test_a_planted_violation_is_noticed(module: str, source: str) -> None:
    assert len(violations(f"{PACKAGE}.{module}", source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("o3._wigner", "import math\nimport numpy as np\nimport torch.nn as nn"),
        ("o3._wigner", "from pyg_equivariant.o3._irreps import Irrep"),
        ("o3._wigner", "from ._irreps import Irrep"),
        ("o3._wigner", "def f():\n    import sympy"),
        ("o3._wigner", "if TYPE_CHECKING:\n    import sympy"),
        ("o3._wigner", "from . import _irreps"),
        ("o3._wigner", "from pyg_equivariant import __version__"),
        ("kernels.gate.operator", "from ..dispatch import backend"),
        ("kernels.gate.operator", "from pyg_equivariant.o3 import Irreps"),
        ("kernels.templates", "def f():\n    import jinja2"),
        ("nn.linear", "from pyg_equivariant import o3"),
        ("nn.linear", "from pyg_equivariant.o3 import Irreps"),
        ("nn.linear", "from pyg_equivariant.kernels import gate"),
        ("nn.gate", "from pyg_equivariant.nn.activation import Activation"),
        ("nn.gate", "from .activation import Activation"),
        ("graph.edge", "def f():\n    from torch_geometric.nn import radius_graph"),
        ("nn.conv.tfn_conv", "from torch_geometric.nn import MessagePassing"),
        ("nn.conv.tfn_conv", "from pyg_equivariant.nn.conv._shared import f"),
        ("nn.conv.tfn_conv", "from ..linear import Linear"),
        ("nn.models.tfn", "from ..conv import TFNConv"),
        ("nn.models.tfn", "from pyg_equivariant.nn.conv.tfn_conv import TFNConv"),
        ("transforms.a", "from pyg_equivariant import nn"),
        ("transforms.a", "from pyg_equivariant.nn import Linear"),
        ("transforms.a", "from ._graphs import stores"),
        ("transforms.a", "def f():\n    import ase"),
        ("simulation.ase", "import ase"),
        ("simulation.torch_sim", "from torch_sim.models.interface import X"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert violations(f"{PACKAGE}.{module}", source) == []


def test_an_init_lists_its_own_package_only() -> None:
    init = f"{PACKAGE}.nn.__init__"
    inside = "from pyg_equivariant.nn.conv import TFNConv\nfrom .linear import Linear"
    assert violations(init, inside) == []
    outside = "from ..o3._irreps import Irreps\nfrom .. import o3"
    assert len(violations(init, outside)) == 2


@pytest.mark.parametrize(
    "closing",
    [
        "from .a import A",
        "from p.a import A",
        "from . import a",
        "def f():\n    from .a import A",
        "if TYPE_CHECKING:\n    from .a import A",
        "from p import A",
    ],
)
def test_a_planted_circle_is_noticed(closing: str) -> None:
    sources = {
        "p.__init__": "from .a import A",
        "p.a": "from .b import B",
        "p.b": "from .c import C",
        "p.c": "import math",
    }
    assert import_circle(sources) == []
    circle = import_circle({**sources, "p.c": closing})
    assert {"p.a", "p.b", "p.c"} <= set(circle)


def test_a_function_may_share_the_name_of_its_module() -> None:
    sources = {
        "p.__init__": "from .gate import gate",
        "p.gate": "def gate(): ...",
        "q.__init__": "",
        "q.a": "from p import gate",
        "q.b": "from q import a",
    }
    modules = _bound(sources)
    assert list(imports("q.a", sources["q.a"], modules)) == [("p", "gate", False)]
    assert list(imports("q.b", sources["q.b"], modules)) == [("q.a", "", False)]


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
