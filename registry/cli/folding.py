"""Lines that fit a terminal: folded where they are too long, nothing cut. What goes elsewhere stays as it is."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_COLUMN_GAP = "  "
_MAX_CELL_WIDTH = 40  # of a column; a longer cell, as some panel Ids are, ends its line
_MIN_TERMINAL_WIDTH = 20  # of a terminal; what claims to be narrower is served like this
_MIN_TEXT_WIDTH = 24  # room for a text; with less it begins a line of its own
_BREAK_AFTER = re.compile(r"[ _/,:]")  # a word that no line can hold is folded after one of these
_CONTINUATION_INDENT = 4


def terminal_width() -> int | None:
    """Return the columns of the terminal that shows the answer, None where no terminal does."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return max(shutil.get_terminal_size().columns, _MIN_TERMINAL_WIDTH)


def fold(text: str, width: int | None) -> Iterator[str]:
    """Yield the text in lines of at most `width` columns (None: any), the further ones further in than the first."""
    inner = text.lstrip(" ")
    margin = " " * (len(text) - len(inner))
    if width is None or len(text) <= width:
        yield text
        return
    room = max(width - len(margin), _CONTINUATION_INDENT)
    first, *rest = wrap(inner, room)
    further = margin + " " * _CONTINUATION_INDENT if room > 2 * _CONTINUATION_INDENT else margin
    yield margin + first
    for piece in (
        wrap(inner[len(first) :].lstrip(" "), max(width - len(further), _CONTINUATION_INDENT)) if rest else ()
    ):
        yield further + piece


def wrap(text: str, room: int | None) -> list[str]:
    """Return the text in pieces of at most so many columns; spaces where it is folded go."""
    found = []
    while room is not None and len(text) > room:
        end = _find_break(text, room)
        found.append(text[:end].rstrip(" "))
        text = text[end:].lstrip(" ")
    return [*found, text]


def _find_break(text: str, room: int) -> int:
    """Return where the first line ends: before the last word, but after a mark in one that no line could hold."""
    space = text.rfind(" ", 1, room + 1)
    if space > 0 and len(text[space + 1 :].partition(" ")[0]) <= room:
        return space
    ends = [mark.end() for mark in _BREAK_AFTER.finditer(text, 1, room)]
    return ends[-1] if ends else room


class _Column(NamedTuple):
    """Where the cells of a column begin, and whether on a line of their own."""

    start: int
    starts_line: bool = False


def format_table(rows: Sequence[Sequence[str]], indent: str, width: int | None) -> Iterator[str]:
    """Yield the lines of aligned columns, the headings first.

    Parameters
    ----------
    width
        Of the terminal: where a row is longer, it is folded between two columns, all rows at the same; None
        where no terminal sets one.
    """
    columns = _lay_out_columns(rows, len(indent), width)
    for row in rows:
        line = ""
        for cell, column in zip(row, columns, strict=True):
            if line.strip() and (column.starts_line or len(line) + len(_COLUMN_GAP) > column.start):
                yield line.rstrip()
                line = ""
            line = ("" if column.starts_line else line).ljust(column.start)
            first, *more = wrap(cell, None if width is None else max(width - column.start, 1))
            line += first
            for piece in more:
                yield line.rstrip()
                line = " " * column.start + piece
        if line.strip():
            yield line.rstrip()


def _lay_out_columns(rows: Sequence[Sequence[str]], indent: int, width: int | None) -> list[_Column]:
    found: list[_Column] = []
    place, last = indent, len(rows[0]) - 1
    for index, cells in enumerate(zip(*rows, strict=True)):
        longest = max(map(len, cells))
        size = max(len(cell) for cell in cells if len(cell) <= _MAX_CELL_WIDTH)
        # Texts may be folded within their column, but not into shreds.
        needed = min(longest, _MIN_TEXT_WIDTH) if index == last or longest > _MAX_CELL_WIDTH else size
        breaks = index > 0 and width is not None and place + max(needed, 1) > width
        if breaks:
            place = indent + _CONTINUATION_INDENT
        found.append(_Column(place, breaks))
        place += size + len(_COLUMN_GAP)
    return found
