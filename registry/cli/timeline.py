"""Timelines: the validity of a panel, drawn as one line of a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from registry import detectors
from registry.cli.streams import can_print
from registry.instants import BEGINNING, Instant

if TYPE_CHECKING:
    from registry.records import Version

_DAY = 86_400 * 1_000_000
_MIN_CELLS = 12  # with fewer a timeline shows too little
_SINGLE_START_MARGIN = 30 * _DAY  # on either side, where all start at the same time
_PADDING = 10  # the divisor of the time between the first and the last start, added on either side
_FULL_CELL = 1 - 1e-6  # the valid part of a cell from which on it counts as all valid
_LAST_INSTANT = 253_402_300_799_000_000  # 9999-12-31T23:59:59Z
_FIRST_INSTANT = -62_135_596_800_000_000  # 0001-01-01


class Symbols(NamedTuple):
    """The characters of a timeline."""

    all_valid: str
    some_valid: str
    none_valid: str
    start: str


BLOCK_SYMBOLS = Symbols("\N{FULL BLOCK}", "\N{MEDIUM SHADE}", "\N{MIDDLE DOT}", "\N{RIGHT HALF BLOCK}")
ASCII_SYMBOLS = Symbols("#", "+", ".", "|")


def format_legend(symbols: Symbols) -> str:
    """Return the legend of a timeline."""
    return (
        f"timeline: {symbols.all_valid} all required kinds valid, {symbols.some_valid} some,"
        f" {symbols.none_valid} none, {symbols.start} a start, <> open ends"
    )


def choose_symbols() -> Symbols:
    """Return block characters, or ASCII where stdout's encoding has no blocks."""
    return BLOCK_SYMBOLS if can_print("".join(BLOCK_SYMBOLS)) else ASCII_SYMBOLS


@dataclass(frozen=True, slots=True)
class Scale:
    """The first and the last instant of a timeline, in microseconds since 1970."""

    first: int
    last: int

    @property
    def end_labels(self) -> tuple[str, str]:
        """The dates of both ends, with minutes where the scale is short."""
        texts = str(Instant(self.first)), str(Instant(self.last))
        if self.last - self.first > _SINGLE_START_MARGIN:
            return texts[0][:10], texts[1][:10]
        return f"{texts[0][:16]}Z", f"{texts[1][:16]}Z"

    def locate(self, instant: Instant, cells: int) -> float:
        """Return the position of an instant, in cells from the left end."""
        within = min(max(int(instant), self.first), self.last) - self.first
        return within / (self.last - self.first) * cells


def fit_scale(versions: Iterable[Version]) -> Scale:
    """Return a scale that holds all starts, with a margin."""
    starts = [int(version.valid_from) for version in versions if version.valid_from != BEGINNING] or [0]
    low, high = min(starts), max(starts)
    margin = (high - low) // _PADDING or _SINGLE_START_MARGIN
    return Scale(max(low - margin, _FIRST_INSTANT), min(high + margin, _LAST_INSTANT))


def draw_timeline(versions: Sequence[Version], scale: Scale, width: int, symbols: Symbols) -> str | None:
    """Return the line of one panel, `width` columns wide; None where that is too narrow or nothing is known.

    The versions are all those of the panel, sorted by kind and start.
    """
    before, after = scale.end_labels
    cells = width - len(before) - len(after) - 4
    if cells < _MIN_CELLS or not versions:
        return None
    kinds = [_fill_cells(group, scale, cells) for group in _group_required_kinds(versions)]
    line = "".join(_choose_symbol(states, symbols) for states in zip(*kinds, strict=True))
    ranges = [version for version in versions if not version.is_gap]
    left = "<" if any(version.valid_from == BEGINNING for version in ranges) else " "
    right = ">" if any(version.valid_to is None for version in ranges) else " "
    return f"{before} {left}{line}{right} {after}"


def _group_required_kinds(versions: Sequence[Version]) -> list[list[Version]]:
    """Return the versions of each required kind, or of each kind where none of the required is among them."""
    required = detectors.find_panel_type(versions[0].panel).required_kinds
    by_kind = {kind: list(group) for kind, group in groupby(versions, lambda version: version.kind)}
    return [by_kind[kind] for kind in required if kind in by_kind] or list(by_kind.values())


class _CellState(NamedTuple):
    """For one kind in one cell: the valid part, 0 to 1, and whether a version starts there."""

    valid: float
    starts: bool


def _fill_cells(versions: Iterable[Version], scale: Scale, cells: int) -> list[_CellState]:
    """Return the state of each cell of a line for the versions of one kind, sorted by start."""
    valid, starts = [0.0] * cells, [False] * cells
    for version in versions:
        low = scale.locate(version.valid_from, cells)
        high = float(cells) if version.valid_to is None else scale.locate(version.valid_to, cells)
        if version.valid_from != BEGINNING and not version.is_gap:
            starts[min(int(low), cells - 1)] = True
        for cell in range(int(low), math.ceil(high)) if not version.is_gap else ():
            valid[cell] += min(high, cell + 1) - max(low, cell)
    return [_CellState(*both) for both in zip(valid, starts, strict=True)]


def _choose_symbol(states: Sequence[_CellState], symbols: Symbols) -> str:
    """Return the symbol of one cell, from its states for all kinds."""
    if any(state.starts for state in states):
        return symbols.start
    if not any(state.valid for state in states):
        return symbols.none_valid
    return symbols.all_valid if all(state.valid > _FULL_CELL for state in states) else symbols.some_valid
