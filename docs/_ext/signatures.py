"""Types of arguments as one writes them.

Those of a class are those of its ``__init__``, not of attributes of the same name. A
union that has a public name goes by that name.
"""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import signature
from sphinx.util.typing import stringify_annotation

from pyg_equivariant import o3

NAMED = ("IrrepsLike", "IrrepLike", "HarmonicsLike")


def written(annotation: Any) -> str:
    """An annotation, with public names in the place of what they stand for."""
    text = stringify_annotation(annotation, "smart")
    for name in NAMED:
        spelled = stringify_annotation(getattr(o3, name), "smart")
        text = text.replace(spelled, f"~pyg_equivariant.o3.{name}")
    return text


def record(app: Sphinx, kind: str, name: str, value: Any, *_: Any) -> None:
    """Note the types of ``value`` in the place of those that autodoc noted."""
    if kind not in ("class", "exception", "function", "method"):
        return
    called = value.__init__ if inspect.isclass(value) else value
    try:
        found = signature(called, type_aliases=app.config.autodoc_type_aliases)
    except (TypeError, ValueError):
        return
    noted = app.env.temp_data["annotations"].setdefault(name, {})
    noted.clear()
    for parameter in found.parameters.values():
        if parameter.annotation is not parameter.empty:
            noted[parameter.name] = written(parameter.annotation)
    if found.return_annotation is not found.empty and not inspect.isclass(value):
        noted["return"] = written(found.return_annotation)


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", record, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
