"""Lines that fit a terminal: long ones are folded, never cut; output to a file or pipe is not folded."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

_COLUMN_GAP = "  "
_MAX_CELL_WIDTH = 40  # a longer cell, such as some panel Ids, ends its line
_MIN_TERMINAL_WIDTH = 20  # terminals that claim to be narrower are treated like this
_MIN_TEXT_WIDTH = 24  # a text with less room starts a line of its own
_BREAK_AFTER = re.compile(r"[ _/,:]")  # where a word longer than a line is folded
_CONTINUATION_INDENT = 4
_BLOCK_SIZE = 1000  # rows of a table that are laid out together


def terminal_width() -> int | None:
    """Return the width of the terminal on stdout; None if stdout is not a terminal."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return max(shutil.get_terminal_size().columns, _MIN_TERMINAL_WIDTH)


def fold(text: str, width: int | None) -> Iterator[str]:
    """Yield the text in lines of at most `width` columns (None: unlimited); all but the first are indented more."""
    if width is None or len(text) <= width:
        yield text
        return
    inner = text.lstrip(" ")
    margin = " " * (len(text) - len(inner))
    room = max(width - len(margin), _CONTINUATION_INDENT)
    first, *rest = wrap(inner, room)
    yield margin + first
    if rest:
        indent = margin + " " * _CONTINUATION_INDENT if room > 2 * _CONTINUATION_INDENT else margin
        remainder = inner[len(first) :].lstrip(" ")
        for line in wrap(remainder, max(width - len(indent), _CONTINUATION_INDENT)):
            yield indent + line


def wrap(text: str, room: int | None) -> list[str]:
    """Return the text in pieces of at most `room` columns; spaces at the folds are dropped."""
    pieces = []
    while room is not None and len(text) > room:
        end = _find_break(text, room)
        pieces.append(text[:end].rstrip(" "))
        text = text[end:].lstrip(" ")
    return [*pieces, text]


def _find_break(text: str, room: int) -> int:
    """Return the end of the first line: before a word, or within a word that is longer than a line."""
    space = text.rfind(" ", 1, room + 1)
    if space > 0 and len(text[space + 1 :].partition(" ")[0]) <= room:
        return space
    ends = [mark.end() for mark in _BREAK_AFTER.finditer(text, 1, room)]
    return ends[-1] if ends else room


class _Column(NamedTuple):
    """The indent of a column's cells, and whether they start a line of their own."""

    start: int
    starts_line: bool = False


def format_table(rows: Iterable[Sequence[str]], indent: str, width: int | None) -> Iterator[str]:
    """Yield the lines of aligned columns; see `format_rows`."""
    for _, line in format_rows(rows, indent, width):
        yield line


def format_rows(
    rows: Iterable[Sequence[str]], indent: str, width: int | None
) -> Iterator[tuple[Sequence[str], str]]:
    """Yield the lines of aligned columns, each with its row.

    Rows longer than `width` (None: unlimited) are folded, all of them between the same two columns. A long table is
    laid out in blocks, so that it need not be kept in memory: a column is as wide as its longest cell so far.
    """
    longest: list[Sequence[str]] = []
    unread = iter(rows)
    while block := list(islice(unread, _BLOCK_SIZE)):
        columns = _lay_out_columns([*longest, *block], len(indent), width)
        for row in block:
            for line in _format_row(row, columns, width):
                yield row, line
        longest = _find_longest_cells([*longest, *block])


def _format_row(row: Sequence[str], columns: Sequence[_Column], width: int | None) -> Iterator[str]:
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


def _find_longest_cells(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return two rows that need the same columns: the longest cell of each column, and its longest short one."""
    columns = list(zip(*rows, strict=True))
    short = [[cell for cell in cells if len(cell) <= _MAX_CELL_WIDTH] for cells in columns]
    return [[max(cells, key=len) for cells in columns], [max(cells, key=len) for cells in short]]


def _lay_out_columns(rows: Sequence[Sequence[str]], indent: int, width: int | None) -> list[_Column]:
    columns: list[_Column] = []
    start, last = indent, len(rows[0]) - 1
    for index, cells in enumerate(zip(*rows, strict=True)):
        longest = max(map(len, cells))
        size = max(len(cell) for cell in cells if len(cell) <= _MAX_CELL_WIDTH)
        # A text may be folded within its column, but not into very short lines.
        needed = min(longest, _MIN_TEXT_WIDTH) if index == last or longest > _MAX_CELL_WIDTH else size
        breaks = index > 0 and width is not None and start + max(needed, 1) > width
        if breaks:
            start = indent + _CONTINUATION_INDENT
        columns.append(_Column(start, breaks))
        start += size + len(_COLUMN_GAP)
    return columns
