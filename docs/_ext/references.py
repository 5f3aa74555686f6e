"""References by any public name of an object that one page documents.

``pyg_equivariant.nn.SEGNNConv`` is documented among the convolutions, and annotations
name the module that defines a class: both lead to the one page that tells of it.
"""

import sys
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

PACKAGE = "pyg_equivariant"


def found(name: str) -> Any:
    """The object of a dotted name, or None."""
    module, _, rest = name.rpartition(".")
    while module:
        try:
            value = import_module(module)
        except ImportError:
            module, _, last = module.rpartition(".")
            rest = f"{last}.{rest}"
            continue
        for part in rest.split("."):
            value = getattr(value, part, None)
        return value
    return sys.modules.get(name)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Lead a name of ours to the page of the same object under another name."""
    target = node["reftarget"]
    if node.get("refdomain") != "py" or not target.startswith(f"{PACKAGE}."):
        return None
    wanted = found(target)
    if wanted is None:
        return None
    for name, entry in env.domains.python_domain.objects.items():
        if name.split(".")[-1] == target.split(".")[-1] and found(name) is wanted:
            place = (entry.docname, entry.node_id)
            return make_refnode(app.builder, node["refdoc"], *place, content, name)
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
