"""Suggestions: the known names that end the message about an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_MAX_SHOWN = 5


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``; near: ...``, ``; known: ...`` or ``; none is known yet``."""
    names = sorted(set(known))
    if not names:
        return "; none is known yet"
    near = find_near(name, names)
    return f"; near: {', '.join(near)}" if near else f"; known: {shorten(names)}"


def find_near(name: str, known: Iterable[str]) -> list[str]:
    """Return the few known names that are much like this one, the nearest first."""
    return difflib.get_close_matches(name[:100], sorted(set(known)), n=_MAX_SHOWN, cutoff=0.75)


def shorten(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - _MAX_SHOWN
    return ", ".join(names[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
