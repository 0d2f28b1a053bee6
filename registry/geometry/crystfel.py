"""Geometry files of CrystFEL: panels, each a rectangle of the data with its place and its directions.

A line is ``parameter = value`` or ``panel/parameter = value``; the first kind holds for the panels that follow. A panel
is the data from ``min_fs``, ``min_ss`` to ``max_fs``, ``max_ss``, both included. The outer corner of its first pixel is
at ``corner_x``, ``corner_y``, and ``fs`` and ``ss`` are the steps along both, all in pixels, of which ``res`` make a
metre. A whole number among ``dim0``, ``dim1`` ... selects the segment; without one, the segments lie one after the
other along ss. In the picture x goes to the right and y up, as CrystFEL shows it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from registry.geometry.numbers import geometry_error, parse_index, parse_number
from registry.geometry.tiles import Tile, Vector
from registry.identifiers import format_count, quote

_LIMITS = ("min_fs", "max_fs", "min_ss", "max_ss")
_NEEDED = ("corner_x", "corner_y", "fs", "ss", "res", *_LIMITS)
_DIMENSION = re.compile(r"dim[0-9]")
_TERM = re.compile(r"([+-]?)((?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?)?([xyz])")
_NOT_PANELS = ("bad", "rigid_group", "group")  # names of masked regions, and of groups of panels


@dataclass(slots=True)
class _Panel:
    """The parameters of a panel, with the lines that state them."""

    name: str
    line: int
    values: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rectangle:
    """A panel: its pixels in the data, the whole numbers among its dimensions, and its place."""

    panel: _Panel
    rows: tuple[int, int]
    columns: tuple[int, int]
    selected: dict[str, int]
    origin: Vector
    row_step: Vector
    column_step: Vector


def parse_crystfel(
    lines: Sequence[tuple[int, str]], path: str, shape: tuple[int, int], most: int
) -> dict[int, tuple[Tile, ...]]:
    """Return the tiles of each segment by its number; see `parse_psana` for the parameters."""
    rectangles = [_build_rectangle(panel, path) for panel in _read_panels(lines, path)]
    if not rectangles:
        raise geometry_error(path, "it has no panel")
    axis = _choose_axis(rectangles, path)
    segments: dict[int, list[tuple[_Panel, Tile]]] = {}
    for item in rectangles:
        number, above = divmod(item.rows[0], shape[0])
        if axis is not None:
            number, above = item.selected[axis], item.rows[0]
        rows = above, above + item.rows[1] - item.rows[0]
        if rows[1] > shape[0] or item.columns[1] > shape[1]:
            raise geometry_error(
                path,
                f"panel {quote(item.panel.name)} reaches beyond the pixels of a segment, {shape[0]} x {shape[1]}",
                item.panel.line,
            )
        tile = Tile(rows, item.columns, item.origin, item.row_step, item.column_step)
        if not tile.is_flat:
            raise geometry_error(
                path, f"fs and ss of panel {quote(item.panel.name)} are not two directions", item.panel.line
            )
        segments.setdefault(number, []).append((item.panel, tile))
        if len(segments) > most:
            raise geometry_error(path, f"it has more than {format_count(most, 'segment')}", item.panel.line)
    for number, tiles in segments.items():
        _refuse_incomplete(number, tiles, path, shape)
    return {number: tuple(tile for _, tile in segments[number]) for number in sorted(segments)}


def _read_panels(lines: Sequence[tuple[int, str]], path: str) -> list[_Panel]:
    """Return the panels with their parameters; those that are not of use here are left out."""
    common: dict[str, tuple[str, int]] = {}
    panels: dict[str, _Panel] = {}
    for line, text in lines:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise geometry_error(path, "a parameter and = are expected", line)
        owner, slash, name = key.partition("/")
        if owner.startswith(_NOT_PANELS) or not (
            (name if slash else owner) in _NEEDED or _DIMENSION.fullmatch(name if slash else owner)
        ):
            continue
        if not slash:
            common[owner] = value, line
            continue
        panel = panels.setdefault(owner, _Panel(owner, line, dict(common)))
        panel.values[name] = value, line
    return list(panels.values())


def _build_rectangle(panel: _Panel, path: str) -> _Rectangle:
    missing = [name for name in _NEEDED if name not in panel.values]
    if missing:
        raise geometry_error(path, f"panel {quote(panel.name)} lacks {', '.join(missing)}", panel.line)
    first_fs, last_fs, first_ss, last_ss = (parse_index(*_get(panel, name, path)) for name in _LIMITS)
    if last_fs < first_fs or last_ss < first_ss:
        raise geometry_error(path, f"panel {quote(panel.name)} ends before it begins", panel.line)
    resolution = parse_number(*_get(panel, "res", path))
    if resolution < 1:
        raise geometry_error(
            path, f"res of panel {quote(panel.name)} is not positive", panel.values["res"][1]
        )
    pixel = 1000 / resolution
    x, y = (parse_number(*_get(panel, name, path)) * pixel for name in ("corner_x", "corner_y"))
    fs, ss = (_parse_direction(*_get(panel, name, path), pixel) for name in ("fs", "ss"))
    fs_range, ss_range = (first_fs, last_fs + 1), (first_ss, last_ss + 1)
    dimensions = {
        name: text for name, (text, _) in sorted(panel.values.items()) if _DIMENSION.fullmatch(name)
    }
    selected = {
        name: parse_index(*_get(panel, name, path)) for name, text in dimensions.items() if text.isdecimal()
    }
    order = [text for text in dimensions.values() if text in {"fs", "ss"}]
    if order == ["fs", "ss"]:  # the rows of the data are along fs
        return _Rectangle(panel, fs_range, ss_range, selected, (x, y), fs, ss)
    if order not in ([], ["ss", "fs"]):
        raise geometry_error(
            path, f"the dimensions of panel {quote(panel.name)} are not ss and fs", panel.line
        )
    return _Rectangle(panel, ss_range, fs_range, selected, (x, y), ss, fs)


def _get(panel: _Panel, name: str, path: str) -> tuple[str, str, int]:
    text, line = panel.values[name]
    return text, path, line


def _parse_direction(text: str, path: str, line: int, pixel: float) -> Vector:
    """Return a direction like ``+0.01x -0.99y`` as a step of one pixel in mm; z is not seen in a picture."""
    rest, parts = "".join(text.split()), {"x": 0.0, "y": 0.0, "z": 0.0}
    seen: set[str] = set()
    while rest:
        term = _TERM.match(rest)
        if term is None or term[3] in seen or (seen and not term[1]):
            raise geometry_error(path, f"{quote(text)} is not a direction like -0.01x +0.99y", line)
        seen.add(term[3])
        parts[term[3]] = parse_number(term[1] + (term[2] or "1"), path, line)
        rest = rest[term.end() :]
    return parts["x"] * pixel, parts["y"] * pixel


def _choose_axis(rectangles: Sequence[_Rectangle], path: str) -> str | None:
    """Return the dimension whose number is that of the segment; None where segments lie one after the other."""
    names = {name for item in rectangles for name in item.selected}
    varying = sorted(name for name in names if len({item.selected.get(name) for item in rectangles}) > 1)
    if len(varying) > 1:
        raise geometry_error(path, f"{' and '.join(varying)} both select a part of the data")
    for item in rectangles:
        if varying and varying[0] not in item.selected:
            raise geometry_error(
                path, f"panel {quote(item.panel.name)} has no number for {varying[0]}", item.panel.line
            )
    return varying[0] if varying else None


def _refuse_incomplete(
    number: int, tiles: Sequence[tuple[_Panel, Tile]], path: str, shape: tuple[int, int]
) -> None:
    """Refuse a segment of which pixels have no place, or two."""
    covered = np.zeros(shape, np.bool_)
    for panel, tile in tiles:
        part = covered[slice(*tile.rows), slice(*tile.columns)]
        if part.any():
            raise geometry_error(
                path, f"panel {quote(panel.name)} has pixels of segment {number} of another panel", panel.line
            )
        part[:] = True
    left = int(covered.size - np.count_nonzero(covered))
    if left:
        raise geometry_error(
            path,
            f"segment {number} of {shape[0]} x {shape[1]} has {format_count(left, 'pixel')} without a place",
            tiles[0][0].line,
        )
