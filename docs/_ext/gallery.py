"""A directive ``gallery``: the pages that it lists, as cards with their first pictures.

A card takes all from its page: the title, the first lines, and the first picture, which
the page draws when it is executed.
"""

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


class cards(nodes.General, nodes.Element):  # noqa: N801
    """Stands for the cards of ``pages`` until all pages are read."""


class Gallery(SphinxDirective):
    """Cards of pages, named one on a line as from the folder of this page."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        folder = self.env.docname.rpartition("/")[0]
        named = [f"{folder}/{name}".lstrip("/") for name in self.content]
        pages = [page for page in named if page in self.env.found_docs]
        for page in set(named).difference(pages):
            logger.warning("no page %s", page, location=self.get_location())
        self.env.note_reread()  # as its cards change with the pages
        tree = addnodes.toctree(
            parent=self.env.docname,
            entries=[(None, page) for page in pages],
            includefiles=pages,
            maxdepth=1,
            caption=None,
            glob=False,
            hidden=True,
            includehidden=False,
            numbered=0,
            titlesonly=False,
        )
        shown = cards(pages=pages)
        self.set_source_info(shown)
        return [nodes.compound("", tree, classes=["toctree-wrapper"]), shown]


def card(app: Sphinx, page: str, place: str) -> nodes.Element:
    """The card of a page on the page ``place``."""
    doctree = app.env.get_doctree(page)
    address = app.builder.get_relative_uri(place, page)
    title = app.env.titles[page].astext()
    link = nodes.reference("", title, refuri=address, internal=True)
    link["classes"] += ["sd-stretched-link"]
    body = nodes.container(classes=["sd-card-body"], is_div=True)
    body += nodes.paragraph("", "", link, classes=["sd-card-title"])
    first = next(iter(doctree.findall(nodes.paragraph)), None)
    if first is not None:
        body += nodes.paragraph("", first.astext(), classes=["sd-card-text"])
    shown = nodes.container(classes=["sd-card", "sd-shadow-sm", "sd-card-hover"])
    shown["is_div"] = True
    picture = next(iter(doctree.findall(nodes.image)), None)
    if picture is None:
        logger.warning("no picture for the gallery", location=page, type="gallery")
    else:
        image = picture.deepcopy()
        image.attributes.update(alt="", classes=["sd-card-img-top"], ids=[])
        for size in ("width", "height", "scale", "align"):
            image.attributes.pop(size, None)
        shown += image
    shown += body
    return shown


def show(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the cards where the directives were."""
    for node in list(doctree.findall(cards)):
        grid = nodes.container(classes=["gallery"], is_div=True)
        grid += [card(app, page, docname) for page in node["pages"]]
        node.replace_self(grid)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(cards)
    app.add_directive("gallery", Gallery)
    app.connect("doctree-resolved", show)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
