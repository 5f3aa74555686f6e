"""Libraries are compiled once, kept in a folder of ours, and named by their text."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyg_equivariant
from pyg_equivariant.kernels.c import build
from pyg_equivariant.kernels.c.build import BuildError, cache_folder, compiler, library

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
PLAIN = "int bits(void) { return 8 * sizeof(REAL) + MORE; }\n"
TEMPLATE = """\
#include "vectors.h"
#include "transpose.h"
{% for n in numbers %}
int number_{{ n }}(void) { return {{ n }} + LANES * 0; }
{% endfor %}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, in this process and on disk."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    build._try.cache_clear()
    yield tmp_path
    build._try.cache_clear()


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The libraries that were compiled."""
    found: list[Path] = []
    compile_ = build._compile

    def counted(command: Any, options: list[str], text: str, path: Path) -> None:
        found.append(path)
        compile_(command, options, text, path)

    monkeypatch.setattr(build, "_compile", counted)
    return found


def _source(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_parameters_are_macros_of_c_and_variables_of_templates(folder: Path) -> None:
    plain = _source(folder, "plain.c", PLAIN)
    assert library(plain, "float", MORE=0).bits() == 32
    assert library(plain, "double", MORE=1).bits() == 65
    template = _source(folder, "some.c.jinja", TEMPLATE)
    built = library(template, "float", numbers=(3, 5))
    assert (built.number_3(), built.number_5()) == (3, 5)


def test_compiled_once_for_all_processes(
    folder: Path, compilations: list[Path]
) -> None:
    plain = _source(folder, "plain.c", PLAIN)
    first = library(plain, "float", MORE=0)
    assert library(plain, "float", MORE=0) is first
    build._try.cache_clear()  # as in another process
    assert library(plain, "float", MORE=0).bits() == 32
    assert len(compilations) == 1
    (left,) = cache_folder().iterdir()  # nothing else stays behind
    assert left == compilations[0]


def test_all_that_a_library_is_made_of_names_it(
    folder: Path, compilations: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _source(folder, "plain.c", PLAIN)
    library(plain, "float", MORE=0)
    library(plain, "double", MORE=0)
    library(plain, "float", MORE=2)
    monkeypatch.setattr(build, "_ALWAYS", (*build._ALWAYS, "-g"))
    build._try.cache_clear()
    library(plain, "float", MORE=0)
    monkeypatch.setattr(build, "_headers", lambda: ("another header",))
    build._try.cache_clear()
    library(plain, "float", MORE=0)
    monkeypatch.setattr(build, "_processor", lambda: "another processor")
    build._try.cache_clear()
    library(plain, "float", MORE=0)
    plain.write_text(PLAIN + "/* new */", "utf-8")
    build._try.cache_clear()
    library(plain, "float", MORE=0)
    assert len(set(compilations)) == len(compilations) == 7


def test_modules_are_named_by_their_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = _source(folder, "toy_statements.py", "def one():\n    return 1\n")
    monkeypatch.syspath_prepend(str(folder))
    import toy_statements

    identities = []
    for text in ("def one():\n    return 1\n", "def one():\n    return 2\n"):
        helper.write_text(text, "utf-8")
        identities.append(build._identity(toy_statements))
    assert len(set(identities)) == 2
    assert build._identity((1, "a")) == "(1, 'a')"


def test_a_library_that_is_not_whole_is_built_anew(
    folder: Path, compilations: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _source(folder, "plain.c", PLAIN)
    library(plain, "float", MORE=5)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "other"))
    (cache_folder() / compilations[0].name).write_bytes(b"half of a library")
    build._try.cache_clear()
    assert library(plain, "float", MORE=5).bits() == 37
    assert len(compilations) == 2


def test_a_library_that_others_may_write_to_is_built_anew(
    folder: Path, compilations: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _source(folder, "plain.c", PLAIN)
    library(plain, "float", MORE=6)
    compilations[0].chmod(0o777)
    build._try.cache_clear()
    assert library(plain, "float", MORE=6).bits() == 38
    assert len(compilations) == 2
    assert stat.S_IMODE(compilations[0].stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize("what", ["_compile", "os.replace", "ctypes.CDLL"])
def test_what_the_system_refuses_is_a_failed_build(
    folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(f"{build.__name__}.{what}", refused)
    plain = _source(folder, "plain.c", PLAIN)
    with pytest.raises(BuildError, match="no space left"):
        library(plain, "float", MORE=7)


def test_a_home_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    assert cache_folder().is_dir()


def test_options_in_cc_are_passed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = build.compiler.__wrapped__
    ((path, *_), _) = look()
    monkeypatch.setenv("CC", f"{path} -DMORE=3")
    command, version = look()
    assert command == (path, "-DMORE=3")
    monkeypatch.setattr(build, "compiler", lambda: (command, version))
    assert library(_source(folder, "plain.c", PLAIN), "float").bits() == 35
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    with pytest.warns(UserWarning, match="CC='no-such-compiler -O3'"):
        assert look() is not None


def test_messages_of_a_compiler_in_any_encoding(folder: Path) -> None:
    script = folder / "cc"
    script.write_bytes(b"#!/bin/sh\nprintf 'r\\351ponse'\n")
    script.chmod(0o755)
    assert build._output([str(script)]).stdout == "r\ufffdponse"


def test_a_refusal_is_remembered(folder: Path, compilations: list[Path]) -> None:
    wrong = _source(folder, "wrong.c", "this is no C")
    for _ in range(2):
        with pytest.raises(BuildError, match="could not compile a kernel"):
            library(wrong, "float")
    assert len(compilations) == 1
    assert not list(cache_folder().iterdir())


def test_options_that_the_compiler_refuses_are_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_ATTEMPTS", (("-no-such-option",), ()))
    plain = _source(folder, "plain.c", PLAIN)
    assert library(plain, "float", MORE=0).bits() == 32


def test_without_a_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "compiler", lambda: None)
    plain = _source(folder, "plain.c", PLAIN)
    with pytest.raises(BuildError, match="set CC"):
        library(plain, "float", MORE=0)


def test_the_folder_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache_folder()
    assert folder.name == "pyg_equivariant"
    assert stat.S_IMODE(folder.stat().st_mode) & 0o022 == 0
    folder.chmod(0o777)  # others may write
    elsewhere = cache_folder()
    assert elsewhere != folder
    assert elsewhere == cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)  # cannot be made
    assert cache_folder() == elsewhere


def test_many_processes_may_build_one_library(folder: Path) -> None:
    plain = _source(folder, "plain.c", PLAIN)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pyg_equivariant.kernels.c.build import library\n"
        "assert library(Path(sys.argv[1]), 'float', MORE=0).bits() == 32\n"
    )
    command = [sys.executable, "-c", code, str(plain)]
    runs = [subprocess.Popen(command) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(list(cache_folder().iterdir())) == 1


def test_every_source_is_packed_beside_its_kernel() -> None:
    root = Path(pyg_equivariant.__file__).parent
    sources = [
        path for path in root.rglob("*") if path.suffix in (".c", ".h", ".jinja")
    ]
    assert len(sources) >= 8
    for path in sources:
        assert (path.parent / "__init__.py").is_file()


def test_a_library_holds_functions_of_c(folder: Path) -> None:
    built = library(_source(folder, "plain.c", PLAIN), "float", MORE=0)
    assert isinstance(built, ctypes.CDLL)
