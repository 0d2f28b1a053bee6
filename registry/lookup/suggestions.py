"""What is known instead: the end of every sentence that says that something is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_SHOWN = 5


def known_instead(name: str, known: Iterable[str]) -> str:
    """Return ``; near: ...``, ``; known: ...`` or ``; none is known yet``."""
    names = sorted(set(known))
    if not names:
        return "; none is known yet"
    near = difflib.get_close_matches(name[:100], names, n=_SHOWN, cutoff=0.75)
    return f"; near: {', '.join(near)}" if near else f"; known: {shortened(names)}"


def shortened(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
