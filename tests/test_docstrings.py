"""What the documentation relies on: ``__all__``, docstrings and their sections."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

PACKAGES = [
    f"pyg_equivariant.{name}"
    for name in (
        "o3",
        "kernels",
        "nn",
        "nn.conv",
        "nn.models",
        "nn.particles",
        "networks",
        "graph",
        "transforms",
        "datasets",
        "interop",
        "testing",
        "simulation",
        "training",
        "training.readers",
        "training.motion",
        "units",
    )
]
PAPER = re.compile(r'`"[^"`]+"\s+<https?://[^>\s]+>`_')
ARGUMENT = re.compile(r"^    (\w+)(?: \([^)]*\))?: (.*(?:\n     .*)*)", re.M)
DEFAULT = re.compile(r"default:\s+(?::\w+:)?(?:`+([^`]+)`+|([^\s,;)]+))")


def _public(package: str) -> dict[str, Any]:
    module = import_module(package)
    return {name: getattr(module, name) for name in getattr(module, "__all__", ())}


def _missing(doc: str) -> list[str]:
    """The parts that the docstring of a convolution should have and lacks."""
    parts = {
        'a paper, `"title" <link>`_': PAPER.search(doc),
        "a displayed equation": ".. math::" in doc,
        "Args:": "Args:" in doc,
        "Shapes:": "Shapes:" in doc,
        "an example": ">>> " in doc,
    }
    return [part for part, present in parts.items() if not present]


def _wrong_defaults(value: Callable[..., Any]) -> Iterator[str | None]:
    """For each default that a docstring states: how it differs, or None."""
    doc = re.split(r"\n(?=\S)", (inspect.getdoc(value) or "").partition("Args:")[2])[0]
    stated = {k: m for k, text in ARGUMENT.findall(doc) if (m := DEFAULT.search(text))}
    for name, parameter in inspect.signature(value).parameters.items():
        if name not in stated or parameter.default is None:  # None stands for others
            continue
        text = stated[name].group(1) or stated[name].group(2)
        try:
            right = ast.literal_eval(text) == parameter.default
        except (ValueError, SyntaxError):  # in words
            continue
        yield None if right else f"{name}={parameter.default!r}, documented as {text}"


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_exist_once_and_are_ours(package: str) -> None:
    names = getattr(import_module(package), "__all__", [])
    assert len(set(names)) == len(names)
    for name, value in _public(package).items():
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__module__.startswith("pyg_equivariant."), name


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_has_a_docstring(package: str) -> None:
    assert (import_module(package).__doc__ or "").strip() or not _public(package)
    bare = [
        name
        for name, value in _public(package).items()
        if (inspect.isclass(value) or inspect.isroutine(value))
        and not (value.__doc__ or "").strip()
    ]
    assert not bare, f"{package}: no docstring on {bare}"


def test_convolutions_name_paper_equation_shapes_and_example() -> None:
    lacking = {
        name: missing
        for name, value in _public("pyg_equivariant.nn.conv").items()
        if name != "EquivariantConv"  # their base, from no paper
        if (missing := _missing(inspect.getdoc(value) or ""))
    }
    assert not lacking


def test_the_check_finds_what_is_missing() -> None:
    good = (
        'The operator from the `"A title" <https://arxiv.org/abs/1>`_ paper.\n'
        ".. math::\n  x\nArgs:\n  x: y\nShapes:\n  - **input:** x\n>>> 1\n1"
    )
    assert _missing(good) == []
    for part in ("https", ".. math::", "Args:", "Shapes:", ">>> "):
        assert len(_missing(good.replace(part, ""))) == 1


def test_nn_offers_its_convolutions_and_networks() -> None:
    nn = import_module("pyg_equivariant.nn")
    base = import_module("pyg_equivariant.nn.models").MolecularModel
    registry = import_module("pyg_equivariant.networks")
    networks = registry.NETWORKS.values()
    others = {row.layer for row in registry.PARTICLE_NETWORKS.values() if row.layers}
    expected = _public("pyg_equivariant.nn.conv")
    for name, value in _public("pyg_equivariant.nn.models").items():
        if isinstance(value, type) and issubclass(value, base) and value is not base:
            expected[name] = value
    known = {row.layer for row in networks} | {row.model for row in networks} | others
    ours = {each for each in known if each.__module__.startswith("pyg_equivariant")}
    others_too = {nn.EquivariantConv, nn.SE3Conv}  # a base, and half of an attention
    assert set(expected.values()) == ours | others_too
    assert all(getattr(nn, name) is value for name, value in expected.items())


def test_defaults_are_those_of_the_docstrings() -> None:
    found = {
        f"{value.__module__}.{name}: {default}": default is None
        for package in PACKAGES
        for name, value in _public(package).items()
        if inspect.isclass(value) or inspect.isfunction(value)
        for default in _wrong_defaults(value)
    }
    assert any(found.values())
    assert not [default for default, right in found.items() if not right]


def test_a_wrong_default_is_noticed() -> None:
    def f(a: int = 1, b: tuple[int, ...] = (2,), c: bool = True, d: str = "x") -> None:
        """Do nothing.

        Args:
            a: a number (default: 2).
            b (tuple of int): numbers
                (default: ``(2,)``, of one).
            c: whether. (default: :obj:`False`)
            d: any (default: what is best).
        """

    assert list(_wrong_defaults(f)) == [
        "a=1, documented as 2",
        None,
        "c=True, documented as False",
    ]
