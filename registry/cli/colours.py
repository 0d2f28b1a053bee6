"""A little colour: headings, what was withdrawn, warnings and refusals; on a terminal alone, and not with NO_COLOR."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

DUMB_TERMINALS = ("dumb", "unknown", "")

_STYLES: dict[str, dict[str, Any]] = {
    "heading": {"bold": True},
    "withdrawn": {"fg": "red", "dim": True},
    "warning": {"fg": "yellow"},
    "error": {"fg": "red", "bold": True},
}


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return a text, whose control characters are escaped already, in one of the styles where the stream shows it.

    The stream is the standard output unless another is given.
    """
    if not text or not _has_colours(sys.stdout if stream is None else stream):
        return text
    import typer

    return typer.style(text, **_STYLES[style])


def _has_colours(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that shows colours, and the person wants them: https://no-color.org."""
    return (
        stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in DUMB_TERMINALS
    )
