"""Which pages are made, wholly or between two marks, and from what."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from documentation import commands

DOCS = Path(__file__).parent.parent / "docs"
BEGIN = "<!-- made by: python -m documentation -->"
END = "<!-- end of what is made -->"

MADE: dict[str, Callable[[], str]] = {
    "commands.md": commands.reference,
}


def made(name: str) -> str:
    """Return the page as it should be: what a person wrote stays, what stands between the marks is new.

    Raises
    ------
    ValueError
        The page lacks the marks.
    """
    written = (DOCS / name).read_text()
    page, marks = re.subn(
        f"{BEGIN}\n.*{END}\n", lambda _: f"{BEGIN}\n\n{MADE[name]()}\n{END}\n", written, flags=re.DOTALL
    )
    if marks != 1:
        raise ValueError(f"{name} has no lines {BEGIN} and {END}")
    return page


def write() -> list[Path]:
    """Write the pages, and return their paths."""
    for name in MADE:
        (DOCS / name).write_text(made(name))
    return [DOCS / name for name in MADE]
