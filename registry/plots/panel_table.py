"""A table of the panels of a picture: segment, M-number, panel Id, and of each kind the version and the counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.patches import Rectangle

from registry.detectors import Kind, ZeroMeaning
from registry.plots.maps import CROSS, RING
from registry.plots.page import MARGIN, SMALL, Page, measure_height, measure_width
from registry.plots.subject import PanelMaps, Subject, find_constants, label_place, name_dead

_GAP = 0.14  # inches between columns
_WIDTH_OF_DIGITS = 1.04  # of the width that is reckoned with for letters of all kinds
_BAND_COLOUR = "#EFEFEF"
_PANEL_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with its heading, and the heading above it, which those of one kind share."""

    group: str
    heading: str
    cells: tuple[str, ...]
    is_number: bool = False

    @property
    def width(self) -> float:
        longest = max(measure_width(text, SMALL) for text in (self.heading, *self.cells))
        return longest * _WIDTH_OF_DIGITS + _GAP


@dataclass(frozen=True, slots=True)
class PanelTables:
    """Tables one below the other: as many kinds in each as fit."""

    tables: tuple[tuple[_Column, ...], ...]

    @property
    def width(self) -> float:
        """The inches of the widest table."""
        return max(_measure(table) for table in self.tables)

    @property
    def height(self) -> float:
        """The inches of all tables."""
        rows = len(self.tables[0][0].cells) + 3
        return len(self.tables) * measure_height(SMALL, rows)

    def draw(self, page: Page, top: float) -> None:
        """Write the tables on a page."""
        for table in self.tables:
            top = _draw_table(page, table, top)


def build_tables(subject: Subject, maps: PanelMaps, width: float) -> PanelTables:
    """Return the tables of a picture of that width in inches, which a table with one kind may exceed."""
    panels = [
        _Column("", "segment", tuple(map(label_place, subject.panels)), is_number=True),
        _Column("", "M-number", tuple(panel.alias or "" for panel in subject.panels)),
        _Column("", "panel", tuple(panel.panel for panel in subject.panels)),
    ]
    tables: list[list[_Column]] = [list(panels)]
    for kind in subject.kinds:
        columns = list(_build_columns(subject, maps, kind))
        if len(tables[-1]) > _PANEL_COLUMNS and _measure([*tables[-1], *columns]) > width:
            tables.append(list(panels))
        tables[-1] += columns
    return PanelTables(tuple(map(tuple, tables)))


def _build_columns(subject: Subject, maps: PanelMaps, kind: Kind) -> Iterator[_Column]:
    constants = [find_constants(kind, panel) for panel in subject.panels]
    yield _Column(kind.name, "version", tuple(str(one.version) for one in constants), is_number=True)
    yield _Column(kind.name, "valid from", tuple(one.valid_from or "beginning" for one in constants))
    for gain_range in subject.gain_ranges:
        suffix = f" {gain_range}" if len(subject.gain_ranges) > 1 else ""
        parts = [maps[kind.name, gain_range, panel.position] for panel in subject.panels]
        odd = tuple(str(part.odd.count) for part in parts)
        if kind.zero is ZeroMeaning.GOOD:
            yield _Column(kind.name, f"flagged {RING}{suffix}", odd, is_number=True)
            continue
        dead = tuple(str(part.dead.count) for part in parts)
        yield _Column(kind.name, f"{name_dead(kind)} {CROSS}{suffix}", dead, is_number=True)
        yield _Column(kind.name, f"odd {RING}{suffix}", odd, is_number=True)


def _measure(table: Sequence[_Column]) -> float:
    return sum(column.width for column in table) - _GAP


def _draw_table(page: Page, table: Sequence[_Column], top: float) -> float:
    """Write a table with a light band behind every other row; return where it ends."""
    line, left = measure_height(SMALL), MARGIN
    body, width = top + 2 * line, _measure(table)
    rows = len(table[0].cells)
    for row in range(1, rows, 2):
        page.figure.add_artist(
            Rectangle(
                ((left - 0.04) / page.width, 1 - (body + (row + 1) * line - 0.02) / page.height),
                (width + 0.08) / page.width,
                line / page.height,
                facecolor=_BAND_COLOUR,
                edgecolor="none",
                zorder=-1,
            )
        )
    group = ""
    for column in table:
        if column.group != group:
            group = column.group
            page.write(left, top, [group], SMALL, fontweight="bold")
        end = left + column.width - _GAP
        alignment, place = ("right", end) if column.is_number else ("left", left)
        page.write(place, top + line, [column.heading, *column.cells], SMALL, ha=alignment)
        left += column.width
    return body + (rows + 1) * line
