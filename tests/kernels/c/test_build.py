"""Libraries are compiled once, and named by all that they are made of."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyg_equivariant
from pyg_equivariant.kernels.c import build, cache
from pyg_equivariant.kernels.c.build import Library, library
from pyg_equivariant.kernels.c.cache import cache_folder, entries
from pyg_equivariant.kernels.c.compiler import BuildError, Compiler, compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
TEMPLATE = """\
#include "vectors.h"
#include "transpose.h"
{% for n in numbers %}
int number_{{ n }}(void) { return {{ n }} + LANES * 0; }
{% endfor %}
"""


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders in which kernels were compiled."""
    found: list[Path] = []
    build_ = build.build

    def counted(*arguments: Any) -> Path:
        found.append(arguments[-1])
        return build_(*arguments)

    monkeypatch.setattr(build, "build", counted)
    return found


def test_parameters_are_macros_of_c_and_variables_of_templates(
    folder: Path, plain_c: Path
) -> None:
    assert library(plain_c, "float", MORE=0).bits() == 32
    assert library(plain_c, "double", MORE=1).bits() == 65
    template = folder / "some.c.jinja"
    template.write_text(TEMPLATE, "utf-8")
    built = library(template, "float", numbers=(3, 5))
    assert (built.number_3(), built.number_5()) == (3, 5)
    assert library(template, "float", numbers=(3, 7)).number_7() == 7


def test_compiled_once_for_all_processes(
    plain_c: Path, compilations: list[Path], anew: Callable[[], None]
) -> None:
    first = library(plain_c, "float", MORE=0)
    assert library(plain_c, "float", MORE=0) is first
    anew()
    assert library(plain_c, "float", MORE=0).bits() == 32
    assert len(compilations) == 1
    (entry,) = entries()
    (note,) = cache_folder().glob("*.json")
    assert {*cache_folder().iterdir()} == {entry.path, note}  # nothing else is left


def test_all_that_a_library_is_made_of_names_it(
    plain_c: Path,
    compilations: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    anew: Callable[[], None],
) -> None:
    found = compiler()
    assert found is not None
    library(plain_c, "float", MORE=0)
    library(plain_c, "double", MORE=0)
    library(plain_c, "float", MORE=2)
    changes: list[tuple[str, object]] = [
        ("ALWAYS", (*build.ALWAYS, "-g")),
        ("_headers", lambda: ("another header",)),
        ("_processor", lambda: "another processor"),
        ("compiler", lambda: found._replace(version="another version")),
    ]
    for name, value in changes:
        monkeypatch.setattr(build, name, value)
        anew()
        library(plain_c, "float", MORE=0)
    plain_c.write_text(plain_c.read_text("utf-8") + "/* new */", "utf-8")
    anew()
    library(plain_c, "float", MORE=0)
    assert len(compilations) == 8
    assert len(list(cache_folder().glob("*.json"))) == 8


def test_modules_are_named_by_their_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = folder / "toy_statements.py"
    helper.write_text("def one():\n    return 1\n", "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    import toy_statements

    identities = []
    for text in ("def one():\n    return 1\n", "def one():\n    return 2\n"):
        helper.write_text(text, "utf-8")
        identities.append(build._identity(toy_statements))
    assert len(set(identities)) == 2
    assert build._identity((1, "a")) == "(1, 'a')"


def test_built_ahead_for_machines_without_a_compiler(
    plain_c: Path, monkeypatch: pytest.MonkeyPatch, anew: Callable[[], None]
) -> None:
    library(plain_c, "float", MORE=4)
    anew()
    monkeypatch.setattr(build, "compiler", lambda: None)
    assert library(plain_c, "float", MORE=4).bits() == 36
    with pytest.raises(BuildError, match=r"was not built ahead; install gcc .*CC"):
        library(plain_c, "float", MORE=5)


@pytest.mark.parametrize("where", ["build", "keep", "Library"])
def test_what_the_system_refuses_in_the_cache_is_done_in_a_temporary_folder(
    plain_c: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a quota, a folder from which nothing may run."""
    original, folder = getattr(build, where), str(cache_folder())

    def refused(*arguments: Any) -> Any:
        # Only where the cache is concerned
        if any(str(a).startswith(folder) for a in arguments):
            raise OSError("no space left on device")
        return original(*arguments)

    monkeypatch.setattr(build, where, refused)
    with pytest.warns(UserWarning, match=r"cannot be kept \(no space left on device"):
        assert library(plain_c, "float", MORE=7).bits() == 39
    assert not entries() or where == "Library"


@pytest.mark.parametrize("error", [OSError, ValueError, AttributeError])
def test_any_failure_is_a_failed_build(
    plain_c: Path, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise error("no space left on device")

    monkeypatch.setattr(build, "build", refused)
    with pytest.raises(BuildError, match="no space left"):
        library(plain_c, "float", MORE=8)


def test_a_library_without_its_function_is_a_failed_build(plain_c: Path) -> None:
    built = library(plain_c, "float", MORE=0)
    with pytest.raises(BuildError, match=r"does not hold run\(\)"):
        built.run()
    assert isinstance(built, Library)
    assert not hasattr(built, "__len__")


def test_a_refusal_is_remembered(folder: Path, compilations: list[Path]) -> None:
    wrong = folder / "wrong.c"
    wrong.write_text("this is no C", "utf-8")
    for _ in range(2):
        with pytest.raises(BuildError, match="could not compile a kernel"):
            library(wrong, "float")
    assert len(compilations) == 2  # in the cache, and in a temporary folder
    assert not list(cache_folder().iterdir())


def test_what_kernels_do_without_is_said_once(
    plain_c: Path, monkeypatch: pytest.MonkeyPatch, anew: Callable[[], None]
) -> None:
    from pyg_equivariant.kernels.c import compiler as module
    from pyg_equivariant.kernels.environment import said

    monkeypatch.setattr(module, "THREADS", (("-no-such-option",),))
    for more in (0, 0, 1):  # when it is built, and when it is found in the cache
        said.clear()
        anew()
        with pytest.warns(UserWarning, match="run on one thread; install gcc"):
            library(plain_c, "float", MORE=more)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            library(plain_c, "float", MORE=0)
    monkeypatch.setattr(module, "MACHINE", (("-no-such-option",), ("-nor-this",)))
    anew()
    with pytest.warns(UserWarning, match="takes neither -no-such-option nor -nor-this"):
        library(plain_c, "double", MORE=0)


def test_many_processes_may_build_one_library(plain_c: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pyg_equivariant.kernels.c.build import library\n"
        "assert library(Path(sys.argv[1]), 'float', MORE=0).bits() == 32\n"
    )
    command = [sys.executable, "-c", code, str(plain_c)]
    runs = [subprocess.Popen(command) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(entries()) == 1
    assert not list(cache_folder().glob(f"{cache._BUILDING}*"))


def test_every_source_is_packed_beside_its_kernel() -> None:
    root = Path(pyg_equivariant.__file__).parent
    sources = [
        path for path in root.rglob("*") if path.suffix in (".c", ".h", ".jinja")
    ]
    assert len(sources) >= 8
    for path in sources:
        assert (path.parent / "__init__.py").is_file()


def test_another_compiler_builds_its_own(
    plain_c: Path, compilations: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compiler()
    assert found is not None
    library(plain_c, "float", MORE=0)
    build._try.cache_clear()
    other = Compiler((*found.command, "-DOTHER"), found.version)
    monkeypatch.setattr(build, "compiler", lambda: other)
    library(plain_c, "float", MORE=0)
    assert len(compilations) == 2
