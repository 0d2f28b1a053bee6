"""What the site adds to the pages in docs/: navigation from the index, and the pages of the Python reference.

A Sphinx extension. The pages themselves stay plain Markdown, which GitHub shows as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sphinx import addnodes
from sphinx.application import Sphinx

from documentation import api_pages

API = "api"
"""The folder in docs/ that holds the made pages of the Python reference; git ignores it."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx what to call."""
    app.connect("builder-inited", _write_api_pages)
    app.connect("source-read", _add_navigation)
    app.connect("object-description-transform", _name_the_noun)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write_api_pages(app: Sphinx) -> None:
    api_pages.write_pages(Path(app.srcdir) / API)


def _add_navigation(_app: Sphinx, name: str, source: list[str]) -> None:
    """Append the tables of contents to the two pages that have some: the index, and the Python reference."""
    if name == "index":
        source[0] += "\n".join(build_navigation(source[0]))
    elif name == "python-reference":
        source[0] += "\n".join(_toctree("", [f"{API}/{page}" for page in api_pages.build_pages()]))


def build_navigation(index: str) -> Iterator[str]:
    """Return a hidden table of contents for each section of the index: its heading, and the pages it links."""
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        yield from _toctree(heading, re.findall(r"^- \[[^]]+\]\((\S+)\.md\)", text, re.MULTILINE))


def _toctree(caption: str, pages: list[str]) -> Iterator[str]:
    yield from ("", "```{toctree}", ":hidden:")
    if caption:
        yield f":caption: {caption}"
    yield from ("", *pages, "```")


def _name_the_noun(app: Sphinx, _domain: str, kind: str, content: addnodes.desc_content) -> None:
    """Write ``registry.versions.add`` where the method of a noun is described, as its user does."""
    noun = app.env.docname.removeprefix(f"{API}/")
    if kind == "method" and noun.startswith("registry."):
        for owner in content.parent.findall(addnodes.desc_addname):
            owner.clear()
            owner.append(addnodes.desc_sig_name("", f"{noun}."))
