"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
converter = LatexToMathML(fancy_error=False)
# The arrow of \\vec: a combining character, which Chromium puts beside the letter.
ARROW = ('<mo stretchy="false">\u20d7</mo>', '<mo stretchy="false" class="vec">→</mo>')


def aligned(text: str) -> str:
    """Equations with an alignment as Sphinx reads them: blank lines part, too."""
    equations = [part.strip() for part in text.split("\n\n") if part.strip()]
    joined = r" \\ ".join(equations)
    if r"\\" in joined and r"\begin{" not in joined:
        return rf"\begin{{aligned}}{joined}\end{{aligned}}"
    return joined


def apart(text: str) -> list[str]:
    """Equations side by side, which a narrow page sets one below the other."""
    parts = text.split(r"\qquad")
    whole = all(part.count("{") == part.count("}") for part in parts)
    return parts if whole and r"\begin{" not in text else [text]


def mathml(node: nodes.Element, text: str, display: bool) -> str:
    try:
        drawn = converter.convert_with_local_state(text, displaystyle=display)
        return drawn.replace(*ARROW)
    except LatexError as error:
        logger.warning("%s in %r", error, text, location=node, type="math")
        return f"<code>{nodes.Text(text)}</code>"


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node, node.astext(), display=False))
    raise nodes.SkipNode


def visit_displayed(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    drawn = [mathml(node, text, display=True) for text in apart(aligned(node.astext()))]
    self.body.append("".join(drawn) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
