"""A Sphinx extension: it adds navigation and the pages of the Python reference to the pages in docs/.

The pages themselves stay plain Markdown, which can be read in the repository as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sphinx import addnodes
from sphinx.application import Sphinx

from documentation import api_pages

API = "api"
"""The folder in docs/ for the pages of the Python reference; git ignores it."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the functions below with Sphinx."""
    app.connect("builder-inited", _write_api_pages)
    app.connect("source-read", _add_navigation)
    app.connect("object-description-transform", _name_the_noun)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write_api_pages(app: Sphinx) -> None:
    api_pages.write_pages(Path(app.srcdir) / API)


def _add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Append tables of contents to the pages that have some."""
    if name == "index":
        source[0] += "\n".join(build_navigation(source[0]))
    elif name == "python-reference":
        source[0] += "\n".join(_toctree("", [f"{API}/{page}" for page in api_pages.build_pages()]))
    elif name == "decisions/README":
        decisions = sorted(path.stem for path in (Path(app.srcdir) / "decisions").glob("0*.md"))
        source[0] += "\n".join(_toctree("", decisions))


def build_navigation(index: str) -> Iterator[str]:
    """Yield the lines of a table of contents for each section of the index: its heading, and the pages it links."""
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        yield from _toctree(heading, re.findall(r"^- \[[^]]+\]\((\S+)\.md\)", text, re.MULTILINE))


def _toctree(caption: str, pages: list[str]) -> Iterator[str]:
    """Yield the lines of a table of contents; one with a caption stands in the margin only."""
    yield from ("", "```{toctree}", *((":hidden:", f":caption: {caption}") if caption else (":maxdepth: 1",)))
    yield from ("", *pages, "```")


def _name_the_noun(app: Sphinx, _domain: str, kind: str, content: addnodes.desc_content) -> None:
    """Write ``registry.versions.add`` where the method of a noun is described, as its user does."""
    noun = app.env.docname.removeprefix(f"{API}/")
    if kind == "method" and noun.startswith("registry."):
        for owner in content.parent.findall(addnodes.desc_addname):
            owner.clear()
            owner.append(addnodes.desc_sig_name("", f"{noun}."))
