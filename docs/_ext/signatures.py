"""Arguments and their types as one writes them.

Those of a class are those of its ``__init__``, whatever its base does to calls, and not
those of attributes of the same name. A union that has a public name goes by that name.
"""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import signature, stringify_signature
from sphinx.util.typing import stringify_annotation

from pyg_equivariant import o3

NAMED = ("IrrepsLike", "IrrepLike", "HarmonicsLike")


def written(annotation: Any) -> str:
    """An annotation, with public names in the place of what they stand for."""
    text = stringify_annotation(annotation, "smart")
    for name in NAMED:
        spelled = stringify_annotation(getattr(o3, name), "smart")
        text = text.replace(spelled, f"~pyg_equivariant.o3.{name}")
    return text.replace("~typing.Tuple[", "tuple[")


def record(
    app: Sphinx, kind: str, name: str, value: Any, options: Any, args: str, *_: Any
) -> tuple[str, None] | None:
    """Note types in the place of those that autodoc noted; mend ``args`` of a class."""
    if kind not in ("class", "exception", "function", "method"):
        return None
    is_class = inspect.isclass(value)
    called = value.__init__ if is_class else value
    aliases = app.config.autodoc_type_aliases
    try:
        found = signature(called, bound_method=is_class, type_aliases=aliases)
    except (TypeError, ValueError):
        return None
    noted = app.env.temp_data["annotations"].setdefault(name, {})
    noted.clear()
    for parameter in found.parameters.values():
        if parameter.annotation is not parameter.empty:
            noted[parameter.name] = written(parameter.annotation)
    if found.return_annotation is not found.empty and not is_class:
        noted["return"] = written(found.return_annotation)
    if not is_class or args != "(*args, **kwargs)":
        return None
    ours = called.__module__.startswith("pyg_equivariant")
    shown = stringify_signature(found, show_annotation=False) if ours else "()"
    return shown.partition(" -> ")[0], None


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", record, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
