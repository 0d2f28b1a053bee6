"""A panel's validity as one line of a terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from registry import detectors
from registry.instants import BEGINNING, Instant

if TYPE_CHECKING:
    from registry.records import Version

_DAY = 86_400 * 1_000_000
_MIN_CELLS = 12  # cells, with fewer there is no timeline
_SINGLE_START_MARGIN = 30 * _DAY  # on either side of a start that stands alone
_PADDING = 10  # one part in so many of the whole, on either side
_FULL_CELL = 1 - 1e-6  # of a cell
_LAST_INSTANT = 253_402_300_799_000_000  # 9999-12-31T23:59:59Z
_FIRST_INSTANT = -62_135_596_800_000_000  # 0001-01-01


class Symbols(NamedTuple):
    """How a part of the line looks: all kinds valid, some, none; a start; open ends."""

    all_valid: str
    some_valid: str
    none_valid: str
    start: str


BLOCK_SYMBOLS = Symbols("\N{FULL BLOCK}", "\N{MEDIUM SHADE}", "\N{MIDDLE DOT}", "\N{RIGHT HALF BLOCK}")
ASCII_SYMBOLS = Symbols("#", "+", ".", "|")


def format_legend(signs: Symbols) -> str:
    """Return what the signs mean."""
    return (
        f"timeline: {signs.all_valid} all required kinds valid, {signs.some_valid} not all, {signs.none_valid} none,"
        f" {signs.start} a start, <> open ends"
    )


def choose_symbols() -> Symbols:
    """Return blocks, or plain signs where the terminal's encoding has no blocks."""
    try:
        "".join(BLOCK_SYMBOLS).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII_SYMBOLS
    return BLOCK_SYMBOLS


@dataclass(frozen=True, slots=True)
class Scale:
    """From when to when a line goes, in microseconds since 1970."""

    first: int
    last: int

    @property
    def end_labels(self) -> tuple[str, str]:
        """The days of both ends, or where they are few the minutes."""
        texts = str(Instant(self.first)), str(Instant(self.last))
        if self.last - self.first > _SINGLE_START_MARGIN:
            return texts[0][:10], texts[1][:10]
        return f"{texts[0][:16]}Z", f"{texts[1][:16]}Z"


def fit_scale(versions: Iterable[Version]) -> Scale:
    """Return the scale on which all starts have room."""
    starts = [int(version.valid_from) for version in versions if version.valid_from != BEGINNING] or [0]
    low, high = min(starts), max(starts)
    room = (high - low) // _PADDING or _SINGLE_START_MARGIN
    return Scale(max(low - room, _FIRST_INSTANT), min(high + room, _LAST_INSTANT))


def draw_timeline(versions: Sequence[Version], scale: Scale, width: int, signs: Symbols) -> str | None:
    """Return the line of one panel, None where it has no room or nothing to show.

    Parameters
    ----------
    versions
        All ranges of the panel, by kind and start.
    width
        Of the whole line, with its dates.
    """
    before, after = scale.end_labels
    cells = width - len(before) - len(after) - 4
    if cells < _MIN_CELLS or not versions:
        return None
    grid = Grid(scale, cells)
    kinds = [grid.fill_cells(group) for group in _group_required_kinds(versions)]
    line = "".join(_choose_symbol(states, signs) for states in zip(*kinds, strict=True))
    opens = "<" if any(each.valid_from == BEGINNING and not each.is_gap for each in versions) else " "
    stays = ">" if any(each.valid_to is None and not each.is_gap for each in versions) else " "
    return f"{before} {opens}{line}{stays} {after}"


def _group_required_kinds(versions: Sequence[Version]) -> list[list[Version]]:
    """Return the ranges by kind: of the required kinds, or of all where none of these is shown."""
    required = detectors.type_of_panel(versions[0].panel).required_kinds
    shown = {kind: list(group) for kind, group in groupby(versions, lambda version: version.kind)}
    return [shown[kind] for kind in required if kind in shown] or list(shown.values())


class _CellState(NamedTuple):
    """Of one kind in one cell: how much of it is valid, 0 to 1, and whether a version starts there."""

    valid: float
    starts: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A scale in equal cells."""

    scale: Scale
    cells: int

    def fill_cells(self, versions: Sequence[Version]) -> list[_CellState]:
        """Return the states of one kind, whose ranges are given by start; each is looked at once."""
        valid, starts = [0.0] * self.cells, [False] * self.cells
        for version in versions:
            low = self._locate(version.valid_from)
            high = float(self.cells) if version.valid_to is None else self._locate(version.valid_to)
            if version.valid_from != BEGINNING and not version.is_gap:
                starts[min(int(low), self.cells - 1)] = True
            for cell in range(int(low), math.ceil(high)) if not version.is_gap else ():
                valid[cell] += min(high, cell + 1) - max(low, cell)
        return [_CellState(*both) for both in zip(valid, starts, strict=True)]

    def _locate(self, instant: Instant) -> float:
        """Return where an instant is, in cells from the left end."""
        within = min(max(int(instant), self.scale.first), self.scale.last) - self.scale.first
        return within / (self.scale.last - self.scale.first) * self.cells


def _choose_symbol(states: Sequence[_CellState], signs: Symbols) -> str:
    """Return how one cell looks, of all kinds."""
    if any(state.starts for state in states):
        return signs.start
    if not any(state.valid for state in states):
        return signs.none_valid
    return signs.all_valid if all(state.valid > _FULL_CELL for state in states) else signs.some_valid
