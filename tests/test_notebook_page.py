"""The notebook in docs/notebooks is run, and shows what happens; so does the page that is made from it."""

import json
from typing import Any

import pytest

from documentation.notebooks import NOTEBOOK, build_page, read_notebook, tidy_notebook, write_notebook
from tests.sessions import is_updating


def hide_pictures(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook without the bytes of pictures, which another matplotlib draws a little differently."""
    copied: dict[str, Any] = json.loads(json.dumps(notebook))
    for cell in copied["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = data["image/png"][:8]
    return copied


@pytest.mark.slow
# Of the kernel's sockets on the loopback interface, and of the event loop that it is driven by.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_shows_what_its_cells_do() -> None:
    import nbclient
    import nbformat

    notebook = nbformat.reads(NOTEBOOK.read_text(), as_version=4)
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    ran = tidy_notebook(json.loads(nbformat.writes(notebook)))
    if is_updating():
        write_notebook(ran)
    assert hide_pictures(ran) == hide_pictures(read_notebook())


def test_the_page_of_the_notebook_has_its_cells_and_outputs() -> None:
    page = NOTEBOOK.with_suffix(".md")
    assert page.read_text() == build_page(read_notebook(), NOTEBOOK.name), (
        "CALREG_UPDATE_DOCS=1 pytest tests/test_notebook_page.py writes it"
    )
    assert NOTEBOOK.with_name("constants-1.png").read_bytes().startswith(b"\x89PNG")
