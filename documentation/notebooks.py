"""The page that shows a notebook: its cells and their outputs as Markdown, and its pictures as files beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from documentation.placeholders import use_placeholders

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebooks" / "constants.ipynb"
_SHOWN = ("text/plain", "text/html", "image/png")
_MAX_HTML = 4000  # characters; that of xarray is longer than the rest of a notebook


def read_notebook(path: Path = NOTEBOOK) -> dict[str, Any]:
    """Return a notebook, as JSON has it."""
    notebook: dict[str, Any] = json.loads(path.read_text())
    return notebook


def write_notebook(notebook: dict[str, Any], path: Path = NOTEBOOK) -> None:
    """Write a notebook, the page that shows it, and its pictures."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    path.with_suffix(".md").write_text(build_page(notebook, path.name))
    for name, picture in _find_pictures(notebook, path.stem):
        path.with_name(name).write_bytes(base64.b64decode(picture))


def tidy_notebook(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with the outputs that every machine has: no times, Ids, seals, and long HTML."""
    cells: list[dict[str, Any]] = []
    for number, cell in enumerate(notebook["cells"]):
        tidy: dict[str, Any] = {"cell_type": cell["cell_type"], "id": f"cell-{number}", "metadata": {}}
        tidy["source"] = "".join(cell["source"]).splitlines(keepends=True)
        if cell["cell_type"] == "code":
            count = sum(other["cell_type"] == "code" for other in cells) + 1
            tidy |= {
                "execution_count": count,
                "outputs": [_tidy_output(one, count) for one in cell["outputs"]],
            }
        cells.append(tidy)
    language = {"language_info": {"name": "python"}}
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return {"cells": cells, "metadata": kernel | language, "nbformat": 4, "nbformat_minor": 5}


def _tidy_output(output: dict[str, Any], count: int) -> dict[str, Any]:
    if output["output_type"] == "stream":
        text = use_placeholders("".join(output["text"]))
        return {"name": output["name"], "output_type": "stream", "text": text.splitlines(keepends=True)}
    data = {}
    for form in _SHOWN:
        text = "".join(output["data"].get(form, ""))
        if text and (form != "text/html" or len(text) <= _MAX_HTML):
            is_text = form.startswith("text/")
            data[form] = use_placeholders(text).splitlines(keepends=True) if is_text else text.strip()
    return {"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"}


def build_page(notebook: dict[str, Any], name: str) -> str:
    """Return the page in Markdown."""
    parts = []
    pictures = iter(_find_pictures(notebook, Path(name).stem))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source.replace("{notebook}", f"[notebook]({name})"))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                parts.append(f"![The picture that the cell shows]({next(pictures)[0]})")
            else:
                text = "".join(output.get("text") or output["data"]["text/plain"])
                parts.append(f"```\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _find_pictures(notebook: dict[str, Any], stem: str) -> Iterator[tuple[str, str]]:
    """Yield the name of the file and the content, in base64, of every picture."""
    number = 0
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                number += 1
                yield f"{stem}-{number}.png", "".join(picture)
