"""Sphinx configuration: the API pages list what the packages name in ``__all__``."""

import inspect
from importlib import import_module

from sphinx.application import Sphinx

import pyg_equivariant

project = "pyg_equivariant"
author = "The pyg_equivariant authors"
copyright = author
version = release = pyg_equivariant.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
# o3 and nn both have a TensorProduct, the paths and the module that computes them.
suppress_warnings = ["ref.python"]
html_theme = "furo"
html_title = f"pyg_equivariant {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Shapes"]
napoleon_use_ivar = True
napoleon_use_rtype = False


def public(package: str, *without: str) -> dict[str, str]:
    """Names in ``__all__`` of a package and the directive that documents each.

    Args:
        package: its name below ``pyg_equivariant``.
        without: packages whose names it repeats and that have pages of their own.
    """
    elsewhere = {name for other in without for name in public(other)}
    module = import_module(f"pyg_equivariant.{package}")
    directives = {}
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        kind = "class" if inspect.isclass(value) else "function"
        directives[name] = f"auto{kind}" if callable(value) else "autodata"
    return {name: d for name, d in directives.items() if name not in elsewhere}


def render(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fill in the loops of the API pages."""
    if docname.startswith("api/"):
        context = {"public": public}
        source[0] = app.builder.templates.render_string(source[0], context)


def setup(app: Sphinx) -> None:
    """Register the hook."""
    app.connect("source-read", render)
