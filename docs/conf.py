"""Sphinx configuration: the API pages list what the packages name in ``__all__``."""

import inspect
import os
import sys
from importlib import import_module
from pathlib import Path

import ziamath  # for its font, STIX Two Math
from sphinx.application import Sphinx

import pyg_equivariant

sys.path.append(str(Path(__file__).parent / "_ext"))

PACKAGE = project = "pyg_equivariant"
author = "The pyg_equivariant authors"
copyright = author
version = release = pyg_equivariant.__version__

extensions = [
    "gallery",
    "mathml",
    "references",
    "signatures",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_*", "jupyter_execute"]
templates_path = ["_templates"]
# o3 and nn both have a TensorProduct, the paths and the module that computes them.
suppress_warnings = ["ref.python"]
nitpicky = True
# Words in the types of arguments, in Google's style.
nitpick_ignore = [("py:class", word) for word in ("optional", "callable", "sequence")]
nitpick_ignore_regex = [("py:obj", r"[-\d.\"(].*")]  # :obj:`0`, as PyG writes values
html_math_renderer = "mathml"
html_theme = "furo"
pygments_dark_style = "github-dark"  # the theme's own underlines imports
html_static_path = ["_static", str(Path(ziamath.__file__).parent / "fonts")]
html_css_files = ["site.css"]
html_title = f"pyg_equivariant {release}"

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of small graphs, more only wait
nb_execution_mode = "cache"  # a page runs again when its code changes
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 300
nb_merge_streams = True

intersphinx_mapping = {  # from files here: a build needs no network
    name: (address, f"_inventories/{name}.txt")
    for name, address in {
        "python": "https://docs.python.org/3/",
        "torch": "https://docs.pytorch.org/docs/stable/",
        "torch_geometric": "https://pytorch-geometric.readthedocs.io/en/latest/",
        "numpy": "https://numpy.org/doc/stable/",
        "sympy": "https://docs.sympy.org/latest/",
        "e3nn": "https://docs.e3nn.org/en/stable/",
        "ase": "https://ase-lib.org/",
    }.items()
}

autodoc_inherit_docstrings = False
autodoc_type_aliases = {"Atoms": "ase.Atoms"}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_typehints_description_target = "documented"
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Shapes"]
napoleon_attr_annotations = False
napoleon_use_ivar = True
napoleon_use_rtype = False


def public(package: str, *without: str) -> dict[str, str]:
    """Names in ``__all__`` of a package and the directive that documents each.

    Args:
        package: its name below ``pyg_equivariant``.
        without: packages whose names it repeats and that have pages of their own.
    """
    elsewhere = {name for other in without for name in public(other)}
    module = import_module(f"{PACKAGE}.{package}")
    directives = {}
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        kind = "class" if inspect.isclass(value) else "function"
        directives[name] = f"auto{kind}" if callable(value) else "autodata"
    return {name: d for name, d in directives.items() if name not in elsewhere}


def inherits_forward(package: str, name: str) -> bool:
    """Whether a class has its ``forward`` from another one of ours."""
    value = getattr(import_module(f"{PACKAGE}.{package}"), name)
    forward = getattr(value, "forward", None)
    own = "forward" in vars(value)
    return not own and getattr(forward, "__module__", "").startswith(PACKAGE)


def skip(app: Sphinx, kind: str, name: str, member: object, *_: object) -> bool | None:
    """Leave out what a class has of another package, such as PyG's hooks."""
    return None if getattr(member, "__module__", PACKAGE).startswith(PACKAGE) else True


def render(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fill in the loops of the API pages."""
    if docname.startswith("api/"):
        told: dict[str, str] = {}  # data that a page describes itself
        context = {"public": public, "inherits_forward": inherits_forward, "told": told}
        source[0] = app.builder.templates.render_string(source[0], context)


def setup(app: Sphinx) -> None:
    """Register the hooks."""
    app.connect("autodoc-skip-member", skip)
    app.connect("source-read", render)
