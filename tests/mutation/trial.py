"""Run tests on a mutant: in a copy of the repository and a process of its own."""

from __future__ import annotations

import compileall
import os
import py_compile
import resource
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from mutants import ROOT, Mutant

COPIED = ("pyg_equivariant", "tests", "examples", "docs", "pyproject.toml", "README.md")
MEMORY = 32 << 30  # bytes of addresses that a mutant may ask for
_OPTIONS = ["-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-p", "no:xdist"]
_OPTIONS += ["--hypothesis-seed=0"]


def new_tree(parent: Path) -> Path:
    """A copy of what tests need, whose byte code follows the text, not its time."""
    tree = Path(tempfile.mkdtemp(prefix="tree-", dir=parent))
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, tree / name)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    folder = tree / "pyg_equivariant"
    compileall.compile_dir(folder, quiet=1, force=True, invalidation_mode=mode)
    return tree


def verdict(mutant: Mutant, tree: Path, limit: float) -> str:
    """The test that noticed a mutant, or another end; empty where it survived."""
    path = tree / "pyg_equivariant" / mutant.module
    original = path.read_text("utf-8")
    path.write_text(mutant.text, "utf-8")
    cache = tree / "cache"
    try:
        shutil.copytree(tree.parent / "cache", cache, copy_function=os.link)
        return run(stages(mutant.module), tree, cache, limit)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        path.write_text(original, "utf-8")


def whole_floor(module: str) -> list[str]:
    """All tests of the floor of a module, and those of docstrings."""
    floor = Path(module).parts[0]
    return [f"tests/{floor}", "tests/test_docstrings.py", f"pyg_equivariant/{floor}"]


def stages(module: str) -> list[list[str]]:
    """What pytest is asked for: the tests of a module, then the others of its floor."""
    path, rest = Path(module), whole_floor(module)
    folder = f"tests/{path.parent.as_posix()}"
    own = f"{folder}/test_{path.stem.removeprefix('_')}.py"
    if not (ROOT / own).is_file():
        own = folder  # one of a package
    if own == rest[0]:
        return [rest]
    first = [own, f"pyg_equivariant/{module}"]  # imported by a test, then by its name
    return [first, [*rest, *(f"--ignore={name}" for name in first)]]


def run(asked: list[list[str]], tree: Path, cache: Path, limit: float) -> str:
    """Ask pytest in a child process, which ends with the first stage that fails."""
    log, end = tree / "log", time.monotonic() + limit
    shutil.rmtree(tree / "tmp", ignore_errors=True)
    (tree / "tmp").mkdir()
    child = os.fork()
    if child == 0:
        _child(asked, tree, cache, log)
    done, status = 0, 0
    while not done and time.monotonic() < end:
        time.sleep(0.02)
        done, status = os.waitpid(child, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not done:
        os.waitpid(child, 0)
        return "time limit"
    code = os.waitstatus_to_exitcode(status)
    lines = log.read_text("utf-8", "replace").splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return (failed or [f"exit {code}"])[0] if code else ""


def _child(asked: list[list[str]], tree: Path, cache: Path, log: Path) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(tree)
    ours = {ROOT, Path(__file__).parent}
    sys.path[:] = [str(tree), *(p for p in sys.path if Path(p).resolve() not in ours)]
    os.environ |= {"PYTHONPATH": str(tree), "HOME": f"{tree}/tmp"}
    os.environ |= {"TMPDIR": f"{tree}/tmp", "XDG_CACHE_HOME": str(cache)}
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{cache}/inductor"
    os.environ.pop("PYG_EQUIVARIANT_CACHE", None)
    tempfile.tempdir = None
    code = 1
    try:
        for stage in asked:
            code = int(pytest.main([*_OPTIONS, *stage]))
            code = 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code
            if code:
                break
    finally:
        sys.stdout.flush()
        os._exit(code)
